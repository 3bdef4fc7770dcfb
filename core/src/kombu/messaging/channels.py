"""Channels, for who may have been given a connection instead."""

from __future__ import annotations

from typing import Any

__all__ = ("FirstLook", "channel_of", "is_connection")


def is_connection(obj: Any) -> bool:
    """Whether `obj` has a default channel; it is not opened."""
    # Asked of the class: the attribute itself would open the channel.
    return hasattr(type(obj), "default_channel")


def channel_of(channel: Any) -> Any:
    """A channel, for a channel or for the connection whose default channel is meant."""
    return channel.default_channel if is_connection(channel) else channel


class FirstLook:
    """Stands in a class for an attribute that its instances make when they are first asked."""

    def __get__(self, obj: Any, owner: type[Any]) -> Any:
        return self if obj is None else obj._open()  # noqa: SLF001  the instance it stands in
