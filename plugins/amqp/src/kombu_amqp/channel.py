"""A channel: py-amqp's, with answers, confirms and deliveries of our own."""

from __future__ import annotations

import struct
import threading
from typing import TYPE_CHECKING, Any

import amqp  # type: ignore[import-untyped]
from amqp import spec
from amqp.exceptions import ChannelError as TheirChannelError  # type: ignore[import-untyped]
from amqp.protocol import queue_declare_ok_t  # type: ignore[import-untyped]

from kombu.exceptions import KombuError
from kombu.transport.base import StdChannel
from kombu.utils.deadlines import within

from .calls import Calls
from .cancelled import REDECLARE
from .consumers import Declared
from .consuming import Consuming
from .delaying import requeue_later
from .errors import (
    ChannelError,
    NotImplementedByBroker,
    PreconditionFailed,
    RecoverableConnectionError,
    StaleDelivery,
    for_code,
)
from .message import Message
from .publishing import Publisher

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .arrived import Arrived
    from .confirms import Published
    from .outbox import Outbox
    from .scanning import Route

__all__ = ("Channel",)

#: The frame of a ``basic.ack``.
_ack = struct.Struct(">BHIHHQBB").pack
#: RabbitMQ's own basic.nack, which py-amqp can only receive.
_NACK = (60, 120)
#: What may be sent on a channel that is not open (yet, or any more).
_OPENING = (spec.Channel.Open, spec.Channel.Close, spec.Channel.CloseOk)
#: What is about messages that came before: of no use on a channel that was opened again.
_ANSWERS = (spec.Basic.Ack, spec.Basic.Reject, _NACK)


class Channel(Calls, amqp.Channel, StdChannel):  # type: ignore[misc]
    """A channel; use it in one thread at a time.

    When the broker closes it, because it refused something, the call that it refused raises, or
    where there was none the next one, or `Connection.drain_events`.  The next use opens the channel
    again, with its prefetch limits and its consumers; other channels go on.
    """

    Message = Message
    takes_envelopes = True

    #: Theirs.
    events: Any
    callbacks: dict[str, Any]
    cancel_callbacks: dict[str, Any]
    no_ack_consumers: Any
    is_open: bool

    def __init__(
        self,
        connection: Any,
        channel_id: int | None = None,
        auto_decode: bool = True,
        on_open: Any = None,
    ) -> None:
        self._begin_calls()
        #: Changes when messages that came before can't be answered any more.
        self.generation = 0
        #: Why the broker closed the channel, unless somebody was told.
        self.refusal: Exception | None = None
        self._reopening = threading.RLock()
        self._limits: list[tuple[int, int, bool]] = []
        self._publisher = Publisher(self)
        self._consuming = Consuming(self)
        # Kept beside the connection, which the channel forgets when it is lost.
        self._outbox: Outbox | None = connection.outbox
        super().__init__(connection, channel_id, auto_decode, on_open)

    # -- the channel itself ------------------------------------------------------------------

    def send_method(self, sig: Any, *args: Any, **kwargs: Any) -> Any:
        """See `Calls.send_method`; a channel that the broker closed is opened again."""
        if not self.is_open and sig not in _OPENING and self.connection is not None:
            self._reopen(sig)
        return super().send_method(sig, *args, **kwargs)

    def raise_refusal(self) -> None:
        """Raise why the broker closed the channel, unless somebody was told."""
        refused, self.refusal = self.refusal, None
        if refused is not None:
            raise refused

    def forget_refusal(self) -> None:
        """The one whom it concerns was told why the broker closed the channel."""
        self.refusal = None

    def opened(self) -> None:
        """Open the channel again where the broker closed it."""
        if not self.is_open and self.connection is not None:
            self._reopen(spec.Basic.Publish)

    def _reopen(self, wanted: Any) -> None:
        self.raise_refusal()
        if wanted in _ANSWERS:
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
            self._consuming.declare_again()

    def _on_close(self, reply_code: int, reply_text: str, class_id: int, method_id: int) -> None:
        if not self.is_open:
            # RabbitMQ says so with each tick of its clock until it has our answer: one is enough,
            # and a second one would be of a channel that is not there.
            return
        super().send_method(spec.Channel.CloseOk)
        self.is_open = False
        self.generation += 1
        self._consuming.forget_deliveries()
        method = (class_id, method_id)
        error = for_code(reply_code, reply_text, method, TheirChannelError)
        # Those in the window go out again with the next use; which one it was turns out then.
        culprit = method == spec.Basic.Publish
        told = self._publisher.lost(error, None, culprit=culprit)
        told = super().fail_calls(error) or told or (culprit and bool(self._publisher.unsent))
        if not told:
            self.refusal = error
        if not told or self._consuming.any or self._publisher.unsent:
            self.live().events.append(self._tell_refusal)

    def _tell_refusal(self) -> None:
        """Called by `Connection.drain_events`."""
        connection = self.connection
        if self.refusal is not None and connection is not None and self._consuming.any:
            # Who goes on after this error is to get messages again.
            connection.events.append(self._tell_refusal)
        self.raise_refusal()
        if connection is None:
            return
        publisher = self._publisher
        if publisher.unsent:
            publisher.ready()
        if publisher.errors:
            publisher.raise_errors()
        # It was told already; without consumers the next use opens the channel again.
        if not self.is_open and self._consuming.any:
            self._reopen(spec.Basic.Consume)

    def fail_calls(self, error: BaseException) -> bool:
        """No answers and no confirms will come; returns whether somebody was told."""
        told = self._publisher.lost(error, self.outbox)
        return super().fail_calls(error) or told

    @property
    def outbox(self) -> Outbox | None:
        """Where windowed messages go that are not confirmed when the channel ends."""
        return self._outbox

    def collect(self) -> None:
        """Let go of the channel without talking to the broker."""
        connection = self.connection
        if connection is None or connection.lost is None:
            error = RecoverableConnectionError("the channel was closed")
        else:
            error = connection.gone()
        super().collect()
        self._publisher.lost(error, self.outbox)
        self._consuming.clear()

    def forked(self) -> None:
        """In the child of a fork: the channel stays the parent's."""
        self._begin_calls()
        self._publisher = Publisher(self)
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
        unconfirmed: BaseException | None = None
        try:
            self._publisher.flush()
        except (OSError, KombuError) as exc:
            # Told when the channel is closed: what is not confirmed goes out on the next one.
            unconfirmed = exc
        if self.connection is None or not self.is_open:
            self.collect()
            raise unconfirmed or connection.gone()
        self.is_closing = True
        self._consuming.forget_deliveries()
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
        if unconfirmed is not None:
            raise unconfirmed

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
        connection = self.connection
        if connection is not None and connection.overdue is not None and auto_delete:
            connection.vanishing.add(queue if nowait else answer[0])
        if connection is not None and connection.consumer_cancelled == REDECLARE and not passive:
            connection.topology.declared(
                queue if nowait else answer[0],
                durable=durable,
                exclusive=exclusive,
                auto_delete=auto_delete,
                arguments=arguments,
            )
        return None if nowait else queue_declare_ok_t(*answer)

    def queue_bind(
        self,
        queue: str,
        exchange: str = "",
        routing_key: str = "",
        nowait: bool = False,
        arguments: Mapping[str, Any] | None = None,
        argsig: str = "BsssbF",
    ) -> Any:
        """Bind a queue to an exchange."""
        done = super().queue_bind(queue, exchange, routing_key, nowait, arguments, argsig)
        connection = self.connection
        if connection is not None and connection.consumer_cancelled == REDECLARE:
            connection.topology.bound(queue, exchange, routing_key, arguments)
        return done

    def queue_unbind(
        self,
        queue: str,
        exchange: str,
        routing_key: str = "",
        nowait: bool = False,
        arguments: Mapping[str, Any] | None = None,
        argsig: str = "BsssF",
    ) -> Any:
        """Take a binding away."""
        done = super().queue_unbind(queue, exchange, routing_key, nowait, arguments, argsig)
        connection = self.connection
        if connection is not None:
            connection.topology.unbound(queue, exchange, routing_key)
        return done

    # -- publishing --------------------------------------------------------------------------

    def prepare_message(
        self,
        body: Any,
        priority: int | None = None,
        content_type: str | None = None,
        content_encoding: str | None = None,
        headers: dict[str, Any] | None = None,
        properties: dict[str, Any] | None = None,
        _Message: Any = amqp.Message,  # noqa: N803  documented name
    ) -> Any:
        """A message for `basic_publish`."""
        if content_encoding is None and isinstance(body, str):
            content_encoding = "utf-8"
        if priority is not None:
            priority = min(max(int(priority), 0), 255)
        return _Message(
            body,
            priority=priority,
            content_type=content_type,
            content_encoding=content_encoding,
            application_headers=headers,
            **(properties or {}),
        )

    def basic_publish(
        self,
        msg: Any,
        exchange: str = "",
        routing_key: str = "",
        mandatory: bool = False,
        immediate: bool = False,
        timeout: float | None = None,
        confirm_timeout: float | None = None,
        argsig: str = "Bssbb",
    ) -> Published | None:
        """Publish a message.

        Returns what tells when the broker has it, `None` where it is not asked to say so.

        Args:
            msg: The message: an `Envelope`, or what `prepare_message` makes; a header ``x-delay``
                has it wait so many milliseconds.
            exchange: Name of the exchange.
            routing_key: Its routing key.
            mandatory: It is an error (or for ``events["basic_return"]``) where it fits no queue.
            immediate: Ignored: no broker knows it any more.
            timeout: Seconds that everything may take.
            confirm_timeout: Seconds to wait for the broker's confirm, where one is waited for.

        Raises:
            MessageReturned: It was mandatory and fits no queue.
            MessageNacked: The broker did not take it.
            Blocked: The broker takes no messages; nothing was sent.
            TimeoutError: It was not confirmed in time: the broker may have it or not.
            OutcomeUnknown: The connection was lost meanwhile: the broker may have it or not.

        With ``confirm_publish="window"`` an error may be about an earlier message of the channel;
        this one was not sent then.
        """
        connection = self.connection
        mode = self.live().publish_mode if connection is None else connection.publish_mode
        if timeout is None:
            return self._publisher.publish(
                msg, exchange, routing_key, mandatory, mode, confirm_timeout
            )
        with within(timeout):
            return self._publisher.publish(
                msg, exchange, routing_key, mandatory, mode, confirm_timeout
            )

    def basic_publish_batch(
        self, messages: Sequence[Any], *, timeout: float | None = None
    ) -> list[tuple[int, Exception]]:
        """Publish envelopes, many with one write, and wait until the broker has all of them.

        Without confirms it is only sent.

        Returns the positions of those that it refused, and why.

        Raises:
            OutcomeUnknown: The connection was lost: the broker may have them or not.
        """
        with within(timeout):
            return self._publisher.batch(messages, self.live().publish_mode)

    def flush(self, *, timeout: float | None = None) -> None:
        """Wait until the broker has all that was published on the channel with a window.

        Args:
            timeout: Seconds; `None`: the ``operation_timeout``, or what is left of the caller's.

        Raises:
            MessageNacked, ChannelError: It refused one, and nobody was told.
            TimeoutError: It did not confirm them in time.
            OutcomeUnknown: The connection was lost; they are sent again on the next channel of the
                `kombu.Connection`, whose own ``flush`` opens one.
        """
        with within(timeout):
            self._publisher.flush()

    def resume(self, entries: list[Published]) -> None:
        """Send again, before anything else, what a lost connection had not confirmed."""
        self._publisher.resume(entries)

    def basic_publish_confirm(
        self,
        msg: Any,
        exchange: str = "",
        routing_key: str = "",
        mandatory: bool = False,
        immediate: bool = False,
        timeout: float | None = None,
        confirm_timeout: float | None = None,
        argsig: str = "Bssbb",
    ) -> Published | None:
        """Publish a message and wait for its confirm, whatever the connection says."""
        with within(timeout):
            return self._publisher.publish(
                msg, exchange, routing_key, mandatory, True, confirm_timeout
            )

    def confirm_select(self, nowait: bool = False) -> Any:
        """Have the broker confirm what is published on the channel from now on."""
        answer = super().confirm_select(nowait)
        self._publisher.begin_confirms()
        return answer

    def tx_select(self) -> Any:
        """Begin a transaction: what is published counts from `tx_commit` on, and is not confirmed.

        Raises:
            PreconditionFailed: The channel confirms its messages already; nothing was sent.
        """
        if self._publisher.confirming:
            raise PreconditionFailed(
                "this channel has published messages with confirms, and can't do both: begin the "
                "transaction before the first message, or connect with "
                "transport_options={'confirm_publish': False}",
                spec.Tx.Select,
            )
        answer = super().tx_select()
        self._publisher.in_transaction = True
        return answer

    def _on_basic_ack(self, delivery_tag: int, multiple: bool) -> None:
        self._publisher.settle(delivery_tag, bool(multiple), refused=False)
        super()._on_basic_ack(delivery_tag, multiple)

    def _on_basic_nack(self, delivery_tag: int, multiple: bool) -> None:
        self._publisher.settle(delivery_tag, bool(multiple), refused=True)
        super()._on_basic_nack(delivery_tag, multiple)

    def _on_basic_return(self, *returned: Any) -> None:
        self._later(self._publisher.returned(*returned))

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
        self._consuming.handed_out(tag)
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
            self._reopen(spec.Basic.Consume)
        if consumer_tag:
            # Its first message may come before the answer.
            consumer = Declared(consumer_tag, queue, no_ack, no_local, exclusive, arguments)
            self._consuming.add(consumer, callback, on_cancel)
        try:
            answer = self.send_method(
                spec.Basic.Consume,
                argsig,
                (0, queue, consumer_tag, no_local, no_ack, exclusive, nowait, arguments),
                wait=None if nowait else spec.Basic.ConsumeOk,
                late=self._cancel_late,
            )
        except BaseException:
            self._consuming.remove(consumer_tag)
            raise
        if consumer_tag:
            return consumer_tag
        tag: str = answer
        consumer = Declared(tag, queue, no_ack, no_local, exclusive, arguments)
        self._consuming.add(consumer, callback, on_cancel)
        return tag

    def _give_back(self, delivery_tag: int, *got: Any) -> None:
        # `basic_get` brought it too late; an empty queue says nothing else than its first field.
        if got:
            self.basic_reject(delivery_tag, requeue=True)

    def _cancel_late(self, consumer_tag: str) -> None:
        super().send_method(spec.Basic.Cancel, "sb", (consumer_tag, True))

    def basic_cancel(self, consumer_tag: str, nowait: bool = False, argsig: str = "sb") -> Any:
        """Stop a consumer; what has come for it and was not handed out goes back to its queue."""
        if self.connection is None:
            return None
        self._consuming.cancel(consumer_tag, nowait)
        return consumer_tag

    def _on_basic_cancel(self, consumer_tag: str) -> None:
        self._later(self._consuming.cancelled(consumer_tag))

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
        self._later(self._consuming.delivered(consumer_tag, delivery_tag, msg))

    def delivered(self, wire_tag: str, delivery_tag: int, message: Any) -> Any:
        """A message came; returns what `Connection.drain_events` is to do."""
        return self._consuming.delivered(wire_tag, delivery_tag, message)

    def delivery_route(self, wire_tag: str, length: int) -> Route | None:
        """What deliveries with such a tag mean; see `Consuming.route`."""
        return self._consuming.route(wire_tag, length) if self.is_open else None

    def confirm_route(self) -> Any:
        """What has a ``settle(number, multiple)`` for confirms of the broker, if anything."""
        if not self.is_open or self._publisher.confirms is None or self.events.get("basic_ack"):
            return None
        return self

    def settle(self, number: int, multiple: bool) -> None:
        """The broker has a message, or all up to it."""
        confirms = self._publisher.confirms
        if confirms is not None:
            confirms.settle(number, multiple, False)
        if self.events.get("basic_ack"):
            super()._on_basic_ack(number, multiple)

    def hand_out(self, message: Arrived) -> None:
        """Give a message to its consumer; called by `Connection.drain_events`."""
        self._consuming.hand_out(message)

    def forget_routes(self) -> None:
        """Consumers or confirms are not what they were."""
        connection = self.connection
        if connection is not None:
            connection.scanner.forget()

    def _later(self, event: Callable[[], Any] | None) -> None:
        """Have `Connection.drain_events` do something."""
        connection = self.connection
        if connection is not None and event is not None:
            connection.events.append(event)

    def give_back_overdue(self, now: float, limit: float) -> int:
        """See `Consuming.give_back_overdue`."""
        return self._consuming.give_back_overdue(now, limit) if self.is_open else 0

    # -- answering ---------------------------------------------------------------------------

    def basic_ack(self, delivery_tag: int, multiple: bool = False, argsig: str = "Lb") -> None:
        """Acknowledge a message, or (`multiple`) all up to it that were handed out."""
        connection = self.connection
        if connection is not None:
            connection.glance_after_silence()
        if not multiple and self.is_open and connection is not None:
            try:
                frame = _ack(1, self.channel_id, 13, 60, 80, delivery_tag, 0, 0xCE)
            except struct.error:
                pass  # no number of the broker's: py-amqp says what is wrong with it
            else:
                self._consuming.discard(delivery_tag)
                connection.send_frames(frame)
                return
        for tag, all_before in self._consuming.answered(delivery_tag, multiple):
            self.send_method(spec.Basic.Ack, argsig, (tag, all_before))

    def basic_reject(self, delivery_tag: int, requeue: bool, argsig: str = "Lb") -> None:
        """Give a message back to its queue, or drop it (to the queue's dead letters)."""
        for tag, _ in self._consuming.answered(delivery_tag, False):
            self.send_method(spec.Basic.Reject, argsig, (tag, requeue))

    def basic_nack(
        self, delivery_tag: int, multiple: bool = False, requeue: bool = True, argsig: str = "Lbb"
    ) -> None:
        """Give back (or drop) a message, or all up to it that were handed out: RabbitMQ's own."""
        for tag, all_before in self._consuming.answered(delivery_tag, multiple):
            self.send_method(_NACK, argsig, (tag, all_before, requeue))

    def requeue_later(self, raw: Any, queue: str | None, delay: float) -> None:
        """Have a copy of a message come back to its queue later, and acknowledge the message."""
        requeue_later(self, raw, queue, delay)

    def basic_recover(self, requeue: bool = False) -> Any:
        """Have all messages that were not answered given out again.

        Raises:
            ChannelError: 540 without `requeue`, which RabbitMQ can't; nothing was sent.
        """
        product = self.live().server_properties.get("product")
        if not requeue and product == "RabbitMQ":
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
            self._consuming.forget_deliveries()
        super().dispatch_method(method_sig, payload, content)

    # -- limits ------------------------------------------------------------------------------

    def basic_qos(
        self,
        prefetch_size: int = 0,
        prefetch_count: int = 0,
        a_global: bool = False,
        argsig: str = "lBb",
    ) -> None:
        """Bound the messages that may be unanswered.

        Args:
            prefetch_size: Bound of bytes, which RabbitMQ does not know: 0.
            prefetch_count: How many; 0 for any number.
            a_global: For all consumers of the channel together, where the broker can, which is
                tried once (`kombu_amqp.probing`).  Otherwise for each one, those that are running
                included: what those held before the change does not count.
        """
        connection = self.connection
        if a_global and connection is not None and not connection.takes_global_limits():
            # RabbitMQ 4 closes the connection over it: a limit for each consumer is what it has.
            a_global = False
        limits = (prefetch_size, prefetch_count, bool(a_global))
        self.send_method(spec.Basic.Qos, argsig, limits, wait=spec.Basic.QosOk)
        before = [each for each in self._limits if each[2] == limits[2]] or [(0, 0, False)]
        self._limits = [each for each in self._limits if each[2] != limits[2]] + [limits]
        if not a_global and before != [limits]:
            self._consuming.limit_again()
