"""Text: near misses, regular expressions and version numbers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ("escape_regex", "fmatch_best", "fmatch_iter", "version_string_as_tuple")


class version_info_t(NamedTuple):  # noqa: N801 - the documented name
    """A version number in parts; the last two are empty for a final release."""

    major: int
    minor: int = 0
    micro: int = 0
    releaselevel: str = ""
    serial: str = ""


_MICRO = re.compile(r"(?P<micro>\d+)(?P<releaselevel>[^-]*)(?:-(?P<serial>.*))?\Z", re.DOTALL)


def escape_regex(p: str, white: str = "") -> str:
    """Put a backslash before every character that is neither alphanumeric nor in `white`."""
    return "".join(
        char if char.isalnum() or char in white else ("\\000" if char == "\0" else f"\\{char}")
        for char in p
    )


def fmatch_iter(
    needle: str, haystack: Iterable[str], min_ratio: float = 0.6
) -> Iterator[tuple[float, str]]:
    """Yield (likeness, word) for each word that is at least `min_ratio` like `needle`.

    The likeness is between 0 (nothing in common) and 1 (the same), in the order of `haystack`.
    """
    # 3 ms to import, and needed only where something was misspelt.
    from difflib import SequenceMatcher

    for word in haystack:
        ratio = SequenceMatcher(None, needle, word).ratio()
        if ratio >= min_ratio:
            yield ratio, word


def fmatch_best(needle: str, haystack: Iterable[str], min_ratio: float = 0.6) -> str | None:
    """Return the word that is most like `needle`, or None where none comes near it."""
    matches = sorted(fmatch_iter(needle, haystack, min_ratio), reverse=True)
    return matches[0][1] if matches else None


def version_string_as_tuple(s: str) -> version_info_t:
    """Split a version such as ``"5.7.0b1"`` into its parts.

    Raises:
        ValueError: The text does not begin with numbers divided by dots.
    """
    parts = s.split(".")
    try:
        major, minor = int(parts[0]), int(parts[1]) if len(parts) > 1 else 0
    except ValueError:
        raise _not_a_version(s) from None
    if len(parts) < 3:
        return version_info_t(major, minor)
    micro = _MICRO.match(parts[2])
    if micro is None:
        raise _not_a_version(s)
    level = micro["releaselevel"]
    if len(parts) > 3:
        level = level or parts[3]
    return version_info_t(major, minor, int(micro["micro"]), level, micro["serial"] or "")


def _not_a_version(s: str) -> ValueError:
    return ValueError(
        f"{s!r} is not a version number: wanted numbers divided by dots, such as '6.0.1rc1'"
    )
