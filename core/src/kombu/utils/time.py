"""Units of time."""

from __future__ import annotations

from typing import overload

__all__ = ("maybe_s_to_ms",)


@overload
def maybe_s_to_ms(v: None) -> None: ...
@overload
def maybe_s_to_ms(v: float | str) -> int: ...
def maybe_s_to_ms(v: float | str | None) -> int | None:
    """Turn seconds into whole milliseconds, rounded down towards zero; None stays None.

    Raises:
        ValueError: `v` is text that is not a number.
    """
    return int(float(v) * 1000.0) if v is not None else None
