"""AMQP's channel over a backend: one short method for each verb.

What a verb needs beyond itself is elsewhere: routes in `declarations`, unsettled deliveries in
`ledger`, what to fetch in `receiver`.
"""

from __future__ import annotations

import itertools
import warnings
from time import monotonic
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, cast

from kombu.exceptions import (
    ChannelError,
    MessageStateError,
    NotEquivalentError,
    RecoverableConnectionError,
    UndeliverableError,
)
from kombu.transport.backend import Binding, Envelope, QueueSpec, Release
from kombu.utils.uuid import uuid

from .envelope import from_payload
from .facade import DocumentedChannel
from .ledger import Ledger
from .message import Message, from_delivery
from .message import Message as VirtualMessage
from .prefetch import UNLIMITED, Window
from .receiver import Consumer
from .router import ExchangeSpec
from .spi import undeliverable
from .warnings import UndeliverableWarning

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from kombu.transport.backend import Delivery, Session

    from .transport import Transport

__all__ = ("Channel", "UndeliverableWarning", "queue_declare_ok_t")


class queue_declare_ok_t(NamedTuple):  # noqa: N801  documented name
    """The broker's answer to a declaration of a queue."""

    queue: str
    message_count: int
    consumer_count: int


class Channel(DocumentedChannel, native=True):
    """A channel of a virtual transport.

    Args:
        connection: The transport that the channel belongs to.

    A channel may publish, acknowledge and consume in different threads; what one thread receives
    is in order.
    """

    Message: ClassVar[type[Message]] = Message
    takes_envelopes = True

    def __init__(self, connection: Transport, **kwargs: Any) -> None:
        self.connection: Any = connection
        self.channel_id = connection.next_channel_id()
        self.closed = False
        #: False while the consumers of the channel are asked to stop (`flow`).
        self.flowing = True
        #: How many unsettled deliveries all consumers together may have, 0 for no limit.
        self.prefetch_limit = 0
        #: Callbacks by event; ``basic_return`` gets what a mandatory publish could not route.
        self.events: dict[str, set[Callable[..., Any]]] = {"basic_return": set()}
        self._default_window = 0
        self._ledger: Ledger[Delivery] = Ledger()
        self._got = 0
        self._next_tag = itertools.count(1).__next__
        self._consumers: dict[str, Consumer] = {}
        self._use(connection)

    def _use(self, connection: Transport) -> None:
        # Bound once, so that a message does not go through the transport's attributes.
        self._routes = connection.routes
        self._settle = connection.settle
        self._claims = connection.claims
        self._receiver = connection.receiver
        self._limited = connection.receiver.limited
        self._declarations = connection.declarations

    # -- exchanges ---------------------------------------------------------------------------

    def exchange_declare(
        self,
        exchange: str | None = None,
        type: str = "direct",
        durable: bool = False,
        auto_delete: bool = False,
        arguments: Mapping[str, Any] | None = None,
        nowait: bool = False,
        passive: bool = False,
    ) -> None:
        """Declare an exchange (AMQP 0-9-1, exchange.declare).

        Raises:
            ChannelError: 404 with `passive`, where it does not exist.
            NotEquivalentError: 406, where it exists with other properties.
        """
        self._check_open("Exchange.declare")
        name = exchange or f"amq.gen-{uuid()}"
        standing = self._declarations.find_exchange(name)
        if passive:
            if standing is None:
                raise ChannelError(
                    f"NOT_FOUND - no exchange {name!r} in vhost {self._vhost!r}",
                    (40, 10),
                    "Exchange.declare",
                    404,
                )
            return
        wanted = ExchangeSpec(
            name, type or "direct", bool(durable), bool(auto_delete), arguments or None
        )
        standing = self._declarations.declare_exchange(wanted)
        if standing != wanted:
            raise NotEquivalentError(
                f"PRECONDITION_FAILED - exchange {name!r} in vhost {self._vhost!r} is declared as "
                f"{_options(standing)}, not as {_options(wanted)}; use the same options "
                "everywhere, or delete the exchange first",
                (40, 10),
                "Exchange.declare",
            )

    def exchange_delete(self, exchange: str, if_unused: bool = False, nowait: bool = False) -> None:
        """Delete an exchange with its bindings; unknown ones are ignored.

        Raises:
            ChannelError: 406 with `if_unused`, where something is bound to it.
        """
        self._check_open("Exchange.delete")
        if if_unused and self._declarations.has_bindings(exchange):
            raise ChannelError(
                f"PRECONDITION_FAILED - exchange {exchange!r} in vhost {self._vhost!r} in use",
                (40, 20),
                "Exchange.delete",
                406,
            )
        self._declarations.delete_exchange(exchange)

    def exchange_bind(
        self,
        destination: str,
        source: str = "",
        routing_key: str = "",
        nowait: bool = False,
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        """Have `destination` receive what `source` routes to it (RabbitMQ's exchange.bind)."""
        self._check_open("Exchange.bind")
        binding = Binding(source, destination, routing_key or "", arguments, to_exchange=True)
        self._declarations.bind(binding)

    def exchange_unbind(
        self,
        destination: str,
        source: str = "",
        routing_key: str = "",
        nowait: bool = False,
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        """Undo `exchange_bind`; unknown bindings are ignored."""
        self._check_open("Exchange.unbind")
        binding = Binding(source, destination, routing_key or "", arguments, to_exchange=True)
        self._declarations.unbind(binding)

    # -- queues ------------------------------------------------------------------------------

    def queue_declare(
        self,
        queue: str | None = None,
        passive: bool = False,
        durable: bool = False,
        exclusive: bool = False,
        auto_delete: bool = False,
        nowait: bool = False,
        arguments: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> queue_declare_ok_t:
        """Declare a queue (AMQP 0-9-1, queue.declare); without a name the broker makes one up.

        Raises:
            ChannelError: 404 with `passive`, where it does not exist; 405 where another connection
                has it exclusively.
        """
        self._check_open("Queue.declare")
        name = queue or f"amq.gen-{uuid()}"
        self._check_owner(name, "Queue.declare")
        if passive:
            found = self._session.find_queue(name, self._deadline())
            if found is None:
                raise self._no_queue(name, (50, 10), "Queue.declare")
            ready = found[1]
        else:
            spec = QueueSpec(name, durable=bool(durable), arguments=dict(arguments or {}))
            ready = self._session.declare_queue(spec, self._deadline())[1]
            owner = self.connection if exclusive else None
            self._declarations.add_queue(name, bool(auto_delete or exclusive), owner)
        return queue_declare_ok_t(
            name,
            ready + self._receiver.unseen(queue=name),
            self._declarations.consumer_count(name),
        )

    def queue_bind(
        self,
        queue: str,
        exchange: str | None = None,
        routing_key: str = "",
        arguments: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Have `queue` receive what `exchange` routes to it (AMQP 0-9-1, queue.bind)."""
        self._check_open("Queue.bind")
        if exchange:
            self._declarations.bind(Binding(exchange, queue, routing_key or "", arguments or None))

    def queue_unbind(
        self,
        queue: str,
        exchange: str | None = None,
        routing_key: str = "",
        arguments: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Undo `queue_bind`; unknown bindings are ignored."""
        self._check_open("Queue.unbind")
        if exchange:
            self._declarations.unbind(
                Binding(exchange, queue, routing_key or "", arguments or None)
            )

    def queue_delete(
        self, queue: str, if_unused: bool = False, if_empty: bool = False, **kwargs: Any
    ) -> int:
        """Delete a queue, its messages and bindings; return how many messages were ready.

        Raises:
            ChannelError: 406 with `if_unused`, where it has consumers, and with `if_empty`, where
                it has messages; 405 where another connection has it exclusively.
        """
        self._check_open("Queue.delete")
        self._check_owner(queue, "Queue.delete")
        if if_unused and self._declarations.consumer_count(queue):
            raise self._in_use(queue, "in use")
        deleted = self._session.delete_queue(queue, self._deadline(), if_empty=if_empty)
        if deleted is None:
            raise self._in_use(queue, "not empty")
        self._declarations.forget_queue(queue)
        return deleted

    def queue_purge(self, queue: str, **kwargs: Any) -> int:
        """Drop the ready messages of a queue; return how many there were."""
        self._check_open("Queue.purge")
        return self._session.purge(queue, self._deadline())

    def after_reply_message_received(self, queue: str) -> None:
        """Delete a reply queue that has served its purpose."""
        self.queue_delete(queue)

    # -- publishing --------------------------------------------------------------------------

    def prepare_message(
        self,
        body: Any,
        priority: int | None = None,
        content_type: str | None = None,
        content_encoding: str | None = None,
        headers: dict[str, Any] | None = None,
        properties: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """A message in the form of 5.7's virtual transports, to be given to `basic_publish`."""
        properties = properties or {}
        properties.setdefault("delivery_info", {})
        properties.setdefault("priority", priority or 0)
        return {
            "body": body,
            "content-encoding": content_encoding,
            "content-type": content_type,
            "headers": headers or {},
            "properties": properties,
        }

    def basic_publish(
        self,
        message: Envelope | dict[str, Any],
        exchange: str = "",
        routing_key: str = "",
        mandatory: bool = False,
        immediate: bool = False,
        timeout: float | None = None,
        **kwargs: Any,
    ) -> None:
        """Publish a message (AMQP 0-9-1, basic.publish).

        Args:
            message: An envelope, or what `prepare_message` returns.
            exchange: Name of the exchange, ``""`` for the default one.
            routing_key: Routing key, for the default exchange the name of the queue.
            mandatory: Raise `UndeliverableError`, or call the ``basic_return`` handlers, where the
                message fits no queue; otherwise it is dropped, as AMQP has it.
            immediate: Not supported by brokers since RabbitMQ 3.0 and ignored.
            timeout: Seconds that storing it may take.
        """
        if message.__class__ is not Envelope:
            message = self._to_envelope(message, exchange, routing_key)
        try:
            route = self._routes[exchange, routing_key]
        except KeyError:
            route = self._resolve(message, exchange, routing_key)
        if timeout is not None or mandatory or not route:
            self._publish_carefully(message, route, mandatory, timeout)
            return
        for put in route:
            put(message)

    def _resolve(
        self, envelope: Envelope, exchange: str, routing_key: str
    ) -> tuple[Callable[[Envelope], None], ...]:
        self._check_open("Basic.publish")
        transport: Transport = self.connection
        return transport.resolve(exchange, routing_key, envelope.headers)

    def _publish_carefully(
        self,
        envelope: Envelope,
        route: tuple[Callable[[Envelope], None], ...],
        mandatory: bool,
        timeout: float | None,
    ) -> None:
        """The way of the messages that ask for more, or that fit no queue."""
        exchange, routing_key = envelope.exchange, envelope.routing_key
        if mandatory and not exchange and not self._exists(routing_key):
            # Only for a mandatory message the default exchange looks whether the queue is there:
            # any other creates it, so that nothing is lost (as in 5.7).
            route = ()
        if not route:
            self._unroutable(envelope, mandatory)
        elif timeout is None:
            for put in route:
                put(envelope)
        else:
            self.connection.put_within(envelope, monotonic() + timeout)

    def _unroutable(self, envelope: Envelope, mandatory: bool) -> None:
        exchange, routing_key = envelope.exchange, envelope.routing_key
        if mandatory:
            error = UndeliverableError(exchange, routing_key, envelope)
            handlers = self.events["basic_return"]
            if not handlers:
                raise error
            for handler in list(handlers):
                handler(error, exchange, routing_key, envelope)
            return
        deadletter_queue = self.deadletter_queue or self.connection.options.deadletter_queue
        if deadletter_queue:
            warnings.warn(undeliverable(exchange, routing_key), stacklevel=5)
            self._session.declare_queue(QueueSpec(deadletter_queue), self._deadline())
            for rejected in self._session.put([(deadletter_queue, envelope)], self._deadline()):
                raise rejected.error

    def _to_envelope(self, message: Any, exchange: str, routing_key: str) -> Envelope:
        try:
            envelope = from_payload(message)
        except TypeError as exc:
            raise ChannelError(f"not a message: {message!r:.100}") from exc
        envelope.exchange, envelope.routing_key = exchange, routing_key
        return envelope

    # -- consuming ---------------------------------------------------------------------------

    def basic_consume(
        self,
        queue: str,
        no_ack: bool = False,
        callback: Callable[[Any], Any] | None = None,
        consumer_tag: str | None = None,
        arguments: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> str:
        """Have `callback` called with each message of `queue`; returns the consumer's tag.

        Raises:
            ChannelError: 404 where there is no such queue; 530 where the tag is in use; 405 where
                another connection has the queue exclusively.
        """
        self._check_open("Basic.consume")
        tag = consumer_tag or f"ctag-{uuid()}"
        if callback is None:
            raise ChannelError("basic_consume needs a callback", (60, 20), "Basic.consume")
        if tag in self._consumers:
            raise ChannelError(
                f"NOT_ALLOWED - attempt to reuse consumer tag {tag!r}",
                (60, 20),
                "Basic.consume",
                530,
            )
        self._check_owner(queue, "Basic.consume")
        if not self._exists(queue):
            raise self._no_queue(queue, (60, 20), "Basic.consume")
        window = Window(self._default_window)
        consumer = Consumer(tag, queue, self, callback, bool(no_ack), window, dict(arguments or {}))
        self._consumers[tag] = consumer
        self._declarations.consumer_added(queue)
        self._receiver.add(consumer)
        return tag

    def basic_cancel(self, consumer_tag: str) -> None:
        """Stop a consumer; what it received stays its own to settle.  Unknown tags are ignored."""
        self._check_open("Basic.cancel")
        self._cancel(consumer_tag)

    def _cancel(self, tag: str) -> None:
        consumer = self._consumers.pop(tag, None)
        if consumer is None:
            return
        self._receiver.remove(consumer)
        if self._declarations.consumer_removed(consumer.queue):
            # It was the last consumer of an auto-delete queue, which goes with it.
            self._session.delete_queue(consumer.queue, self._deadline())
            self._declarations.forget_queue(consumer.queue)

    def deliver(self, delivery: Delivery) -> None:
        """Hand a delivery to its consumer's callback, and wait for its acknowledgement."""
        tag = self._next_tag()
        self._ledger[tag] = delivery
        delivery.consumer.callback(from_delivery(self, tag, delivery))

    def deliver_without_ack(self, delivery: Delivery) -> None:
        """Hand a delivery to its consumer's callback; it is done with."""
        if not delivery.taken:
            # The queue has consumers of both kinds.
            self._settle((delivery,), (), None)
            delivery.taken = True
        delivery.consumer.callback(from_delivery(self, self._next_tag(), delivery))

    def basic_get(self, queue: str, no_ack: bool = False, **kwargs: Any) -> VirtualMessage | None:
        """Take one message without consuming, `None` where there is none ready.

        Raises:
            ChannelError: 404 where there is no such queue.
        """
        self._check_open("Basic.get")
        self._check_owner(queue, "Basic.get")
        delivery = self.connection.take_one(queue, bool(no_ack))
        if delivery is None:
            if not self._exists(queue):
                raise self._no_queue(queue, (60, 70), "Basic.get")
            return None
        tag = self._next_tag()
        if not delivery.taken:
            if no_ack:
                self._settle((delivery,), (), None)
                delivery.taken = True
            else:
                self._ledger[tag] = delivery
                self._got += 1
        return from_delivery(self, tag, delivery)

    # -- settling ----------------------------------------------------------------------------

    def basic_ack(self, delivery_tag: int, multiple: bool = False) -> None:
        """Acknowledge a delivery, or all up to and including it.

        Raises:
            ChannelError: 406 where the tag names no unsettled delivery of this channel.
            MessageStateError: The claim was lost meanwhile; the message belongs to another.
        """
        if multiple:
            self._settle_all([d for _, d in self._take(delivery_tag, multiple=True)], ())
            return
        try:
            delivery = self._ledger.pop(delivery_tag)
        except KeyError:
            raise self._unknown_tag(delivery_tag) from None
        lost: Sequence[Delivery] = ()
        claims = self._claims
        if claims is None:
            # The answer may be that of an earlier one.
            lost = self._settle((delivery,), (), None)
        elif claims.pop(delivery.token, None) is None:
            lost = (delivery,)
        if self._limited or delivery.consumer is None:
            self._make_room(delivery)
        if lost:
            raise self._lease_lost(lost)

    def basic_reject(self, delivery_tag: int, requeue: bool = False) -> None:
        """Refuse a delivery: requeue it, or drop it.

        Raises:
            ChannelError: 406 where the tag names no unsettled delivery of this channel.
            MessageStateError: The claim was lost meanwhile; the message belongs to another.
        """
        self._reject([d for _, d in self._take(delivery_tag, multiple=False)], requeue)

    def basic_nack(self, delivery_tag: int, multiple: bool = False, requeue: bool = True) -> None:
        """RabbitMQ's basic.nack: refuse a delivery, or all up to and including it."""
        self._reject([d for _, d in self._take(delivery_tag, multiple)], requeue)

    def basic_recover(self, requeue: bool = False) -> None:
        """Redeliver what is unsettled: to whoever comes first, or to the same consumers."""
        self._check_open("Basic.recover")
        unsettled = [delivery for _, delivery in self._ledger.take_all()]
        if requeue:
            self._settle_all((), [Release(delivery) for delivery in unsettled])
            return
        mine = [d for d in unsettled if d.consumer is not None]
        self._settle_all((), [Release(d) for d in unsettled if d.consumer is None])
        for delivery in mine:
            delivery.count += 1
        self._receiver.redeliver(mine)

    def _reject(self, deliveries: Sequence[Delivery], requeue: bool) -> None:
        if requeue:
            self._settle_all((), [Release(delivery) for delivery in deliveries])
        else:
            self._settle_all(deliveries, ())

    def _take(self, tag: int, multiple: bool) -> list[tuple[int, Delivery]]:
        try:
            return self._ledger.take(tag, multiple)
        except KeyError:
            raise self._unknown_tag(tag) from None

    def _settle_all(self, acks: Sequence[Delivery], releases: Sequence[Release]) -> None:
        if not acks and not releases:
            return
        lost = self._settle(acks, releases, None)
        for delivery in acks:
            self._make_room(delivery)
        for release in releases:
            self._make_room(release.delivery)
        if lost:
            raise self._lease_lost(lost)

    def _make_room(self, delivery: Delivery) -> None:
        consumer = delivery.consumer
        if consumer is None:
            self._got -= 1
            return
        if consumer.window.limit:
            consumer.window.used -= 1
        self._receiver.settled(consumer.queue)

    # -- flow --------------------------------------------------------------------------------

    def basic_qos(
        self, prefetch_size: int = 0, prefetch_count: int = 0, apply_global: bool = False
    ) -> None:
        """Bound how many deliveries may be unsettled (https://www.rabbitmq.com/docs/consumer-prefetch).

        Args:
            prefetch_size: A bound in bytes, which brokers do not support; ignored.
            prefetch_count: The number of deliveries, 0 for no limit.
            apply_global: Bound all consumers of the channel together, otherwise each on its own.
                Consumers that are there already are bound, too.
        """
        self._check_open("Basic.qos")
        if apply_global:
            self.prefetch_limit = prefetch_count
        else:
            self._default_window = prefetch_count
            for consumer in list(self._consumers.values()):
                consumer.window.used = self._count_of(consumer)
                consumer.window.limit = prefetch_count
        self._limits_changed()

    def flow(self, active: bool = True) -> None:
        """Stop (``False``) or resume the consumers of the channel (AMQP 0-9-1, channel.flow)."""
        self._check_open("Channel.flow")
        self.flowing = active
        self._limits_changed()

    @property
    def prefetch_room(self) -> int:
        """How many more deliveries the consumers of the channel may have together."""
        limit = self.prefetch_limit
        room = max(limit - len(self._ledger) + self._got, 0) if limit else UNLIMITED
        gate = self.gate
        if gate is None:
            return room
        # One at a time: the answer holds for the next message only.
        return min(room, 1) if gate() else 0

    def _limits_changed(self) -> None:
        for queue in {consumer.queue for consumer in self._consumers.values()}:
            self._receiver.limits_changed(queue)

    def _count_of(self, consumer: Consumer) -> int:
        held = sum(1 for d in list(self._ledger.values()) if d.consumer is consumer)
        return held + self._receiver.unseen(consumer=consumer)

    # -- the channel itself ------------------------------------------------------------------

    def close(self) -> None:
        """Cancel the consumers, give unsettled messages back in order, and leave the connection."""
        if self.closed:
            return
        self.closed = True
        connection = self.connection
        for tag in list(self._consumers):
            self._cancel(tag)
        unsettled = [delivery for _, delivery in self._ledger.take_all()]
        if unsettled:
            self._settle((), [Release(delivery) for delivery in unsettled], None)
        self.connection = None
        # A published message of a closed channel finds no route and then the closed channel.
        self._routes = {}
        if connection is not None:
            connection.close_channel(self)

    def drain_events(self, timeout: float | None = None, callback: Any = None) -> None:
        """Deliver the next message of the connection; see `Transport.drain_events`."""
        self._check_open("Channel.drain_events")
        self.connection.drain_events(self.connection, timeout)

    # -- what can be asked -------------------------------------------------------------------

    def get_exchanges(self) -> list[str]:
        """The names of the declared exchanges."""
        return [spec.name for spec in self._declarations.exchanges()]

    def list_bindings(self) -> list[tuple[str, str, str]]:
        """All bindings as (queue, exchange, routing key)."""
        bindings = self._declarations.bindings()
        return [(b.destination, b.exchange, b.routing_key) for b in bindings if not b.to_exchange]

    def get_bindings(self) -> Iterable[dict[str, str]]:
        """All bindings as dictionaries with ``source``, ``destination`` and ``routing_key``."""
        for queue, exchange, routing_key in self.list_bindings():
            yield {"source": exchange, "destination": queue, "routing_key": routing_key}

    def message_to_python(self, raw_message: Any) -> VirtualMessage:
        """A message in the form of 5.7's virtual transports as a `Message` of this channel."""
        if isinstance(raw_message, Message):
            return raw_message
        return self.Message(raw_message, channel=self)

    def message_of(self, tag: int, delivery: Delivery) -> VirtualMessage:
        """The message of an unsettled delivery (`QoS.get`)."""
        return from_delivery(self, tag, delivery)

    @property
    def _session(self) -> Session:
        return cast("Session", self.connection.session)

    def _exists(self, queue: str) -> bool:
        return self._session.find_queue(queue, self._deadline()) is not None

    def _deadline(self) -> float:
        deadline: float = self.connection.deadline()
        return deadline

    @property
    def _vhost(self) -> str:
        return self.connection.client.virtual_host or "/"

    # -- errors ------------------------------------------------------------------------------

    def _check_open(self, method: str) -> None:
        if self.closed or self.connection is None:
            raise RecoverableConnectionError(
                f"channel {self.channel_id} is closed: open a new one with connection.channel()",
                None,
                method,
            )

    def _check_owner(self, queue: str, method: str) -> None:
        record = self._declarations.queue(queue)
        if record is not None and record.owner not in (None, self.connection):
            raise ChannelError(
                f"RESOURCE_LOCKED - cannot obtain exclusive access to locked queue {queue!r} in "
                f"vhost {self._vhost!r}: it belongs to another connection",
                None,
                method,
                405,
            )

    def _no_queue(self, queue: str, method_sig: tuple[int, int], method: str) -> ChannelError:
        return ChannelError(
            f"NOT_FOUND - no queue {queue!r} in vhost {self._vhost!r}", method_sig, method, 404
        )

    def _in_use(self, queue: str, why: str) -> ChannelError:
        return ChannelError(
            f"PRECONDITION_FAILED - queue {queue!r} in vhost {self._vhost!r} {why}",
            (50, 40),
            "Queue.delete",
            406,
        )

    def _unknown_tag(self, tag: object) -> Exception:
        if self.closed:
            return RecoverableConnectionError(
                f"channel {self.channel_id} is closed: its unsettled messages were given back and "
                "will be delivered again",
                (60, 80),
                "Basic.ack",
            )
        return ChannelError(
            f"PRECONDITION_FAILED - unknown delivery tag {tag!r}: it was settled before, or it "
            "belongs to another channel",
            (60, 80),
            "Basic.ack",
            406,
        )

    def _lease_lost(self, lost: Sequence[Delivery]) -> MessageStateError:
        return MessageStateError(
            f"The claim on {len(lost)} message(s) of queue {lost[0].queue!r} was lost before it "
            "was settled: the message was given to another consumer"
        )


def _options(spec: ExchangeSpec) -> str:
    arguments = dict(spec.arguments or {})
    return (
        f"type={spec.type!r} durable={spec.durable} auto_delete={spec.auto_delete} "
        f"arguments={arguments!r}"
    )
