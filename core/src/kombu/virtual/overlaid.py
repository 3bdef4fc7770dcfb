"""The channel behind a third party's: AMQP's verbs, each calling what the subclass overrides.

Such a channel has a session of its own (`kombu.virtual.overlay`), a receiver of its own where it
fetches itself, and hands its messages to ``QoS`` and ``Message`` as 5.7 does.
"""

from __future__ import annotations

import atexit
import os
import weakref
from contextlib import suppress
from queue import Empty
from typing import TYPE_CHECKING, Any, cast

from kombu.exceptions import MessageStateError
from kombu.transport.backend import Release
from kombu.utils.deadlines import bounded, within
from kombu.utils.loggers import get_logger
from kombu.utils.uuid import uuid

from . import refusals
from .channel import Channel
from .message import from_delivery
from .overlaid_publishing import OverlaidPublisher, OverlaidRoutes
from .overlay import OverlaySession, RawDelivery
from .qos import QoS as VirtualQoS
from .queue_verbs import QueueVerbs
from .receiver import Receiver

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kombu.transport.backend import Delivery, Envelope, Session

    from .publishing import Publisher, Route
    from .queue_verbs import queue_declare_ok_t
    from .transport import Transport

__all__ = ("OverlaidChannel", "overlaid")

logger = get_logger(__name__)

_made: weakref.WeakKeyDictionary[type, type] = weakref.WeakKeyDictionary()

#: Channels that were not closed, whose messages are given back when the process ends.
_open: weakref.WeakSet[OverlaidChannel] = weakref.WeakSet()


def overlaid(cls: Any) -> Any:
    """The class whose instances a third party's class makes: itself, with `OverlaidChannel` behind
    it, so that ``super()`` in its methods leads there.
    """
    if issubclass(cls, OverlaidChannel):
        return cls
    made = _made.get(cls)
    if made is None:
        names = {"__module__": cls.__module__, "__doc__": cls.__doc__}
        made = type(cls)(cls.__name__, (cls, OverlaidChannel), names)
        made.__qualname__ = cls.__qualname__
        # Not what differs here, but what the third party overrides.
        made.overrides = cls.overrides
        _made[cls] = made
    return made


class OverlaidQueueVerbs(QueueVerbs):
    """As 5.7 has it, ``_has_queue`` is asked by passive declarations alone: where an empty queue
    can't be told from none, one can still be consumed from.
    """

    def must_exist(self, name: str, method: str, deadline: float) -> None:
        """Raise `ChannelError` (404) where there is no such queue, unless it is for messages."""
        if not method.startswith("Basic."):
            super().must_exist(name, method, deadline)


class OverlaidChannel(Channel, native=True):
    """A channel whose class overrides some of `kombu.virtual.spi.OVERRIDABLE`."""

    gives_back_itself = True

    takes_envelopes = False

    queue_verbs = OverlaidQueueVerbs

    #: What to ask for at the next look; see `_active_queues`.
    _wanted: list[str] | None = None

    def _use(self, connection: Transport) -> None:
        connection.open_unless_open()
        options = connection.client.transport_options or {}
        for name in self.from_transport_options:
            if name in options:
                # Documented: such options are attributes of the channel.
                setattr(self, name, options[name])
        self._declarations = connection.state.declarations
        self._overlay = OverlaySession(self, connection.session)
        self._session = cast("Session", self._overlay)
        self._settle = self._overlay.settle
        self._claims = None
        self._overlaid_routes = OverlaidRoutes(self, self._overlay, self._declarations)
        # Nothing is remembered: every message asks the channel for its route.
        self._routes = {}
        if self._overlay.fetches:
            self._receiver = Receiver(self._open_overlay, self._give_back, 1)
            connection.take_turns(self._receiver)
        else:
            self._receiver = connection.receiver
        self._limited = self._receiver.limited
        self._process = os.getpid()
        if self._asks_qos():
            self.gate = self._may_consume
        _open.add(self)

    def _open_overlay(self, deadline: float) -> Session:
        return cast("Session", self._overlay)

    def _give_back(self, deliveries: Sequence[Delivery]) -> None:
        self._settle((), [Release(delivery, count=False) for delivery in deliveries], None)

    def _asks_qos(self) -> bool:
        return any(
            getattr(self.QoS, name, None) is not getattr(VirtualQoS, name)
            for name in ("can_consume", "can_consume_max_estimate")
        )

    def _may_consume(self) -> bool:
        return bool(self.qos.can_consume())

    # -- declarations ------------------------------------------------------------------------

    @bounded
    def queue_declare(
        self,
        queue: str | None = None,
        passive: bool = False,
        durable: bool = False,
        exclusive: bool = False,
        auto_delete: bool = False,
        nowait: bool = False,
        arguments: Mapping[str, Any] | None = None,
        *,
        timeout: float | None = None,
        **kwargs: Any,
    ) -> queue_declare_ok_t:
        """Declare a queue; ``_new_queue`` is called with what was given."""
        name = queue or f"amq.gen-{uuid()}"
        given = {
            "durable": durable,
            "exclusive": exclusive,
            "auto_delete": auto_delete,
            "nowait": nowait,
            "arguments": arguments,
            **kwargs,
        }
        if not passive and "_new_queue" in self.overrides:
            self._check_open("Queue.declare")
            self._rules.may_use(name, "Queue.declare")
            self._overlay.create(name, given)
        return super().queue_declare(name, passive, **given)

    @bounded
    def queue_bind(
        self,
        queue: str,
        exchange: str | None = None,
        routing_key: str = "",
        arguments: Mapping[str, Any] | None = None,
        *,
        timeout: float | None = None,
        **kwargs: Any,
    ) -> None:
        """Bind a queue; ``_queue_bind`` is called for a binding that is new."""
        is_new = bool(exchange) and not self.state.has_binding(queue, exchange or "", routing_key)
        super().queue_bind(queue, exchange, routing_key, arguments, **kwargs)
        if is_new and exchange and self.supports_fanout:
            kind = self.typeof(exchange)
            self._queue_bind(exchange, *kind.prepare_bind(queue, exchange, routing_key, arguments))

    # -- publishing --------------------------------------------------------------------------

    def _resolve(
        self, envelope: Envelope, exchange: str, routing_key: str, mandatory: bool
    ) -> Route:
        self._check_open("Basic.publish")
        if mandatory and not exchange and not self._exists(routing_key):
            return ()
        return self._overlaid_routes.resolve(envelope, exchange, routing_key)

    def _new_publisher(self, connection: Transport) -> Publisher:
        return OverlaidPublisher(self, connection, self._session, self._declarations)

    def _encoded(self, payload: dict[str, Any], body: Any) -> dict[str, Any]:
        """`payload` with the body as ``body_encoding`` and `encode_body` have it."""
        plain = self.body_encoding == "base64" and self.codecs is Channel.codecs
        if not plain or type(self).encode_body is not Channel.encode_body:
            payload["body"], name = self.encode_body(body, self.body_encoding)
            payload["properties"]["body_encoding"] = name
        return payload

    # -- receiving ---------------------------------------------------------------------------

    @property
    def _active_queues(self) -> list[str]:
        return super()._active_queues if self._wanted is None else self._wanted

    def drain_events(self, timeout: float | None = None, callback: Any = None) -> Any:
        """Deliver the next message of the connection; with `callback`, hand that of this channel to
        ``callback(message, queue)``, or raise `queue.Empty`.
        """
        if callback is None:
            return super().drain_events(timeout)
        if "_get_many" in self.overrides:
            many: Any = self
            return many._get_many(self._active_queues, timeout=timeout)  # noqa: SLF001
        return self._poll(self.cycle, callback, timeout=timeout)

    def receive(self, payload: Any, queue: str) -> bool:
        """Take a message that came for `queue`; whether the channel has a consumer for it."""
        if self._overlay.fetching and queue in super()._active_queues:
            self._overlay.arrived(payload, queue)
            return True
        for consumer in list(self._consumers.values()):
            if consumer.queue == queue:
                delivery = RawDelivery(queue, payload, consumer.no_ack)
                delivery.consumer = consumer
                consumer.deliver(delivery)
                return True
        return False

    def deliver(self, delivery: Delivery) -> None:
        """Hand a delivery to its consumer, and its message to ``QoS``."""
        delivery.consumer.callback(self._awaiting_ack(delivery))

    def deliver_without_ack(self, delivery: Delivery) -> None:
        """Hand a delivery to its consumer; it is done with."""
        delivery.consumer.callback(self._done_with(delivery))

    @bounded
    def basic_get(
        self, queue: str, no_ack: bool = False, *, timeout: float | None = None, **kwargs: Any
    ) -> Any:
        """Take one message without consuming, `None` where there is none ready."""
        self._check_open("Basic.get")
        self._rules.may_use(queue, "Basic.get")
        delivery: Delivery | None
        if self._overlay.fetches:
            try:
                delivery = RawDelivery(queue, self._get(queue), no_ack)
            except Empty:
                delivery = None
        else:
            delivery = self.connection.take_one(queue, bool(no_ack))
        if delivery is None:
            self._queues.must_exist(queue, "Basic.get", self._deadline())
            return None
        if no_ack:
            return self._done_with(delivery)
        self._settling.got += 1
        return self._awaiting_ack(delivery)

    def _awaiting_ack(self, delivery: Delivery) -> Any:
        message = self.message_of(None, delivery)
        tag = message.delivery_tag
        self._ledger[tag] = delivery
        self.qos.append(message, tag)
        return message

    def _done_with(self, delivery: Delivery) -> Any:
        if not delivery.taken:
            self._settle((delivery,), (), None)
            delivery.taken = True
        message = self.message_of(None, delivery)
        message._state = "NO_ACK"  # noqa: SLF001
        return message

    def message_of(self, tag: Any, delivery: Delivery) -> Any:
        """The message of a delivery, made once; without a tag it gets one."""
        if isinstance(delivery, RawDelivery):
            if delivery.message is None:
                delivery.message = self._make_message(delivery.payload, delivery.queue)
                if delivery.redelivered:
                    delivery.message.delivery_info["redelivered"] = True
            return delivery.message
        tag = self._next_tag() if tag is None else tag
        if self.overrides.isdisjoint(("Message", "message_to_python")):
            message: Any = from_delivery(self, tag, delivery)
            message.source_queue = delivery.queue
            return message
        payload = self._overlay.payload(delivery.envelope)
        payload["properties"]["delivery_tag"] = tag
        if delivery.redelivered:
            payload["redelivered"] = True
        return self._make_message(payload, delivery.queue)

    def _make_message(self, payload: Any, queue: str) -> Any:
        message: Any = self.Message(payload, channel=self)
        if "message_to_python" in self.overrides:
            message = self.message_to_python(message)
        if message.delivery_tag is None or message.delivery_tag in self._ledger:
            # A message that went to several queues carries one and the same tag.
            message.delivery_tag = uuid()
        message.source_queue = queue
        return message

    # -- settling ----------------------------------------------------------------------------

    def basic_ack(
        self, delivery_tag: Any, multiple: bool = False, *, timeout: float | None = None
    ) -> None:
        """Have ``QoS.ack`` called, for each delivery up to this one with `multiple`."""
        if timeout is not None:
            with within(timeout):
                self.basic_ack(delivery_tag, multiple)
            return
        for tag in self._up_to(delivery_tag) if multiple else (delivery_tag,):
            self.qos.ack(tag)
            # A QoS that does without its base class.
            if tag in self._ledger:
                super().basic_ack(tag)

    def basic_reject(
        self, delivery_tag: Any, requeue: bool = False, *, timeout: float | None = None
    ) -> None:
        """Have ``QoS.reject`` called."""
        if timeout is not None:
            with within(timeout):
                self.basic_reject(delivery_tag, requeue)
            return
        self.qos.reject(delivery_tag, requeue=requeue)
        if delivery_tag in self._ledger:
            super().basic_ack(delivery_tag)

    def basic_nack(
        self,
        delivery_tag: Any,
        multiple: bool = False,
        requeue: bool = True,
        *,
        timeout: float | None = None,
    ) -> None:
        """Have ``QoS.reject`` called, for each delivery up to this one with `multiple`."""
        if timeout is not None:
            with within(timeout):
                self.basic_nack(delivery_tag, multiple, requeue)
            return
        for tag in self._up_to(delivery_tag) if multiple else [delivery_tag]:
            self.basic_reject(tag, requeue)

    def basic_requeue(
        self,
        delivery_tag: Any,
        delay: float | None = None,
        *,
        timeout: float | None = None,
    ) -> None:
        """Have ``QoS.reject`` called; with a delay only what the backend claimed goes back."""
        if timeout is not None:
            with within(timeout):
                self.basic_requeue(delivery_tag, delay)
            return
        if not delay:
            self.basic_reject(delivery_tag, requeue=True)
        elif isinstance(self._ledger.get(delivery_tag), RawDelivery):
            raise refusals.no_delay(self.connection.driver_name, "Basic.reject")
        else:
            super().basic_requeue(delivery_tag, delay)

    @bounded
    def basic_recover(self, requeue: bool = False, *, timeout: float | None = None) -> None:
        """Have ``QoS.restore_unacked`` called, or deliver again to the same consumers."""
        if requeue:
            self._check_open("Basic.recover")
            self.qos.restore_unacked()
            return
        for delivery in list(self._ledger.values()):
            if isinstance(delivery, RawDelivery):
                # The consumer gets a message that it has not seen.
                delivery.message = None
        super().basic_recover(requeue)

    def _up_to(self, tag: Any) -> list[Any]:
        tags = self._tags()
        if not tag:
            return tags
        if tag not in self._ledger:
            raise refusals.unknown_tag(tag, self.channel_id, self.closed)
        return tags[: tags.index(tag) + 1]

    def _tags(self) -> list[Any]:
        # Texts, where the channel finds its messages itself.
        return list(self._ledger)

    @bounded
    def basic_qos(
        self,
        prefetch_size: int = 0,
        prefetch_count: int = 0,
        apply_global: bool = False,
        *,
        timeout: float | None = None,
    ) -> None:
        """Bound how many deliveries may be unsettled; a ``QoS`` of its own is told."""
        super().basic_qos(prefetch_size, prefetch_count, apply_global)
        if not isinstance(self.qos, VirtualQoS):
            self.qos.prefetch_count = prefetch_count

    # -- the channel itself ------------------------------------------------------------------

    @bounded
    def close(self, *, timeout: float | None = None) -> None:
        """Cancel the consumers, have ``QoS`` give unsettled messages back, leave the connection."""
        if self.closed:
            return
        connection = self.connection
        for tag in list(self._consumers):
            self.basic_cancel(tag)
        # A claim that was lost meanwhile is another's: there is nothing to give back.
        with suppress(MessageStateError):
            self.give_back_once()
        for tag in self._tags():
            if isinstance(self._ledger.get(tag), RawDelivery):
                # Not restored: `do_restore` is off, or a QoS of its own saw to it.
                self._ledger.pop(tag)
        super().close()
        _open.discard(self)
        if self._overlay.fetches:
            connection.leave_turns(self._receiver)

    def give_back_once(self) -> None:
        """Have ``QoS`` give back what is unsettled, for a channel or process that ends."""
        if self._process == os.getpid() and (self._ledger or self._qos is not None):
            self.qos.restore_unacked_once()


def _give_back_all() -> None:
    for channel in list(_open):
        if channel.closed or not getattr(channel.qos, "restore_at_shutdown", True):
            continue
        try:
            channel.give_back_once()
        except Exception:
            logger.exception("Unsettled messages of %r can't be given back", channel)


atexit.register(_give_back_all)
