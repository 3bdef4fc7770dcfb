"""AMQP's verbs about exchanges (0-9-1, section 1.7; bindings between exchanges are RabbitMQ's)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kombu.transport.backend import Binding

from . import refusals
from .router import ExchangeSpec, equivalent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .declarations import Declarations
    from .rules import Rules
    from .transport import Transport

__all__ = ("ExchangeVerbs",)


class ExchangeVerbs:
    """Declares, deletes and binds exchanges for one channel.

    Args:
        transport: The connection, where the store broadcasts by itself.
        declarations: What the connections of the store declared.
        rules: What the channel may do.
        vhost: The virtual host, for messages.
    """

    def __init__(
        self, transport: Transport, declarations: Declarations, rules: Rules, vhost: str
    ) -> None:
        self._transport = transport
        self._declarations = declarations
        self._rules = rules
        self._vhost = vhost

    def find(self, name: str) -> None:
        """Raise `ChannelError` (404) where there is no such exchange."""
        if self._declarations.find_exchange(name) is None:
            raise refusals.no_exchange(name, self._vhost, "Exchange.declare")

    def declare(self, wanted: ExchangeSpec) -> None:
        """Declare an exchange; raises `NotEquivalentError` where it stands with other options."""
        standing = self._declarations.declare_exchange(wanted)
        if not equivalent(standing, wanted):
            raise refusals.exchange_differs(standing, wanted, self._vhost)
        broadcasting = self._transport.routes.broadcasting
        if broadcasting is not None:
            broadcasting.declared(wanted.name, self._transport.deadline())

    def may_create(self, name: str) -> None:
        """Raise `ChannelError` (403) where a new exchange would have a name of the broker's."""
        if self._declarations.find_exchange(name) is None:
            self._rules.may_create(name, "Exchange.declare")

    def delete(self, name: str, if_unused: bool) -> None:
        """Delete an exchange with its bindings; raises `ChannelError` (406) where it is in use."""
        self._rules.not_the_default(name, "Exchange.delete")
        if if_unused and self._declarations.has_bindings(name):
            raise refusals.in_use("exchange", name, self._vhost, "Exchange.delete")
        self._declarations.delete_exchange(name)

    def bind(
        self, destination: str, source: str, key: str, arguments: Mapping[str, Any] | None
    ) -> None:
        """Have `destination` receive what `source` routes to it."""
        for end in (source, destination):
            self._rules.not_the_default(end, "Exchange.bind")
        self._rules.exchange_exists(destination, "Exchange.bind")
        self._rules.may_bind(source, arguments, "Exchange.bind")
        self._declarations.bind(Binding(source, destination, key, arguments, to_exchange=True))

    def unbind(
        self, destination: str, source: str, key: str, arguments: Mapping[str, Any] | None
    ) -> None:
        """Undo `bind`; unknown bindings are ignored."""
        self._declarations.unbind(Binding(source, destination, key, arguments, to_exchange=True))
