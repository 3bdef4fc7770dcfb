"""The typed forms: what JSON has no words for travels as ``{"__type__": ..., "__value__": ...}``.

Standard modules that make values, such as :mod:`decimal`, are recognised by name and imported only
when a value of theirs arrives: together they would take longer to import than everything else here.
"""

from __future__ import annotations

import binascii
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("default", "object_hook", "register_type")

_TYPE, _VALUE = "__type__", "__value__"

_Entry = tuple["str | None", "Callable[[Any], Any]"]

_encoders: dict[type, _Entry] = {}
_decoders: dict[str, Callable[[Any], Any]] = {}

# (module, name) of a class: the marker and what makes the JSON value.
_encoders_by_name: dict[tuple[str, str], _Entry] = {
    ("datetime", "datetime"): ("datetime", lambda o: o.isoformat()),
    ("datetime", "date"): ("date", lambda o: o.isoformat()),
    ("datetime", "time"): ("time", lambda o: o.isoformat()),
    ("decimal", "Decimal"): ("decimal", str),
    ("uuid", "UUID"): ("uuid", lambda o: {"hex": o.hex}),
    # A translation is text that is not made until its language is known.
    ("django.utils.functional", "Promise"): (None, str),
}


def register_type(
    t: type,
    marker: str | None,
    encoder: Callable[[Any], Any],
    decoder: Callable[[Any], Any] = lambda value: value,
) -> None:
    """Have values of a type, and of its subclasses, sent as JSON.

    Types that JSON has itself (dict, list, tuple, str, int, float, bool) are never asked for.
    Register before messages flow: threads share the table.

    Args:
        t: The type.
        marker: Names the type on the wire.  None sends what `encoder` returns without one, so
            that it arrives as a plain value.
        encoder: Makes a value that JSON, or another registered type, can express.
        decoder: Makes the value again from what `encoder` returned.
    """
    _encoders[t] = (marker, encoder)
    if marker is not None:
        _decoders[marker] = decoder


def default(o: Any) -> Any:
    """Make of `o` what JSON can express: by its ``__json__()``, or by its type.

    Raises:
        TypeError: Neither is there.
    """
    hook = getattr(o, "__json__", None)
    if hook is not None:
        return hook()
    if isinstance(o, bytes):
        try:
            return {_TYPE: "bytes", _VALUE: o.decode()}
        except UnicodeDecodeError:
            return {_TYPE: "base64", _VALUE: binascii.b2a_base64(o, newline=False).decode()}
    entry = _encoders.get(type(o)) or _entry_of(o)
    if entry is None:
        raise TypeError(
            f"Object of type {type(o).__name__} is not JSON serializable: give it a __json__() "
            "method, or register the type with kombu.utils.json.register_type()"
        )
    marker, encoder = entry
    return encoder(o) if marker is None else {_TYPE: marker, _VALUE: encoder(o)}


def _entry_of(o: object) -> _Entry | None:
    """Find the nearest registered ancestor of an object's type."""
    for cls in type(o).__mro__:
        entry = _encoders.get(cls)
        if entry is not None:
            return entry
        entry = _encoders_by_name.get((cls.__module__, cls.__qualname__))
        if entry is not None:
            _encoders[cls] = entry
            return entry
    # Abstract classes are no ancestors.
    return next((entry for t, entry in _encoders.items() if isinstance(o, t)), None)


def object_hook(o: dict[str, Any]) -> Any:
    """Make the value that a typed form stands for; any other dictionary is returned as it is.

    Raises:
        ValueError: The marker is unknown, or the value does not fit it.
    """
    if len(o) != 2 or _TYPE not in o or _VALUE not in o:
        return o
    marker = o[_TYPE]
    decoder = _decoder_of(marker) if isinstance(marker, str) else None
    if decoder is None:
        raise ValueError(
            f"the JSON text has a value of the unknown type {marker!r}: register it with "
            "kombu.utils.json.register_type() in the process that reads it"
        )
    try:
        return decoder(o[_VALUE])
    except Exception as exc:
        raise ValueError(
            f"the JSON text has a value of type {marker!r} that is not one: {exc!r}"
        ) from exc


def _decoder_of(marker: str) -> Callable[[Any], Any] | None:
    decoder = _decoders.get(marker)
    if decoder is None and marker in _makers:
        decoder = _decoders.setdefault(marker, _makers[marker]())
    return decoder


def _make_datetime() -> Callable[[str], Any]:
    from datetime import datetime

    return lambda value: _from_iso(datetime.fromisoformat, value)


def _make_date() -> Callable[[str], Any]:
    from datetime import datetime

    # kombu 5.3 writes dates as midnight.
    return lambda value: _from_iso(datetime.fromisoformat, value).date()


def _make_time() -> Callable[[str], Any]:
    from datetime import time

    return lambda value: _from_iso(time.fromisoformat, value)


def _from_iso(parse: Callable[[str], Any], value: str) -> Any:
    try:
        return parse(value)
    except ValueError:
        # Python 3.10 does not read the Z of UTC.
        if not value.endswith("Z"):
            raise
        return parse(f"{value[:-1]}+00:00")


def _make_decimal() -> Callable[[Any], Any]:
    from decimal import Decimal

    return Decimal


def _make_uuid() -> Callable[[Any], Any]:
    from uuid import UUID

    # A "version" beside the digits is ignored: they say it themselves, and UUID() refuses new ones.
    return lambda value: UUID(hex=value if isinstance(value, str) else value["hex"])


def _make_bytes() -> Callable[[str], bytes]:
    return lambda value: value.encode()


def _make_base64() -> Callable[[str], bytes]:
    return lambda value: binascii.a2b_base64(value)


_makers: dict[str, Callable[[], Callable[[Any], Any]]] = {
    "base64": _make_base64,
    "bytes": _make_bytes,
    "date": _make_date,
    "datetime": _make_datetime,
    "decimal": _make_decimal,
    "time": _make_time,
    "uuid": _make_uuid,
}
