"""Between text and bytes, and text for logs that can always be made."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypeVar, overload

if TYPE_CHECKING:
    from typing import TextIO

__all__ = (
    "bytes_to_str",
    "default_encode",
    "default_encoding",
    "default_encoding_file",
    "ensure_bytes",
    "from_utf8",
    "get_default_encoding_file",
    "safe_repr",
    "safe_str",
    "set_default_encoding_file",
    "str_to_bytes",
)

T = TypeVar("T")

#: The file whose encoding is the default one, as set by :func:`set_default_encoding_file`.
default_encoding_file: TextIO | None = None


def set_default_encoding_file(file: TextIO | None) -> None:
    """Take the encoding of `file`, such as a log file, as the default one."""
    global default_encoding_file
    default_encoding_file = file


def get_default_encoding_file() -> TextIO | None:
    """Return the file set by :func:`set_default_encoding_file`, or None."""
    return default_encoding_file


def default_encoding(file: TextIO | None = None) -> str:
    """Return the encoding of `file`, of the default file, or the interpreter's own."""
    file = file or default_encoding_file
    return getattr(file, "encoding", None) or sys.getfilesystemencoding()


@overload
def str_to_bytes(s: str) -> bytes: ...
@overload
def str_to_bytes(s: T) -> T: ...
def str_to_bytes(s: object) -> object:
    """Encode text as UTF-8; anything else is returned as it is.

    Raises:
        UnicodeEncodeError: The text holds a lone surrogate.
    """
    return s.encode() if isinstance(s, str) else s


@overload
def bytes_to_str(s: bytes) -> str: ...
@overload
def bytes_to_str(s: T) -> T: ...
def bytes_to_str(s: object) -> object:
    """Decode UTF-8, with U+FFFD for what is not; anything but bytes is returned as it is."""
    return s.decode(errors="replace") if isinstance(s, bytes) else s


def ensure_bytes(s: Any) -> Any:
    """Encode text as UTF-8; anything else, bytes among it, is returned as it is."""
    return s.encode() if isinstance(s, str) else s


def from_utf8(s: T, *args: Any, **kwargs: Any) -> T:  # noqa: ARG001 - the documented signature
    """Return `s` as it is: text needs no decoding in Python 3."""
    return s


def default_encode(obj: T) -> T:
    """Return `obj` as it is: text needs no encoding in Python 3."""
    return obj


def safe_str(s: object, errors: str = "replace") -> str:
    """Make text of anything, never raising: bytes are decoded, other objects described."""
    if isinstance(s, bytes):
        return s.decode("utf-8", errors)
    if isinstance(s, str):
        return s
    return safe_repr(s, errors)


def safe_repr(o: object, errors: str = "replace") -> str:  # noqa: ARG001 - the documented signature
    """Return ``repr(o)``, or where that raises, text that names the type and the error."""
    try:
        return repr(o)
    except Exception as exc:
        return f"<Unrepresentable {type(o)!r}: {exc!r}>"
