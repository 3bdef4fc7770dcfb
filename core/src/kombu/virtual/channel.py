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
    DecodeError,
    UndeliverableError,
)
from kombu.transport.backend import Binding, Envelope, QueueSpec, Release
from kombu.utils.uuid import uuid

from . import refusals
from .arguments import check_equivalent, milliseconds, queue_spec
from .envelope import from_payload
from .facade import DocumentedChannel
from .ledger import Ledger
from .message import Message, from_delivery
from .message import Message as VirtualMessage
from .prefetch import UNLIMITED, Window
from .receiver import Consumer
from .router import ExchangeSpec, equivalent
from .rules import Rules
from .spi import undeliverable
from .warnings import UndeliverableWarning

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from kombu.transport.backend import Delivery, Session

    from .transport import Transport

__all__ = ("Channel", "UndeliverableWarning", "queue_declare_ok_t")


#: Header of a message that is to be delivered later, in milliseconds (as RabbitMQ's plugin for
#: delayed messages has it).
DELAY = "x-delay"

#: Header of a message that came back to its queue: epoch seconds of the first time.
FIRST_SEEN = "x-first-seen"


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
    #: Whether the channel returns what it held in a way of its own when it is closed.
    gives_back_itself = False

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
        vhost = connection.client.virtual_host or "/"
        strict = bool(connection.options.strict)
        self._rules = Rules(self._declarations, connection, vhost, strict)

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
                raise refusals.no_exchange(name, self._vhost, "Exchange.declare")
            return
        if standing is None and exchange:
            self._rules.may_create(exchange, "Exchange.declare")
        wanted = ExchangeSpec(
            name, type or "direct", bool(durable), bool(auto_delete), arguments or None
        )
        standing = self._declarations.declare_exchange(wanted)
        if not equivalent(standing, wanted):
            raise refusals.exchange_differs(standing, wanted, self._vhost)

    def exchange_delete(self, exchange: str, if_unused: bool = False, nowait: bool = False) -> None:
        """Delete an exchange with its bindings; unknown ones are ignored.

        Raises:
            ChannelError: 406 with `if_unused`, where something is bound to it.
        """
        self._check_open("Exchange.delete")
        self._rules.not_the_default(exchange, "Exchange.delete")
        if if_unused and self._declarations.has_bindings(exchange):
            raise refusals.in_use("exchange", exchange, self._vhost, "Exchange.delete")
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
        for end in (source, destination):
            self._rules.not_the_default(end, "Exchange.bind")
        self._rules.exchange_exists(destination, "Exchange.bind")
        self._rules.may_bind(source, arguments, "Exchange.bind")
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
                has it exclusively; 406 where an argument is invalid.
            NotEquivalentError: 406, where it exists with other arguments.
        """
        self._check_open("Queue.declare")
        name = queue or f"amq.gen-{uuid()}"
        self._rules.may_use(name, "Queue.declare")
        self.connection.keep_up()
        if passive:
            found = self._session.find_queue(name, self._deadline())
            if found is None:
                raise refusals.no_queue(name, self._vhost, "Queue.declare")
            ready = found[1]
        else:
            wanted = queue_spec(name, bool(durable), arguments)
            if queue and self._rules.strict and not self._exists(queue):
                self._rules.may_create(queue, "Queue.declare")
            self._rules.may_redeclare(name, bool(auto_delete), bool(exclusive))
            standing, ready = self._session.declare_queue(wanted, self._deadline())
            if self.connection.capabilities.queue_specs:
                check_equivalent(standing, wanted, self._vhost)
            owner = self.connection if exclusive else None
            self._declarations.add_queue(name, bool(auto_delete), owner)
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
        self._rules.may_use(queue, "Queue.bind")
        self._rules.not_the_default(exchange, "Queue.bind")
        if self._rules.strict and not self._exists(queue):
            raise refusals.no_queue(queue, self._vhost, "Queue.bind")
        self._rules.may_bind(exchange or "", arguments, "Queue.bind")
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
        self._rules.may_use(queue, "Queue.unbind")
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
        self._rules.may_use(queue, "Queue.delete")
        self._receiver.give_back_of_queue(queue)
        if if_unused and self._declarations.consumer_count(queue):
            raise refusals.in_use("queue", queue, self._vhost, "Queue.delete")
        deleted = self._session.delete_queue(queue, self._deadline(), if_empty=if_empty)
        if deleted is None:
            raise refusals.in_use("queue", queue, self._vhost, "Queue.delete", "not empty")
        self._declarations.forget_queue(queue)
        return deleted

    def queue_purge(self, queue: str, **kwargs: Any) -> int:
        """Drop the ready messages of a queue; return how many there were."""
        self._check_open("Queue.purge")
        self._rules.may_use(queue, "Queue.purge")
        if self._rules.strict and not self._exists(queue):
            raise refusals.no_queue(queue, self._vhost, "Queue.purge")
        self._receiver.give_back_of_queue(queue)
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
        if message.priority:
            self._rules.check_priority(message)
        try:
            route = self._routes[exchange, routing_key]
        except KeyError:
            route = self._resolve(message, exchange, routing_key, mandatory)
        # Two looks for what a message rarely has.
        headers = message.headers
        if "expiration" in message.properties or (headers and DELAY in headers):
            self._publish_timed(message, route, mandatory, timeout)
        elif timeout is not None or mandatory or not route:
            self._publish_carefully(message, route, mandatory, timeout)
        else:
            for put in route:
                put(message)

    def basic_publish_batch(self, messages: Sequence[Envelope]) -> list[tuple[int, Exception]]:
        """Publish messages in one step; returns the positions of those refused, with the reason.

        A message that fits no queue is treated as by `basic_publish`.
        """
        self._check_open("Basic.publish")
        transport = self.connection
        items: list[tuple[str, Envelope]] = []
        positions: list[int] = []
        for position, envelope in enumerate(messages):
            self._rules.check_priority(envelope)
            self._set_times(envelope)
            targets = self._declarations.targets(
                envelope.exchange, envelope.routing_key, envelope.headers
            )
            if not targets:
                self._unroutable(envelope, mandatory=False)
            items.extend((queue, envelope) for queue in targets)
            positions.extend(position for _ in targets)
        refused = transport.session.put(items, self._deadline()) if items else ()
        return [(positions[index], error) for index, error in refused]

    def _resolve(
        self, envelope: Envelope, exchange: str, routing_key: str, mandatory: bool
    ) -> tuple[Callable[[Envelope], None], ...]:
        self._check_open("Basic.publish")
        self._rules.exchange_exists(exchange, "Basic.publish")
        if (mandatory or self._rules.strict) and not exchange and not self._exists(routing_key):
            # Asked first: a store may make the queue when it prepares the way to it.
            return ()
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

    def _publish_timed(
        self,
        envelope: Envelope,
        route: tuple[Callable[[Envelope], None], ...],
        mandatory: bool,
        timeout: float | None,
    ) -> None:
        """The way of the messages that expire, or that are to be delivered later."""
        self._set_times(envelope)
        targets = self._declarations.targets(
            envelope.exchange, envelope.routing_key, envelope.headers
        )
        if mandatory and not envelope.exchange and not self._exists(envelope.routing_key):
            targets = ()
        if not targets:
            self._unroutable(envelope, mandatory)
            return
        deadline = self._deadline() if timeout is None else monotonic() + timeout
        self.connection.put_into(targets, envelope, deadline)

    def _set_times(self, envelope: Envelope) -> None:
        """Work out when a message is to be delivered, and when it expires."""
        transport = self.connection
        expiration = envelope.properties.get("expiration")
        delay = envelope.headers.pop(DELAY, 0)
        if delay:
            envelope.not_before = transport.now() + milliseconds(DELAY, delay)
        if expiration is not None:
            # Counted from when the message enters its queue.
            start = envelope.not_before or transport.now()
            envelope.expires_at = start + milliseconds("expiration", expiration)

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
        except DecodeError as exc:
            raise ChannelError(
                f"not a message: {message!r:.100}; make one with prepare_message()",
                (60, 40),
                "Basic.publish",
            ) from exc
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
        on_cancel: Callable[[str], Any] | None = None,
        **kwargs: Any,
    ) -> str:
        """Have `callback` called with each message of `queue`; returns the consumer's tag.

        Where the queue is deleted under the consumer, `on_cancel` is called with the tag by the
        next ``drain_events``, which raises `ConsumerCancelled` where it is not given.

        Raises:
            ChannelError: 404 where there is no such queue; 530 where the tag is in use; 405 where
                another connection has the queue exclusively.
        """
        self._check_open("Basic.consume")
        tag = consumer_tag or f"ctag-{uuid()}"
        if callback is None:
            raise ChannelError("basic_consume needs a callback", (60, 20), "Basic.consume")
        if tag in self._consumers:
            raise refusals.tag_in_use(tag)
        self._rules.may_use(queue, "Basic.consume")
        if not self._exists(queue):
            raise refusals.no_queue(queue, self._vhost, "Basic.consume")
        window = Window(self._default_window)
        consumer = Consumer(
            tag, queue, self, callback, bool(no_ack), window, dict(arguments or {}), on_cancel
        )
        self._consumers[tag] = consumer
        self._declarations.consumer_added(consumer)
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
        if self._declarations.consumer_removed(consumer):
            # It was the last consumer of an auto-delete queue, which goes with it.
            self._session.delete_queue(consumer.queue, self._deadline())
            self._declarations.forget_queue(consumer.queue)

    def consumer_cancelled(self, consumer: Consumer) -> None:
        """The queue of a consumer was deleted (called by the declarations)."""
        if self._consumers.pop(consumer.tag, None) is not None:
            self._receiver.remove(consumer)
            self._receiver.cancelled(consumer)

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
        self._rules.may_use(queue, "Basic.get")
        if self._receiver.arrived:
            # What was fetched ahead for a consumer comes before what is in the store.
            self._receiver.give_back_of_queue(queue)
        delivery = self.connection.take_one(queue, bool(no_ack))
        if delivery is None:
            if not self._exists(queue):
                raise refusals.no_queue(queue, self._vhost, "Basic.get")
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
            raise refusals.unknown_tag(delivery_tag, self.channel_id, self.closed) from None
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
            raise refusals.claim_lost(lost)

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
        mine: list[Delivery] = []
        others: list[Release] = []
        for delivery in unsettled:
            # A consumer that was cancelled receives nothing any more.
            if delivery.consumer in self._consumers.values():
                mine.append(delivery)
            else:
                others.append(Release(delivery))
        self._settle_all((), others)
        for delivery in mine:
            delivery.count += 1
        self._receiver.redeliver(mine)

    def _reject(self, deliveries: Sequence[Delivery], requeue: bool) -> None:
        if requeue:
            self._settle_all((), [self._released(delivery) for delivery in deliveries])
            return
        upkeep = self.connection.upkeep
        if upkeep is None:
            self._settle_all(deliveries, ())
            return
        for delivery in deliveries:
            upkeep.dead_letter(delivery, "rejected")
            self._make_room(delivery)

    def _released(self, delivery: Delivery) -> Release:
        """A delivery on its way back to its queue, later each time where that is asked for."""
        delivery.envelope.headers.setdefault(FIRST_SEEN, int(self.connection.now()))
        options = self.connection.options
        if not options.requeue_backoff:
            return Release(delivery)
        pause = options.requeue_backoff * 2.0 ** min(delivery.count, 30)
        return Release(delivery, delay=min(pause, options.requeue_backoff_max))

    def _take(self, tag: int, multiple: bool) -> list[tuple[int, Delivery]]:
        try:
            return self._ledger.take(tag, multiple)
        except KeyError:
            raise refusals.unknown_tag(tag, self.channel_id, self.closed) from None

    def _settle_all(self, acks: Sequence[Delivery], releases: Sequence[Release]) -> None:
        if not acks and not releases:
            return
        lost = self._settle(acks, releases, None)
        for delivery in acks:
            self._make_room(delivery)
        for release in releases:
            self._make_room(release.delivery)
        if lost:
            raise refusals.claim_lost(lost)

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
        # What was fetched under the old limits may be more than the new ones allow.
        self._receiver.give_back_of_channel(self)

    def flow(self, active: bool = True) -> None:
        """Stop (``False``) or resume the consumers of the channel (AMQP 0-9-1, channel.flow)."""
        self._check_open("Channel.flow")
        self.flowing = active
        self._limits_changed()
        if not active:
            self._receiver.give_back_of_channel(self)

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

    def forked(self) -> None:
        """Called in the child of a fork: what is unsettled is the parent's to settle."""
        self._ledger.clear()
        self._got = 0
        for consumer in self._consumers.values():
            consumer.window.used = 0

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
            raise refusals.closed(self.channel_id, method)
