"""What 5.7 documents as attributes of a channel, and is an option of the connection here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .connection.address import database_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

__all__ = ("Told", "channel_prefix")

T = TypeVar("T")


class Told(Generic[T]):
    """An attribute that is read from the transport options; on the class it is 5.7's default.

    Args:
        default: The class's.
        read: Reads it from the options and the transport, by default by its name.
    """

    def __init__(self, default: T, read: Callable[[Any, Any], T] | None = None) -> None:
        self._default = default
        self._read = read
        self._name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, owner: type) -> T:
        # A channel that was closed has no transport any more.
        transport = None if instance is None else instance.connection
        if transport is None:
            return self._default
        if self._read is not None:
            return self._read(transport.options, transport)
        told: T = getattr(transport.options, self._name)
        return told

    def __set__(self, instance: Any, value: object) -> NoReturn:
        raise AttributeError(
            f"{type(instance).__name__}.{self._name} only tells what the connection's options are, "
            f"and setting it to {value!r} would change nothing: say "
            f"Connection(..., transport_options={{{self._name!r}: ...}})"
        )


def channel_prefix(options: Any, transport: Any) -> str:
    """What the names of fanout channels begin with."""
    naming = options.fanout_prefix
    begin = naming if isinstance(naming, str) else "/{db}." if naming else ""
    return begin.format(db=database_of(transport.client))
