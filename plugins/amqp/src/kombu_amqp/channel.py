"""A channel: py-amqp's, with answers, confirms and deliveries of our own."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import amqp  # type: ignore[import-untyped]
from amqp import spec
from amqp.exceptions import ChannelError as TheirChannelError  # type: ignore[import-untyped]
from amqp.protocol import queue_declare_ok_t  # type: ignore[import-untyped]

from kombu.transport.base import StdChannel

from .calls import Calls
from .consumers import Declared, Registry
from .errors import (
    ChannelError,
    ConsumerCancelled,
    NotImplementedByBroker,
    StaleDelivery,
    for_code,
)
from .message import Message
from .publishing import Publishing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ("Channel",)

#: RabbitMQ's own basic.nack, which py-amqp can only receive.
_NACK = (60, 120)
#: What may be sent on a channel that is not open (yet, or any more).
_OPENING = (spec.Channel.Open, spec.Channel.Close, spec.Channel.CloseOk)
#: What is about messages that came before: of no use on a channel that was opened again.
_ANSWERS = (spec.Basic.Ack, spec.Basic.Reject, _NACK)


class Channel(Calls, Publishing, amqp.Channel, StdChannel):  # type: ignore[misc]
    """A channel; use it in one thread at a time.

    When the broker closes it, because it refused something, the call that it refused raises, or
    where there was none the next one, or `Connection.drain_events`.  The next use opens the channel
    again, with its prefetch limit and its consumers; other channels go on.
    """

    Message = Message

    def __init__(
        self,
        connection: Any,
        channel_id: int | None = None,
        auto_decode: bool = True,
        on_open: Any = None,
    ) -> None:
        self._begin_calls()
        self._begin_publishing()
        #: Changes when messages that came before can't be answered any more.
        self.generation = 0
        self._refused: Exception | None = None
        self._reopening = threading.RLock()
        self._was_open = False
        self._limits: list[tuple[int, int, bool]] = []
        self._consumers = Registry()
        #: Deliveries that wait for `Connection.drain_events`: consumer and delivery tag.
        self._waiting: dict[int, str] = {}
        #: Delivery tags of what was handed out and not answered.
        self._unanswered: set[int] = set()
        super().__init__(connection, channel_id, auto_decode, on_open)

    # -- the channel itself ------------------------------------------------------------------

    def send_method(self, sig: Any, *args: Any, **kwargs: Any) -> Any:
        """See `Calls.send_method`; a channel that the broker closed is opened again."""
        if not self.is_open and sig not in _OPENING and self.connection is not None:
            self._reopen(sig)
        return super().send_method(sig, *args, **kwargs)

    def raise_refusal(self) -> None:
        """Raise why the broker closed the channel, unless somebody was told."""
        refused, self._refused = self._refused, None
        if refused is not None:
            raise refused

    def _reopen(self, wanted: Any) -> None:
        self.raise_refusal()
        if wanted in _ANSWERS and self._was_open:
            raise StaleDelivery(
                "the broker has closed this channel meanwhile: it gives out again what was not "
                "answered, and those deliveries are the ones to answer"
            )
        with self._reopening:
            if self.is_open:
                return
            self.open()
            for limits in self._limits:
                super().send_method(spec.Basic.Qos, "lBb", limits, wait=spec.Basic.QosOk)
            for consumer in self._consumers.all():
                self._consume_at_broker(consumer, self._consumers.new_tag(consumer.tag))

    def resume(self) -> None:
        """Open the channel again, where it has consumers that would get nothing otherwise."""
        if self.connection is not None and not self.is_open and self._consumers.all():
            self._reopen(spec.Basic.Consume)

    def _on_open_ok(self) -> None:
        self._was_open = True
        super()._on_open_ok()

    def _on_close(self, reply_code: int, reply_text: str, class_id: int, method_id: int) -> None:
        super().send_method(spec.Channel.CloseOk)
        self.is_open = False
        self.generation += 1
        self._forget_deliveries()
        error = for_code(reply_code, reply_text, (class_id, method_id), TheirChannelError)
        told = self.fail_calls(error)
        if not told:
            self._refused = error
        connection = self.connection
        if connection is not None and (not told or self._consumers.all()):
            connection.events.append(self._tell_refusal)

    def _tell_refusal(self) -> None:
        self.raise_refusal()
        self.resume()

    def fail_calls(self, error: BaseException) -> bool:
        """No answers and no confirms will come; returns whether somebody was told."""
        told = self._confirms_lost(error)
        return super().fail_calls(error) or told

    def _forget_deliveries(self) -> None:
        """None of those that came can be answered any more."""
        self._waiting.clear()
        self._unanswered.clear()

    def collect(self) -> None:
        """Let go of the channel without talking to the broker."""
        super().collect()
        self._consumers.clear()
        self._forget_deliveries()

    def forked(self) -> None:
        """In the child of a fork: the channel stays the parent's."""
        self._begin_calls()
        self._begin_publishing()
        self._reopening = threading.RLock()
        self.is_open = False
        self.connection = None

    def close(
        self,
        reply_code: int = 0,
        reply_text: str = "",
        method_sig: tuple[int, int] = (0, 0),
        argsig: str = "BsBB",
    ) -> None:
        """Close the channel; the broker gives out again what was not answered."""
        connection = self.connection
        if connection is None or connection.channels is None:
            self.connection = None
            return
        if not self.is_open:
            self.collect()
            return
        self.is_closing = True
        self._forget_deliveries()
        try:
            self.send_method(
                spec.Channel.Close,
                argsig,
                (reply_code, reply_text, *method_sig),
                wait=spec.Channel.CloseOk,
            )
        except TimeoutError:
            # Its number stays taken: the answer may still come.
            self.connection = None
            raise

    @property
    def closed(self) -> bool:
        """Whether the channel was closed, by us or with its connection."""
        return self.connection is None

    # -- declarations ------------------------------------------------------------------------

    def queue_declare(
        self,
        queue: str = "",
        passive: bool = False,
        durable: bool = False,
        exclusive: bool = False,
        auto_delete: bool = True,
        nowait: bool = False,
        arguments: Mapping[str, Any] | None = None,
        argsig: str = "BsbbbbbF",
    ) -> Any:
        """Declare a queue; returns its name and how many messages and consumers it has."""
        answer = self.send_method(
            spec.Queue.Declare,
            argsig,
            (0, queue, passive, durable, exclusive, auto_delete, nowait, arguments),
            wait=None if nowait else spec.Queue.DeclareOk,
            returns_tuple=True,
        )
        return None if nowait else queue_declare_ok_t(*answer)

    # -- receiving ---------------------------------------------------------------------------

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
        self._unanswered.add(tag)
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

        Raises:
            ValueError: `nowait` without a tag.
        """
        if nowait and not consumer_tag:
            raise ValueError("basic_consume: nowait wants a consumer tag, and there is none")
        if consumer_tag:
            # Its first message may come before the answer.
            self._add_consumer(
                Declared(consumer_tag, queue, no_ack, no_local, exclusive, arguments),
                callback,
                on_cancel,
            )
        try:
            answer = self.send_method(
                spec.Basic.Consume,
                argsig,
                (0, queue, consumer_tag, no_local, no_ack, exclusive, nowait, arguments),
                wait=None if nowait else spec.Basic.ConsumeOk,
            )
        except BaseException:
            self._remove_tag(consumer_tag)
            raise
        if consumer_tag:
            return consumer_tag
        tag: str = answer
        self._add_consumer(
            Declared(tag, queue, no_ack, no_local, exclusive, arguments), callback, on_cancel
        )
        return tag

    def _add_consumer(self, consumer: Declared, callback: Any, on_cancel: Any) -> None:
        tag = consumer.tag
        self._consumers.add(consumer)
        self.callbacks[tag] = callback
        if on_cancel is not None:
            self.cancel_callbacks[tag] = on_cancel
        if consumer.no_ack:
            self.no_ack_consumers.add(tag)

    def _consume_at_broker(self, consumer: Declared, wire_tag: str) -> None:
        self.send_method(
            spec.Basic.Consume,
            "BssbbbbF",
            (
                0,
                consumer.queue,
                wire_tag,
                consumer.no_local,
                consumer.no_ack,
                consumer.exclusive,
                False,
                consumer.arguments,
            ),
            wait=spec.Basic.ConsumeOk,
        )
        self._consumers.replaced(consumer.tag, wire_tag)

    def basic_cancel(self, consumer_tag: str, nowait: bool = False, argsig: str = "sb") -> Any:
        """Stop a consumer; what has come for it and was not handed out goes back to its queue."""
        if self.connection is None:
            return None
        wire_tag = self._consumers.at_broker(consumer_tag)
        try:
            if self.is_open:
                self.send_method(
                    spec.Basic.Cancel,
                    argsig,
                    (wire_tag, nowait),
                    wait=None if nowait else spec.Basic.CancelOk,
                )
        finally:
            self._remove_tag(consumer_tag)
        for tag, consumer in list(self._waiting.items()):
            if consumer == consumer_tag:
                del self._waiting[tag]
                self.basic_reject(tag, requeue=True)
        return consumer_tag

    def _remove_tag(self, consumer_tag: str) -> Any:
        self._consumers.remove(consumer_tag)
        self.no_ack_consumers.discard(consumer_tag)
        self.callbacks.pop(consumer_tag, None)
        return self.cancel_callbacks.pop(consumer_tag, None)

    def _on_basic_cancel_ok(self, consumer_tag: str) -> None:
        """Nothing: who cancels has forgotten the consumer already."""

    def _on_basic_cancel(self, consumer_tag: str) -> None:
        connection = self.connection
        if connection is not None and self._consumers.is_current(consumer_tag):
            tag = self._consumers.meant(consumer_tag)
            connection.events.append(lambda: self._cancelled(tag))

    def _cancelled(self, consumer_tag: str) -> None:
        queue = self._consumers.queue_of(consumer_tag) or ""
        callback = self._remove_tag(consumer_tag)
        if callback is None:
            raise ConsumerCancelled(consumer_tag, queue)
        callback(consumer_tag)

    def _on_basic_deliver(
        self,
        consumer_tag: str,
        delivery_tag: int,
        redelivered: bool,
        exchange: str,
        routing_key: str,
        msg: Any,
    ) -> None:
        connection = self.connection
        if connection is None:
            return
        tag = self._consumers.meant(consumer_tag)
        msg.channel = self
        msg.delivery_info = {
            "consumer_tag": tag,
            "delivery_tag": delivery_tag,
            "redelivered": bool(redelivered),
            "exchange": exchange,
            "routing_key": routing_key,
        }
        if tag in self.no_ack_consumers:
            # Gone from the queue already: it is for the callback, whatever happens meanwhile.
            callback = self.callbacks.get(tag)
            queue = self._consumers.queue_of(tag)
            connection.events.append(lambda: self._hand_out(callback, msg, queue, True))
            return
        self._waiting[delivery_tag] = tag
        generation = self.generation
        connection.events.append(lambda: self._deliver(delivery_tag, msg, generation))

    def _deliver(self, delivery_tag: int, msg: Any, generation: int) -> None:
        if generation != self.generation or self.connection is None:
            return  # the channel was closed: the broker gives it out again
        tag = self._waiting.pop(delivery_tag, None)
        if tag is None:
            return  # its consumer was cancelled: it went back
        callback = self.callbacks.get(tag)
        if callback is None:
            self.basic_reject(delivery_tag, requeue=True)
            return
        # For a consumer that was declared with nowait.
        no_ack = tag in self.no_ack_consumers
        self._hand_out(callback, msg, self._consumers.queue_of(tag), no_ack)

    def _hand_out(self, callback: Any, msg: Any, queue: str | None, no_ack: bool) -> None:
        if callback is None:
            return
        message = self.Message(msg, channel=self, queue=queue)
        if no_ack:
            message.without_ack()
        else:
            self._unanswered.add(message.delivery_tag)
        callback(message)

    # -- answering ---------------------------------------------------------------------------

    def basic_ack(self, delivery_tag: int, multiple: bool = False, argsig: str = "Lb") -> None:
        """Acknowledge a message, or (`multiple`) all up to it that were handed out."""
        for tag, all_before in self._answered(delivery_tag, multiple):
            self.send_method(spec.Basic.Ack, argsig, (tag, all_before))

    def basic_reject(self, delivery_tag: int, requeue: bool, argsig: str = "Lb") -> None:
        """Give a message back to its queue, or drop it (to the queue's dead letters)."""
        for tag, _ in self._answered(delivery_tag, False):
            self.send_method(spec.Basic.Reject, argsig, (tag, requeue))

    def basic_nack(
        self, delivery_tag: int, multiple: bool = False, requeue: bool = True, argsig: str = "Lbb"
    ) -> None:
        """Give back (or drop) a message, or all up to it that were handed out: RabbitMQ's own."""
        for tag, all_before in self._answered(delivery_tag, multiple):
            self.send_method(_NACK, argsig, (tag, all_before, requeue))

    def _answered(self, delivery_tag: int, multiple: bool) -> list[tuple[int, bool]]:
        """What to tell the broker for an answer: delivery tags, and whether for all before, too."""
        unanswered = self._unanswered
        if not multiple:
            unanswered.discard(delivery_tag)
            return [(delivery_tag, False)]
        answered = sorted(tag for tag in unanswered if not delivery_tag or tag <= delivery_tag)
        unanswered.difference_update(answered)
        first = min(self._waiting, default=None)
        if first is None or (answered and first > answered[-1]):
            return [(delivery_tag, True)]
        # Some that came before were not handed out yet: nobody has answered those.
        return [(tag, False) for tag in answered]

    def basic_recover(self, requeue: bool = False) -> Any:
        """Have all messages that were not answered given out again.

        Raises:
            NotImplementedByBroker: Without `requeue`, which RabbitMQ can't; nothing was sent.
        """
        connection = self._connected()
        if not requeue and connection.server_properties.get("product") == "RabbitMQ":
            raise ChannelError(
                "NOT_IMPLEMENTED - RabbitMQ recovers with requeue=True only",
                spec.Basic.Recover,
                reply_code=NotImplementedByBroker.code,
            )
        return self.send_method(spec.Basic.Recover, "b", (requeue,), wait=spec.Basic.RecoverOk)

    def dispatch_method(self, method_sig: Any, payload: Any, content: Any) -> None:
        """See `Calls.dispatch_method`."""
        if method_sig == spec.Basic.RecoverOk:
            # What came before comes again.
            self.generation += 1
            self._forget_deliveries()
        super().dispatch_method(method_sig, payload, content)

    def _came_late(self, method_sig: Any, arguments: list[Any]) -> None:
        if method_sig == spec.Basic.GetOk:
            self.basic_reject(arguments[0], requeue=True)
        elif method_sig == spec.Basic.ConsumeOk:
            super().send_method(spec.Basic.Cancel, "sb", (arguments[0], True))

    # -- limits ------------------------------------------------------------------------------

    def basic_qos(
        self,
        prefetch_size: int = 0,
        prefetch_count: int = 0,
        a_global: bool = False,
        argsig: str = "lBb",
    ) -> Any:
        """Bound the messages that may be unanswered.

        Args:
            prefetch_size: Bound of bytes, which RabbitMQ does not know: 0.
            prefetch_count: How many; 0 for any number.
            a_global: For all consumers of the channel together, where the broker can; otherwise
                for each one, those that are running included.
        """
        limits = (prefetch_size, prefetch_count, bool(a_global))
        self.send_method(spec.Basic.Qos, argsig, limits, wait=spec.Basic.QosOk)
        before = [each for each in self._limits if each[2] == limits[2]] or [(0, 0, False)]
        self._limits = [each for each in self._limits if each[2] != limits[2]] + [limits]
        if not a_global and before != [limits]:
            self._limit_running_consumers()

    def _limit_running_consumers(self) -> None:
        """The broker applies a limit to new consumers: put one in the place of each."""
        for consumer in self._consumers.all():
            old, new = (
                self._consumers.at_broker(consumer.tag),
                self._consumers.new_tag(consumer.tag),
            )
            if consumer.exclusive:
                self.send_method(spec.Basic.Cancel, "sb", (old, False), wait=spec.Basic.CancelOk)
                self._consume_at_broker(consumer, new)
            else:
                # First the new one: a queue that is deleted with its last consumer stays.
                self._consume_at_broker(consumer, new)
                self.send_method(spec.Basic.Cancel, "sb", (old, False), wait=spec.Basic.CancelOk)
