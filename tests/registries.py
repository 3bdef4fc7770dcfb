"""What a process knows of serializers, compressors and JSON types, for tests that change it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

__all__ = ("put_back_after",)


def put_back_after(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the registries put back when the test ends."""
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
