"""The exchange types in the form that 5.7 documents, for ``Channel.exchange_types``.

Native channels route by `kombu.exchange_types`; these classes are for channels that bring a type of
their own, and for whoever asks a channel for one (`Channel.typeof`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

from kombu.exchange_types import TopicTable
from kombu.transport.backend import Binding

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    #: A binding as a channel stores it: routing key, pattern, queue.
    Row = tuple[str, str | None, str]

__all__ = ("DirectExchange", "ExchangeType", "FanoutExchange", "RoutedExchange", "TopicExchange")


class ExchangeType:
    """What an exchange does with a message; subclasses say by `lookup` which queues take it.

    Args:
        channel: The channel that it serves.
    """

    #: The name of the type.
    type: str | None = None

    def __init__(self, channel: Any) -> None:
        self.channel = channel

    def lookup(
        self, table: Sequence[Row], exchange: str, routing_key: str, default: str | None
    ) -> Iterable[str]:
        """The queues of `table` that take a message.

        Args:
            table: The bindings of the exchange, as `prepare_bind` made them.
            exchange: Name of the exchange.
            routing_key: The message's.
            default: Where messages go that fit no queue; the channel sees to it.
        """
        raise NotImplementedError(
            f"{type(self).__name__} has to say by lookup() which queues take a message"
        )

    def prepare_bind(
        self, queue: str, exchange: str, routing_key: str, arguments: Mapping[str, Any] | None
    ) -> Row:
        """The binding as it is stored: (routing key, pattern, queue)."""
        return routing_key, None, queue

    def equivalent(
        self,
        prev: Mapping[str, Any],
        exchange: str,
        type: str,
        durable: bool,
        auto_delete: bool,
        arguments: Mapping[str, Any] | None,
    ) -> bool:
        """Whether the exchange as it was declared (`prev`) is the same as this declaration."""
        return (type, durable, auto_delete, arguments or {}) == (
            prev["type"],
            prev["durable"],
            prev["auto_delete"],
            prev["arguments"] or {},
        )


class DirectExchange(ExchangeType):
    """``direct``: the routing key equals the binding key."""

    type = "direct"

    def lookup(
        self, table: Sequence[Row], exchange: str, routing_key: str, default: str | None
    ) -> Iterable[str]:
        """The queues that are bound with this very key."""
        return {queue for key, _, queue in table if key == routing_key}

    def deliver(self, message: Any, exchange: str, routing_key: str, **kwargs: Any) -> None:
        """Put a message (5.7's dictionary) into every queue that it is for."""
        for queue in self.channel._lookup(exchange, routing_key):  # noqa: SLF001  documented
            self.channel._put(queue, message, **kwargs)  # noqa: SLF001  documented


class TopicExchange(DirectExchange):
    """``topic``: words between dots, ``*`` for exactly one, ``#`` for any number, also none."""

    type = "topic"

    #: What stands in a pattern for each wildcard.  5.7 stores such patterns in tables that several
    #: programs share; it wants at least one word for ``#``, so they are written and not read,
    #: unless a subclass makes patterns of its own.
    wildcards: ClassVar[Mapping[str, str]] = {"*": r"[^\.]+", "#": ".*?"}

    def lookup(
        self, table: Sequence[Row], exchange: str, routing_key: str, default: str | None
    ) -> Iterable[str]:
        """The queues whose binding key fits."""
        return {
            queue for key, pattern, queue in table if self._fits(key or "", pattern, routing_key)
        }

    def prepare_bind(
        self, queue: str, exchange: str, routing_key: str, arguments: Mapping[str, Any] | None
    ) -> Row:
        """The binding as it is stored, with the pattern of `key_to_pattern`."""
        return routing_key, self.key_to_pattern(routing_key), queue

    def key_to_pattern(self, rkey: str) -> str:
        """The regular expression that 5.7 stores for a binding key."""
        words = [self.wildcards.get(word, word) for word in rkey.split(".")]
        return "^" + r"\.".join(words) + "$"

    def _fits(self, key: str, pattern: str | None, routing_key: str) -> bool:
        if pattern and pattern != _PLAIN.key_to_pattern(key):
            return re.match(pattern, routing_key) is not None
        table = TopicTable()
        table.add(Binding("", "", key))
        return bool(list(table.match(routing_key, {})))


class FanoutExchange(ExchangeType):
    """``fanout``: every queue that is bound, whatever the key."""

    type = "fanout"

    def lookup(
        self, table: Sequence[Row], exchange: str, routing_key: str, default: str | None
    ) -> Iterable[str]:
        """The queues that are bound."""
        return {queue for _, _, queue in table}

    def deliver(self, message: Any, exchange: str, routing_key: str, **kwargs: Any) -> None:
        """Broadcast a message (5.7's dictionary), where the channel can (``supports_fanout``)."""
        if self.channel.supports_fanout:
            self.channel._put_fanout(exchange, message, routing_key, **kwargs)  # noqa: SLF001


class RoutedExchange(DirectExchange):
    """A type that only the core's router knows: ``headers``, or a plugin's."""

    def __init__(self, channel: Any, type: str) -> None:
        super().__init__(channel)
        self.type = type

    def lookup(
        self, table: Sequence[Row], exchange: str, routing_key: str, default: str | None
    ) -> Iterable[str]:
        """The queues that take a message without headers."""
        declarations = self.channel.state.declarations
        return set(declarations.targets(exchange, routing_key, {}))


_PLAIN = TopicExchange(None)
