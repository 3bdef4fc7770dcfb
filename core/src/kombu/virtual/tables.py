"""The routing table of an exchange type, by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, cast

from kombu.exceptions import ChannelError
from kombu.exchange_types import BUILTIN, LinearTable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kombu.exchange_types import Table
    from kombu.transport.backend import Binding

__all__ = ("add_channel_types", "new_table")

#: Types that the ``exchange_types`` of some channel class names: such a channel routes by itself.
_channel_types: set[str] = set()


class _UnreadTable:
    """For an exchange whose type only a channel's ``exchange_types`` knows."""

    reads_headers: ClassVar[bool] = True

    def add(self, binding: Binding) -> None:
        """The channel reads the bindings themselves (`Channel.get_table`)."""

    def remove(self, binding: Binding) -> None:
        """The channel reads the bindings themselves (`Channel.get_table`)."""

    def match(self, routing_key: str, headers: Mapping[str, Any]) -> Iterable[Binding]:
        """Nothing: a channel that does not know the type routes nowhere."""
        return ()


def add_channel_types(names: Iterable[str]) -> None:
    """Let exchanges of these types be declared: a channel class knows how to route them."""
    _channel_types.update(names)


def new_table(exchange_type: str) -> Table:
    """The routing table of an exchange type, built in or a plugin's.

    Raises:
        ChannelError: 503, where no such type is known.
    """
    factory = BUILTIN.get(exchange_type)
    if factory is not None:
        return factory()
    if exchange_type in _channel_types:
        return _UnreadTable()
    # Only a type that is not built in is looked up among the plugins.
    from kombu import plugins

    spec = plugins.find_exchange_type(exchange_type)
    if spec is None:
        raise ChannelError(
            f"COMMAND_INVALID - unknown exchange type {exchange_type!r}: built in are "
            f"{', '.join(sorted(BUILTIN))}; others come with plugins "
            "(entry-point group kombu.exchange_types)",
            (40, 10),
            "Exchange.declare",
            503,
        )
    if spec.compile is not None:
        return cast("Table", spec.compile())
    return LinearTable(spec.route, spec.reads_headers)
