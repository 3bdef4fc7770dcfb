"""What an event loop watches, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .poller import ERR, READ, WRITE

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = (
    "callback_for",
    "repr_active",
    "repr_events",
    "repr_flag",
    "repr_readers",
    "repr_writers",
)


def repr_flag(flag: int) -> str:
    """What flags mean: ``R`` for reading, ``W`` for writing, ``!`` for an error."""
    return "".join(name for bit, name in ((READ, "R"), (WRITE, "W"), (ERR, "!")) if flag & bit)


def _name(callback: Any) -> str:
    if callback is None:
        return "<missing>"
    args: tuple[Any, ...] | None = None
    if isinstance(callback, tuple):
        callback, args = callback
    name = getattr(callback, "__name__", None) or repr(callback)
    return f"{name}{args}" if args else name


def repr_readers(h: Any) -> list[str]:
    """The readers of a hub."""
    return [
        f"({fd}){_name(callback)}->{repr_flag(READ | ERR)}" for fd, callback in h.readers.items()
    ]


def repr_writers(h: Any) -> list[str]:
    """The writers of a hub."""
    return [f"({fd}){_name(callback)}->{repr_flag(WRITE)}" for fd, callback in h.writers.items()]


def repr_active(h: Any) -> str:
    """The readers and writers of a hub."""
    return ", ".join(repr_readers(h) + repr_writers(h))


def repr_events(h: Any, events: Iterable[tuple[int, int]]) -> str:
    """Events as a poller tells them, with the callbacks that they are for."""
    return ", ".join(
        f"{_name(callback_for(h, fd, flag, None))}({fd})->{repr_flag(flag)}" for fd, flag in events
    )


def callback_for(h: Any, fd: int, flag: int, *default: Any) -> Any:
    """The callback of a descriptor for a flag, as the hub keeps it.

    Raises:
        KeyError: There is none, and no `default`.
    """
    if flag & READ:
        known = h.readers
    elif flag & WRITE:
        known = h.consolidate_callback if fd in h.consolidate else h.writers
        if fd in h.consolidate:
            return known
    else:
        known = {}
        if not default:
            default = (None,)
    if default:
        return known.get(fd, default[0])
    return known[fd]
