"""How long a message lives: delivery modes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = (
    "DELIVERY_MODES",
    "PERSISTENT_DELIVERY_MODE",
    "TRANSIENT_DELIVERY_MODE",
    "maybe_delivery_mode",
)

TRANSIENT_DELIVERY_MODE = 1
PERSISTENT_DELIVERY_MODE = 2
DELIVERY_MODES = {
    "transient": TRANSIENT_DELIVERY_MODE,
    "persistent": PERSISTENT_DELIVERY_MODE,
}


def maybe_delivery_mode(
    v: Any, modes: Mapping[str, int] | None = None, default: int = PERSISTENT_DELIVERY_MODE
) -> int:
    """A delivery mode by name or number; `default` for nothing.

    Raises:
        KeyError: There is no mode of this name.
    """
    if not v:
        return default
    if isinstance(v, int):
        return v
    known = modes or DELIVERY_MODES
    try:
        return known[v]
    except KeyError:
        raise KeyError(
            f"{v!r} is no delivery mode: use {', '.join(map(repr, known))}, 1 or 2"
        ) from None
