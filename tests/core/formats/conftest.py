from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from kombu import plugins
from registries import put_back_after


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
    put_back_after(monkeypatch)
