"""AMQP's channel over a backend: one short method for each verb.

What a verb needs beyond itself is elsewhere: `kombu.virtual.exchange_verbs`, `queue_verbs`,
`publishing`, `consuming` and `settling`, each a part that the channel is put together from.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, ClassVar

from kombu.exceptions import ChannelError
from kombu.transport.backend import Envelope
from kombu.utils.deadlines import bounded, current, operation_timeout, within
from kombu.utils.uuid import uuid

from . import refusals
from .consumer import Consumer
from .consuming import Consumers
from .exchange_verbs import ExchangeVerbs
from .facade import DocumentedChannel
from .message import Message as VirtualMessage
from .message import from_delivery
from .prefetch import UNLIMITED, Window
from .publishing import DELAY, Publisher, to_envelope
from .queue_verbs import QueueVerbs, queue_declare_ok_t
from .router import ExchangeSpec
from .rules import Rules
from .settling import Settling
from .warnings import UndeliverableWarning

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kombu.transport.backend import Delivery, Session

    from .publishing import Route
    from .transport import Transport

__all__ = ("Channel", "UndeliverableWarning", "queue_declare_ok_t")


class Channel(DocumentedChannel, native=True):
    """A channel of a virtual transport.

    Args:
        connection: The transport that the channel belongs to.

    A channel may publish, acknowledge and consume in different threads; what one thread receives
    is in order.
    """

    takes_envelopes = True
    #: What carries the verbs about queues out.
    queue_verbs: ClassVar[type[QueueVerbs]] = QueueVerbs
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
        self._next_tag = itertools.count(1).__next__
        self._vhost: str = connection.client.virtual_host or "/"
        self._use(connection)
        session, declarations, receiver = self._session, self._declarations, self._receiver
        strict = bool(connection.options.strict)
        self._rules = Rules(declarations, connection, self._vhost, strict)
        self._exchanges = ExchangeVerbs(connection, declarations, self._rules, self._vhost)
        self._queues = self.queue_verbs(
            connection, session, declarations, receiver, self._rules, self._vhost
        )
        self._consumers = Consumers(session, declarations, receiver)
        self._settling = Settling(connection, self._settle, receiver, declarations)
        self._ledger = self._settling.ledger
        self._publisher = self._new_publisher(connection)

    def _use(self, connection: Transport) -> None:
        # Bound once, so that a message does not go through the transport's attributes.
        self._session: Session = connection.session
        self._routes: Any = connection.routes.known
        self._settle = connection.settle
        self._claims = connection.claims
        self._receiver = connection.receiver
        self._limited = connection.receiver.limited
        self._declarations = connection.declarations

    def _new_publisher(self, connection: Transport) -> Publisher:
        return Publisher(self, connection, self._session, self._declarations)

    # -- exchanges ---------------------------------------------------------------------------

    @bounded
    def exchange_declare(
        self,
        exchange: str | None = None,
        type: str = "direct",
        durable: bool = False,
        auto_delete: bool = False,
        arguments: Mapping[str, Any] | None = None,
        nowait: bool = False,
        passive: bool = False,
        *,
        timeout: float | None = None,
    ) -> None:
        """Declare an exchange (AMQP 0-9-1, exchange.declare).

        Raises:
            ChannelError: 404 with `passive`, where it does not exist.
            NotEquivalentError: 406, where it exists with other properties.
        """
        self._check_open("Exchange.declare")
        name = exchange or f"amq.gen-{uuid()}"
        if passive:
            self._exchanges.find(name)
            return
        if exchange:
            self._exchanges.may_create(exchange)
        self._exchanges.declare(
            ExchangeSpec(
                name, type or "direct", bool(durable), bool(auto_delete), arguments or None
            )
        )

    @bounded
    def exchange_delete(
        self,
        exchange: str,
        if_unused: bool = False,
        nowait: bool = False,
        *,
        timeout: float | None = None,
    ) -> None:
        """Delete an exchange with its bindings; unknown ones are ignored.

        Raises:
            ChannelError: 406 with `if_unused`, where something is bound to it.
        """
        self._check_open("Exchange.delete")
        self._exchanges.delete(exchange, if_unused)

    @bounded
    def exchange_bind(
        self,
        destination: str,
        source: str = "",
        routing_key: str = "",
        nowait: bool = False,
        arguments: Mapping[str, Any] | None = None,
        *,
        timeout: float | None = None,
    ) -> None:
        """Have `destination` receive what `source` routes to it (RabbitMQ's exchange.bind)."""
        self._check_open("Exchange.bind")
        self._exchanges.bind(destination, source, routing_key or "", arguments)

    @bounded
    def exchange_unbind(
        self,
        destination: str,
        source: str = "",
        routing_key: str = "",
        nowait: bool = False,
        arguments: Mapping[str, Any] | None = None,
        *,
        timeout: float | None = None,
    ) -> None:
        """Undo `exchange_bind`; unknown bindings are ignored."""
        self._check_open("Exchange.unbind")
        self._exchanges.unbind(destination, source, routing_key or "", arguments)

    # -- queues ------------------------------------------------------------------------------

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
            return self._queues.find(name, self._deadline())
        if queue:
            self._queues.may_create(queue, self._deadline())
        return self._queues.declare(
            name, bool(durable), bool(exclusive), bool(auto_delete), arguments, self._deadline()
        )

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
        """Have `queue` receive what `exchange` routes to it (AMQP 0-9-1, queue.bind)."""
        self._check_open("Queue.bind")
        self._rules.may_use(queue, "Queue.bind")
        self._queues.bind(queue, exchange, routing_key or "", arguments or None, self._deadline())

    @bounded
    def queue_unbind(
        self,
        queue: str,
        exchange: str | None = None,
        routing_key: str = "",
        arguments: Mapping[str, Any] | None = None,
        *,
        timeout: float | None = None,
        **kwargs: Any,
    ) -> None:
        """Undo `queue_bind`; unknown bindings are ignored."""
        self._check_open("Queue.unbind")
        self._queues.unbind(queue, exchange, routing_key or "", arguments or None, self._deadline())

    @bounded
    def queue_delete(
        self,
        queue: str,
        if_unused: bool = False,
        if_empty: bool = False,
        *,
        timeout: float | None = None,
        **kwargs: Any,
    ) -> int:
        """Delete a queue, its messages and bindings; return how many messages were ready.

        Raises:
            ChannelError: 406 with `if_unused`, where it has consumers, and with `if_empty`, where
                it has messages; 405 where another connection has it exclusively.
        """
        self._check_open("Queue.delete")
        self._rules.may_use(queue, "Queue.delete")
        return self._queues.delete(queue, if_unused, if_empty, self._deadline())

    @bounded
    def queue_purge(self, queue: str, *, timeout: float | None = None, **kwargs: Any) -> int:
        """Drop the ready messages of a queue; return how many there were."""
        self._check_open("Queue.purge")
        self._rules.may_use(queue, "Queue.purge")
        return self._queues.purge(queue, self._deadline())

    @bounded
    def after_reply_message_received(self, queue: str, *, timeout: float | None = None) -> None:
        """Delete a reply queue that has served its purpose."""
        self.queue_delete(queue)

    # -- publishing --------------------------------------------------------------------------

    def basic_publish(
        self,
        message: Envelope | dict[str, Any],
        exchange: str = "",
        routing_key: str = "",
        mandatory: bool = False,
        immediate: bool = False,
        timeout: float | None = None,
        confirm_timeout: float | None = None,
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
            confirm_timeout: Ignored: storing it is all there is to wait for.
        """
        if timeout is not None or (mandatory and current.deadline is None):
            # More than one step: they share the time.
            with within(self._operation_timeout() if timeout is None else timeout):
                Channel.basic_publish(self, message, exchange, routing_key, mandatory, immediate)
            return
        if message.__class__ is not Envelope:
            message = to_envelope(message, exchange, routing_key)
        if message.priority:
            self._rules.check_priority(message)
        try:
            route = self._routes[exchange, routing_key]
        except KeyError:
            if current.deadline is None:
                with within(self._operation_timeout()):
                    Channel.basic_publish(self, message, exchange, routing_key)
                return
            route = self._resolve(message, exchange, routing_key, mandatory)
        # Two looks for what a message rarely has.
        headers = message.headers
        if "expiration" in message.properties or (headers and DELAY in headers):
            self._publisher.timed(message, route, mandatory)
        elif mandatory or not route:
            self._publisher.carefully(message, route, mandatory)
        else:
            for put in route:
                put(message)

    @bounded
    def basic_publish_batch(
        self, messages: Sequence[Envelope], *, timeout: float | None = None
    ) -> list[tuple[int, Exception]]:
        """Publish messages in one step; returns the positions of those refused, with the reason.

        A message that fits no queue is treated as by `basic_publish`.
        """
        self._check_open("Basic.publish")
        for message in messages:
            self._rules.check_priority(message)
        return self._publisher.batch(messages)

    def _resolve(
        self, envelope: Envelope, exchange: str, routing_key: str, mandatory: bool
    ) -> Route:
        self._check_open("Basic.publish")
        self._rules.exchange_exists(exchange, "Basic.publish")
        if (mandatory or self._rules.strict) and not exchange and not self._exists(routing_key):
            # Asked first: a store may make the queue when it prepares the way to it.
            return ()
        transport: Transport = self.connection
        return transport.routes.resolve(exchange, routing_key, envelope.headers)

    # -- consuming ---------------------------------------------------------------------------

    @bounded
    def basic_consume(
        self,
        queue: str,
        no_ack: bool = False,
        callback: Callable[[Any], Any] | None = None,
        consumer_tag: str | None = None,
        arguments: Mapping[str, Any] | None = None,
        on_cancel: Callable[[str], Any] | None = None,
        *,
        timeout: float | None = None,
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
        self._queues.must_exist(queue, "Basic.consume", self._deadline())
        window = Window(self._consumers.limit)
        consumer = Consumer(
            tag, queue, self, callback, bool(no_ack), window, dict(arguments or {}), on_cancel
        )
        self._consumers.add(consumer)
        return tag

    @bounded
    def basic_cancel(self, consumer_tag: str, *, timeout: float | None = None) -> None:
        """Stop a consumer; what it received stays its own to settle.  Unknown tags are ignored."""
        self._check_open("Basic.cancel")
        self._consumers.cancel(consumer_tag, self._deadline())

    def consumer_cancelled(self, consumer: Consumer) -> None:
        """The queue of a consumer was deleted (called by the declarations)."""
        self._consumers.cancelled(consumer)

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

    @bounded
    def basic_get(
        self, queue: str, no_ack: bool = False, *, timeout: float | None = None, **kwargs: Any
    ) -> VirtualMessage | None:
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
            self._queues.must_exist(queue, "Basic.get", self._deadline())
            return None
        tag = self._next_tag()
        if not delivery.taken:
            if no_ack:
                self._settle((delivery,), (), None)
                delivery.taken = True
            else:
                self._ledger[tag] = delivery
                self._settling.got += 1
        return from_delivery(self, tag, delivery)

    # -- settling ----------------------------------------------------------------------------

    def basic_ack(
        self, delivery_tag: int, multiple: bool = False, *, timeout: float | None = None
    ) -> None:
        """Acknowledge a delivery, or all up to and including it.

        Raises:
            ChannelError: 406 where the tag names no unsettled delivery of this channel.
            MessageStateError: The claim was lost meanwhile; the message belongs to another.
        """
        if timeout is not None:
            with within(timeout):
                self.basic_ack(delivery_tag, multiple)
            return
        if multiple:
            self._settling.acknowledge(self._take(delivery_tag, multiple=True))
            return
        try:
            delivery = self._ledger.pop(delivery_tag)
        except KeyError:
            raise refusals.unknown_tag(delivery_tag, self.channel_id, self.closed) from None
        lost: Sequence[Delivery] = ()
        claims = self._claims
        if claims is None:
            # The answer may be that of an earlier one.
            lost = self._settle((delivery,), (), current.deadline)
        elif claims.pop(delivery.token, None) is None:
            lost = (delivery,)
        if self._limited or delivery.consumer is None:
            self._settling.make_room(delivery)
        if lost:
            raise refusals.claim_lost(lost)

    def basic_reject(
        self, delivery_tag: int, requeue: bool = False, *, timeout: float | None = None
    ) -> None:
        """Refuse a delivery: requeue it, or drop it.

        Raises:
            ChannelError: 406 where the tag names no unsettled delivery of this channel.
            MessageStateError: The claim was lost meanwhile; the message belongs to another.
        """
        if timeout is not None:
            with within(timeout):
                self.basic_reject(delivery_tag, requeue)
            return
        self._settling.reject(self._take(delivery_tag, multiple=False), requeue)

    def basic_nack(
        self,
        delivery_tag: int,
        multiple: bool = False,
        requeue: bool = True,
        *,
        timeout: float | None = None,
    ) -> None:
        """RabbitMQ's basic.nack: refuse a delivery, or all up to and including it."""
        if timeout is not None:
            with within(timeout):
                self.basic_nack(delivery_tag, multiple, requeue)
            return
        self._settling.reject(self._take(delivery_tag, multiple), requeue)

    def basic_requeue(
        self,
        delivery_tag: int,
        delay: float | None = None,
        *,
        timeout: float | None = None,
    ) -> None:
        """Give a delivery back to its queue after `delay` seconds; not a verb of AMQP.

        `None` stands for what the queue's back-off says (``x-requeue-backoff``, or the transport
        option ``requeue_backoff``), 0 for at once.

        Raises:
            ChannelError: 406 where the tag names no unsettled delivery of this channel; 540 where
                the transport can't delay.
            LeaseLost: The claim was lost meanwhile; the message belongs to another.
        """
        if timeout is not None:
            with within(timeout):
                self.basic_requeue(delivery_tag, delay)
            return
        if delay and not self.connection.capabilities.delay:
            # Before it is taken out of the ledger.
            raise refusals.no_delay(self.connection.driver_name, "Basic.reject")
        self._settling.requeue(self._take(delivery_tag, multiple=False), delay)

    @bounded
    def basic_recover(self, requeue: bool = False, *, timeout: float | None = None) -> None:
        """Redeliver what is unsettled: to whoever comes first, or to the same consumers."""
        self._check_open("Basic.recover")
        self._settling.recover(None if requeue else self._consumers.values())

    def _take(self, tag: int, multiple: bool) -> list[Delivery]:
        try:
            return [delivery for _, delivery in self._ledger.take(tag, multiple)]
        except KeyError:
            raise refusals.unknown_tag(tag, self.channel_id, self.closed) from None

    # -- flow --------------------------------------------------------------------------------

    @bounded
    def basic_qos(
        self,
        prefetch_size: int = 0,
        prefetch_count: int = 0,
        apply_global: bool = False,
        *,
        timeout: float | None = None,
    ) -> None:
        """Bound how many deliveries may be unsettled (https://www.rabbitmq.com/docs/consumer-prefetch).

        Args:
            prefetch_size: A bound in bytes, which brokers do not support; ignored.
            prefetch_count: The number of deliveries, 0 for no limit.
            apply_global: Bound all consumers of the channel together, otherwise each on its own.
                Consumers that are there already are bound, too, unless the connection is `strict`.
        """
        self._check_open("Basic.qos")
        if apply_global:
            self.prefetch_limit = prefetch_count
        else:
            self._consumers.limit = prefetch_count
            if self._rules.strict:
                # As on RabbitMQ: it is for the consumers to come.
                return
            self._consumers.limit_each(prefetch_count, self._settling.held_by)
        self._consumers.limits_changed()
        # What was fetched under the old limits may be more than the new ones allow.
        self._receiver.give_back_of_channel(self)

    @bounded
    def flow(self, active: bool = True, *, timeout: float | None = None) -> None:
        """Stop (``False``) or resume the consumers of the channel (AMQP 0-9-1, channel.flow)."""
        self._check_open("Channel.flow")
        self.flowing = active
        self._consumers.limits_changed()
        if not active:
            self._receiver.give_back_of_channel(self)

    @property
    def prefetch_room(self) -> int:
        """How many more deliveries the consumers of the channel may have together."""
        limit = self.prefetch_limit
        room = max(limit - len(self._ledger) + self._settling.got, 0) if limit else UNLIMITED
        gate = self.gate
        if gate is None:
            return room
        # One at a time: the answer holds for the next message only.
        return min(room, 1) if gate() else 0

    def _limits_changed(self) -> None:
        self._consumers.limits_changed()

    # -- the channel itself ------------------------------------------------------------------

    @bounded
    def close(self, *, timeout: float | None = None) -> None:
        """Cancel the consumers, give unsettled messages back in order, and leave the connection."""
        if self.closed:
            return
        self.closed = True
        connection = self.connection
        for tag in list(self._consumers):
            self._consumers.cancel(tag, connection.deadline())
        self._settling.give_back_all()
        self.connection = None
        # A published message of a closed channel finds no route and then the closed channel.
        self._routes = {}
        if connection is not None:
            connection.close_channel(self)

    def unsettled(self) -> list[Delivery]:
        """What was delivered and is not settled."""
        return list(self._ledger.values())

    def forked(self) -> None:
        """Called in the child of a fork: what is unsettled is the parent's to settle."""
        self._settling.forked()
        self._consumers.forked()

    def drain_events(self, timeout: float | None = None, callback: Any = None) -> None:
        """Deliver the next message of the connection; see `Transport.drain_events`."""
        self._check_open("Channel.drain_events")
        self.connection.drain_events(self.connection, timeout)

    def message_of(self, tag: int, delivery: Delivery) -> VirtualMessage:
        """The message of an unsettled delivery (`QoS.get`)."""
        return from_delivery(self, tag, delivery)

    def _exists(self, queue: str) -> bool:
        return self._queues.exists(queue, self._deadline())

    def _operation_timeout(self) -> float:
        return operation_timeout(self)

    def _deadline(self) -> float:
        deadline: float = self.connection.deadline()
        return deadline

    # -- errors ------------------------------------------------------------------------------

    def _check_open(self, method: str) -> None:
        if self.closed or self.connection is None:
            raise refusals.closed(self.channel_id, method)
