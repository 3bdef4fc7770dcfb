from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from kombu import plugins


@pytest.fixture(autouse=True)
def plugin_system(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A plugin system whose plugins a test sets; it writes down what it was asked."""
    system = SimpleNamespace(serializers={}, compressors={}, asked=[])

    def find(table: dict[str, Any], key: str) -> Any:
        system.asked.append(key)
        return table.get(key)

    def find_serializer(name: str) -> Any:
        return find(system.serializers, name)

    def find_serializer_for(content_type: str) -> Any:
        system.asked.append(content_type)
        found = (s for s in system.serializers.values() if s.content_type == content_type)
        return next(found, None)

    def find_compressor(name: str) -> Any:
        return find(system.compressors, name)

    # Nothing is remembered of other tests.
    monkeypatch.setattr(plugins, "changes", object())
    monkeypatch.setattr(plugins, "find_serializer", find_serializer)
    monkeypatch.setattr(plugins, "find_serializer_for", find_serializer_for)
    monkeypatch.setattr(plugins, "find_compressor", find_compressor)
    return system


@pytest.fixture
def pristine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process's registry and JSON types are put back after the test."""
    from kombu import compression
    from kombu.serialization import registry
    from kombu.utils import typedjson

    for attribute in ("_encoders", "_decoders", "type_to_name", "name_to_type"):
        monkeypatch.setattr(registry, attribute, dict(getattr(registry, attribute)))
    for attribute in ("_default", "_default_name"):
        monkeypatch.setattr(registry, attribute, getattr(registry, attribute))
    monkeypatch.setattr(registry, "_disabled_content_types", set(registry._disabled_content_types))
    for attribute in ("_encoders", "_decoders"):
        monkeypatch.setattr(typedjson, attribute, dict(getattr(typedjson, attribute)))
    for attribute in ("_aliases", "_encoders", "_decoders"):
        monkeypatch.setattr(compression, attribute, dict(getattr(compression, attribute)))
