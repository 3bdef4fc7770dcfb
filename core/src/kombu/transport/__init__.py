"""Transports: look-up by name, and the interfaces that they are written against."""

from __future__ import annotations

from .lookup import (
    TRANSPORT_ALIASES,
    get_transport_cls,
    resolve_transport,
    supports_librabbitmq,
    transport_class,
    transport_spec,
)

__all__ = (
    "TRANSPORT_ALIASES",
    "get_transport_cls",
    "resolve_transport",
    "supports_librabbitmq",
    "transport_class",
    "transport_spec",
)
