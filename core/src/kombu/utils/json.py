"""JSON with the typed forms of :mod:`kombu.utils.typedjson`.

:func:`encode` and :func:`decode` are the fast way that messages take; :func:`dumps` and
:func:`loads` are the documented functions, with all options of the standard library's.
"""

from __future__ import annotations

import json
from json import encoder as _json_encoder
from typing import TYPE_CHECKING, Any

from kombu.utils.typedjson import default as _default
from kombu.utils.typedjson import object_hook, register_type

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = (
    "JSONEncoder",
    "decode",
    "dumps",
    "encode",
    "encode_checked",
    "loads",
    "object_hook",
    "register_type",
    "textual_types",
)

#: Kept for its documented name; lazy text is recognised by :mod:`kombu.utils.typedjson`.
textual_types: tuple[type, ...] = ()


class JSONEncoder(json.JSONEncoder):
    """The standard encoder, extended by the typed forms and by ``__json__()``."""

    def default(self, o: Any) -> Any:
        """Make of `o` what JSON can express.

        Raises:
            TypeError: Its type is not registered, and it has no ``__json__()``.
        """
        return _default(o)


_checking_encoder = JSONEncoder()
_plain_decoder = json.JSONDecoder()
_typed_decoder = json.JSONDecoder(object_hook=object_hook)
# The scanner inside: without the decoder's search for blanks before and behind, 4.7 us become 3.6.
_scan_plain: Callable[[str, int], tuple[Any, int]] = _plain_decoder.scan_once  # type: ignore[attr-defined]


def _make_encode() -> Callable[[Any], str]:
    make = getattr(_json_encoder, "c_make_encoder", None)
    if make is None:
        return encode_checked
    # JSONEncoder.encode() makes this object anew for each call.  Without markers (which find
    # circles) it has no state, so that threads can share it: 3.4 us become 2.0.
    chunks = make(
        None, _default, _json_encoder.encode_basestring_ascii, None, ": ", ", ", False, False, True
    )

    def encode(obj: Any) -> str:
        """Write `obj` as JSON.

        Raises:
            ValueError: The body contains itself, or is nested too deeply.
            TypeError: Part of it cannot be expressed.
        """
        try:
            return "".join(chunks(obj, 0))
        except RecursionError:
            return encode_checked(obj)

    return encode


def encode_checked(obj: Any) -> str:
    """Write `obj` as JSON, slower: a body that contains itself is told from one that is deep.

    Raises:
        ValueError: The body contains itself, or is nested too deeply.
        TypeError: Part of it cannot be expressed.
    """
    try:
        return _checking_encoder.encode(obj)
    except RecursionError:
        raise ValueError("the body is nested too deeply for JSON: make it flatter") from None


#: Writes a value as JSON; see :func:`encode_checked` for what it raises.
encode: Callable[[Any], str] = _make_encode()


def decode(text: str | bytes | bytearray | memoryview) -> Any:
    """Read JSON, text or UTF-8, with the typed forms.

    Raises:
        ValueError: It is not JSON, not UTF-8, nested too deeply, or has a bad typed form.
        TypeError: It is not text.
    """
    if text.__class__ is not str:
        text = text if isinstance(text, str) else str(text, "utf-8")
    try:
        # Without the quotes: text that is searched for a rare character is searched quicker.
        if "__type__" in text:
            return _typed_decoder.decode(text)
        try:
            value, end = _scan_plain(text, 0)
        except StopIteration:
            # Blanks, or no JSON at all.
            return _plain_decoder.decode(text)
        return value if end == len(text) else _plain_decoder.decode(text)
    except RecursionError:
        raise ValueError("the JSON text is nested too deeply to be read") from None


def dumps(
    s: Any,
    _dumps: Callable[..., Any] = json.dumps,
    cls: type[json.JSONEncoder] | None = None,
    default_kwargs: dict[str, Any] | None = None,
    **kwargs: Any,
) -> Any:
    """Write `s` as JSON.

    Args:
        s: The value.
        _dumps: The function to write it with, in place of :func:`json.dumps`.
        cls: The encoder, in place of :class:`JSONEncoder`.
        default_kwargs: Arguments of `_dumps` that `kwargs` may override.
        **kwargs: Further arguments of `_dumps`.

    Raises:
        ValueError: The value contains itself, or is nested too deeply.
        TypeError: Part of it cannot be expressed.
    """
    options = {**(default_kwargs or {}), **kwargs}
    if _dumps is json.dumps and cls is None and not options:
        return encode(s)
    return _dumps(s, cls=cls or JSONEncoder, **options)


def loads(
    s: Any,
    _loads: Callable[..., Any] = json.loads,
    decode_bytes: bool = True,
    object_hook: Callable[[dict[str, Any]], Any] | None = object_hook,
) -> Any:
    """Read JSON.

    Args:
        s: Text, or UTF-8 as bytes, bytearray or memoryview.
        _loads: The function to read it with, in place of :func:`json.loads`.
        decode_bytes: Decode UTF-8 here; otherwise `_loads` gets what it is given.
        object_hook: Called with each dictionary; its result takes the dictionary's place.

    Raises:
        ValueError: It is not JSON, not UTF-8, nested too deeply, or has a bad typed form.
        TypeError: It is not text.
    """
    if decode_bytes and isinstance(s, (bytes, bytearray, memoryview)):
        s = str(s, "utf-8")
    if _loads is json.loads and object_hook is _standard_hook and isinstance(s, str):
        return decode(s)
    return _loads(s, object_hook=object_hook)


_standard_hook = object_hook
