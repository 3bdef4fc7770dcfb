"""The methods that receive: ``basic.consume``, ``basic.get``, and what the broker delivers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from amqp import spec  # type: ignore[import-untyped]

from ..consume.consumers import Declared
from ..consume.message import Message
from ..wire.calls import Calls
from .base import BaseChannel

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..consume.arrived import Arrived
    from ..consume.scanning import Route

__all__ = ("ReceiveMethods",)


class ReceiveMethods(BaseChannel):
    """What a channel is given; `kombu_amqp.consume` does it."""

    def message_to_python(self, raw_message: Any) -> Any:
        """A message of py-amqp as one of ours."""
        if isinstance(raw_message, Message):
            return raw_message
        return self.Message(raw_message, channel=self)

    def basic_get(self, queue: str = "", no_ack: bool = False, argsig: str = "Bsb") -> Any:
        """Take one message, `None` where there is none ready."""
        answer = self.send_method(
            spec.Basic.Get,
            argsig,
            (0, queue, no_ack),
            wait=[spec.Basic.GetOk, spec.Basic.GetEmpty],
            returns_tuple=True,
            late=None if no_ack else self._give_back,
        )
        if len(answer) < 2:
            return None
        tag, redelivered, exchange, routing_key, count, raw = answer
        raw.delivery_info = {
            "delivery_tag": tag,
            "redelivered": bool(redelivered),
            "exchange": exchange,
            "routing_key": routing_key,
            "message_count": count,
        }
        raw.channel = self
        message = self.Message(raw, channel=self, queue=queue)
        if no_ack:
            return message.without_ack()
        self.consuming.handed_out(tag)
        return message

    def basic_consume(
        self,
        queue: str = "",
        consumer_tag: str = "",
        no_local: bool = False,
        no_ack: bool = False,
        exclusive: bool = False,
        nowait: bool = False,
        callback: Callable[[Any], Any] | None = None,
        arguments: Mapping[str, Any] | None = None,
        on_cancel: Callable[[str], Any] | None = None,
        argsig: str = "BssbbbbF",
    ) -> str:
        """Start a consumer; `callback` is called with each message, by `drain_events`.

        Args:
            queue: Name of the queue.
            consumer_tag: Its name; the broker makes one up for ``""``.
            no_local: Not what this connection publishes; RabbitMQ ignores it.
            no_ack: Receive without acknowledgement.
            exclusive: Be the only consumer of the queue.
            nowait: Do not wait for the broker's answer.
            callback: Called with each message.
            arguments: Such as ``x-priority``.
            on_cancel: Called with the tag where the broker cancels the consumer; without it
                `drain_events` raises `ConsumerCancelled`.

        Raises:
            ValueError: `nowait` without a tag.
        """
        if nowait and not consumer_tag:
            raise ValueError("basic_consume: nowait wants a consumer tag, and there is none")
        if not self.is_open and self.connection is not None:
            # With the consumers that it has, of which this one is none yet.
            self.reopening.open_for(spec.Basic.Consume)
        if consumer_tag:
            # Its first message may come before the answer.
            consumer = Declared(consumer_tag, queue, no_ack, no_local, exclusive, arguments)
            self.consuming.add(consumer, callback, on_cancel)
        try:
            answer = self.send_method(
                spec.Basic.Consume,
                argsig,
                (0, queue, consumer_tag, no_local, no_ack, exclusive, nowait, arguments),
                wait=None if nowait else spec.Basic.ConsumeOk,
                late=self._cancel_late,
            )
        except BaseException:
            self.consuming.remove(consumer_tag)
            raise
        if consumer_tag:
            return consumer_tag
        tag: str = answer
        consumer = Declared(tag, queue, no_ack, no_local, exclusive, arguments)
        self.consuming.add(consumer, callback, on_cancel)
        return tag

    def _give_back(self, delivery_tag: int, *got: Any) -> None:
        # `basic_get` brought it too late; an empty queue says nothing else than its first field.
        if got:
            self.give_back(delivery_tag)

    def _cancel_late(self, consumer_tag: str) -> None:
        Calls.send_method(self, spec.Basic.Cancel, "sb", (consumer_tag, True))

    def basic_cancel(self, consumer_tag: str, nowait: bool = False, argsig: str = "sb") -> Any:
        """Stop a consumer; what has come for it and was not handed out goes back to its queue."""
        if self.connection is None:
            return None
        self.consuming.cancel(consumer_tag, nowait)
        return consumer_tag

    def _on_basic_cancel(self, consumer_tag: str) -> None:
        self.later(self.consuming.cancelled(consumer_tag))

    def _on_basic_cancel_ok(self, consumer_tag: str) -> None:
        """Nothing: who cancels forgets the consumer."""

    def _on_basic_deliver(
        self,
        consumer_tag: str,
        delivery_tag: int,
        redelivered: bool,
        exchange: str,
        routing_key: str,
        msg: Any,
    ) -> None:
        msg.channel = self
        msg.delivery_info = {
            "consumer_tag": consumer_tag,
            "delivery_tag": delivery_tag,
            "redelivered": bool(redelivered),
            "exchange": exchange,
            "routing_key": routing_key,
        }
        self.later(self.consuming.delivered(consumer_tag, delivery_tag, msg))

    def delivered(self, wire_tag: str, delivery_tag: int, message: Any) -> Any:
        """A message came; returns what `Connection.drain_events` is to do."""
        return self.consuming.delivered(wire_tag, delivery_tag, message)

    def delivery_route(self, wire_tag: str, length: int) -> Route | None:
        """What deliveries with such a tag mean; see `Consuming.route`."""
        return self.consuming.route(wire_tag, length) if self.is_open else None

    def confirm_route(self) -> Any:
        """What has a ``settle(number, multiple)`` for confirms of the broker, if anything."""
        if (
            not self.is_open
            or self.publisher.ledger.confirms is None
            or self.events.get("basic_ack")
        ):
            return None
        return self

    def settle(self, number: int, multiple: bool) -> None:
        """The broker has a message, or all up to it."""
        confirms = self.publisher.ledger.confirms
        if confirms is not None:
            confirms.settle(number, multiple, False)
        if self.events.get("basic_ack"):
            super()._on_basic_ack(number, multiple)

    def hand_out(self, message: Arrived) -> None:
        """Give a message to its consumer; called by `Connection.drain_events`."""
        self.consuming.hand_out(message)

    def forget_routes(self) -> None:
        """Consumers or confirms are not what they were."""
        connection = self.connection
        if connection is not None:
            connection.incoming.scanner.forget()
