"""JSON by orjson, where it changes no meaning.

orjson writes UUIDs as bare text, enumerations as their values and NaN as null, and reads integers
beyond 64 bits as floats.  What could meet one of these takes the way of :mod:`kombu.utils.json`.
Importing this module needs the package orjson.
"""

from __future__ import annotations

import marshal
from typing import Any

import orjson

from kombu.utils import json
from kombu.utils.typedjson import default

__all__ = ("decode", "encode")

_DIGITS_TO_ZERO = bytes.maketrans(b"123456789", b"000000000")
# 2 ** 63 has 19 digits.
_LONG_NUMBER = b"0" * 19
_HIGH_TO_F0 = bytes.maketrans(bytes(range(0xF1, 0x100)), b"\xf0" * 15)
# Writes a double as one of two letters and eight bytes, little end first, on every Python.
_MARSHAL_VERSION = 4
_DOUBLE = b"g\xe7"
_OPTIONS = (
    orjson.OPT_PASSTHROUGH_SUBCLASS
    | orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_PASSTHROUGH_DATETIME
)


def encode(obj: Any) -> str:
    """Write `obj` as JSON of the same meaning as :func:`kombu.utils.json.encode`'s.

    Raises:
        ValueError: The body contains itself, or is nested too deeply.
        TypeError: Part of it cannot be expressed.
    """
    try:
        # Refuses every class that is not Python's own, and so what orjson has its own form for.
        # orjson offers no other way to keep UUIDs from it.
        plain = marshal.dumps(obj, _MARSHAL_VERSION)
        written = orjson.dumps(obj, default, _OPTIONS)
    except (TypeError, ValueError):
        return json.encode(obj)
    if b"null" in written and _may_hold_nan(plain):
        return json.encode(obj)
    return written.decode()


def _may_hold_nan(marshalled: bytes) -> bool:
    """Tell whether a double that is not a finite number may be among the marshalled values.

    Its last two bytes are 0xf_ and 0x7f or 0xff, which UTF-8 has nowhere.
    """
    levelled = marshalled.translate(_HIGH_TO_F0)
    for ending in (b"\xf0\x7f", b"\xf0\xf0"):
        at = levelled.find(ending)
        while at >= 0:
            if at >= 7 and marshalled[at - 7] in _DOUBLE:
                return True
            at = levelled.find(ending, at + 1)
    return False


def decode(text: str | bytes | bytearray | memoryview) -> Any:
    """Read JSON, with the typed forms and the same result as :func:`kombu.utils.json.decode`.

    Raises:
        ValueError: It is not JSON, not UTF-8, nested too deeply, or has a bad typed form.
        TypeError: It is not text.
    """
    try:
        data = text.encode() if isinstance(text, str) else bytes(text)
        if b'"__type__"' in data or _LONG_NUMBER in data.translate(_DIGITS_TO_ZERO):
            return json.decode(text)
        return orjson.loads(data)
    except ValueError:
        # NaN, a lone surrogate, or an error that the other way describes.
        return json.decode(text)
