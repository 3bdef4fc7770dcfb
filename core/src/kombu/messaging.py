"""Sending and receiving messages."""

from __future__ import annotations

from itertools import count
from time import monotonic
from typing import TYPE_CHECKING, Any, ClassVar

from . import serialization
from .declare import Epoch, maybe_declare
from .entity import Exchange, Queue, maybe_delivery_mode
from .envelope import Envelope, check_serialized, milliseconds
from .exceptions import ContentDisallowed, NotBoundError
from .utils.functional import ChannelPromise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from types import TracebackType

    from .batching import Batch

__all__ = ("Consumer", "Exchange", "Producer", "Queue")

PERSISTENT = 2


def _is_connection(obj: Any) -> bool:
    # Asked of the class: the attribute itself would open the channel.
    return hasattr(type(obj), "default_channel")


def _channel_of(channel: Any) -> Any:
    """A channel, for a channel or for the connection whose default channel is meant."""
    return channel.default_channel if _is_connection(channel) else channel


class _FirstLook:
    """Stands in a class for an attribute that its instances make when they are first asked."""

    def __get__(self, obj: Any, owner: type[Any]) -> Any:
        return self if obj is None else obj._open()  # noqa: SLF001  the instance it stands in


class Producer:
    """Publishes messages.

    Args:
        channel: Channel to publish on, or a connection: then its default channel is used, and
            opened when the first message is published.
        exchange: Default exchange.
        routing_key: Default routing key.
        serializer: Default serializer; default is json for what is neither text nor bytes.
        auto_declare: Declare the default exchange before the first message.  Default is True.
        compression: Default compression, none by default.
        on_return: Called as ``(exception, exchange, routing_key, message)`` with a mandatory
            message that fits no queue; without it the exception is raised.
    """

    #: Default exchange.
    exchange: Any = None
    #: Default routing key.
    routing_key: str = ""
    #: Default serializer.
    serializer: str | None = None
    #: Default compression.
    compression: str | None = None
    #: Whether the default exchange is declared before a message is published.
    auto_declare = True
    #: Called with what could not be routed.
    on_return: Callable[..., Any] | None = None

    #: The channel.  Where a connection was given it is opened at the first look, and from then on
    #: an ordinary attribute: a message does not pay for a property.
    channel: Any = _FirstLook()

    def __init__(
        self,
        channel: Any,
        exchange: Exchange | str | None = None,
        routing_key: str | None = None,
        serializer: str | None = None,
        auto_declare: bool | None = None,
        compression: str | None = None,
        on_return: Callable[..., Any] | None = None,
    ) -> None:
        self.exchange = Exchange("") if exchange is None else exchange
        if isinstance(self.exchange, str):
            self.exchange = Exchange(self.exchange)
        self.routing_key = routing_key or self.routing_key
        self.serializer = serializer or self.serializer
        self.compression = compression or self.compression
        self.on_return = on_return or self.on_return
        if auto_declare is not None:
            self.auto_declare = auto_declare
        self._connection: Any = None
        self._promise: ChannelPromise[Any] | None = None
        #: The default exchange that was declared, and for how long that stands.
        self._declared_default: tuple[Exchange, Epoch] | None = None
        if channel is not None:
            self._attach(channel)

    # -- channel -----------------------------------------------------------------------------

    def _attach(self, channel: Any) -> None:
        known = self.__dict__.pop("channel", None)
        if _is_connection(channel):
            self._connection = channel
            if known is not None and known is channel.open_channel:
                # A pool gives out the same connection again and again.
                self.channel = known
                return
            channel = ChannelPromise(lambda: self._connection.default_channel)
        if isinstance(channel, ChannelPromise):
            self._promise = channel
            return
        self._promise = None
        self.channel = channel
        self._opened(channel)

    def _open(self) -> Any:
        if self._promise is None:
            return None
        self.channel = channel = self._promise()
        self._promise = None
        self._opened(channel)
        return channel

    def _opened(self, channel: Any) -> None:
        exchange = self.exchange
        if exchange.is_bound:
            # It is our own copy.
            exchange.revive(channel)
        else:
            self.exchange = exchange(channel)
        if self.on_return is not None:
            channel.events["basic_return"].add(self.on_return)

    def revive(self, channel: Any) -> None:
        """Go on with another channel (or connection), after the connection was lost."""
        self._attach(channel)

    @property
    def connection(self) -> Any:
        """The `kombu.Connection`, `None` where the channel is closed."""
        if self._connection is not None:
            return self._connection
        transport = getattr(self.channel, "connection", None)
        return None if transport is None else transport.client

    @property
    def supports_batch_publish(self) -> bool:
        """Whether the transport stores a whole batch in one step."""
        return bool(self.channel.connection.implements.batch_publish)

    # -- declaring ---------------------------------------------------------------------------

    def declare(self) -> None:
        """Declare the default exchange."""
        if self.exchange.name:
            self.exchange.declare(channel=self.channel)

    def maybe_declare(
        self, entity: Exchange | Queue | None, retry: bool = False, **retry_policy: Any
    ) -> bool | None:
        """Declare `entity`, unless that was done on this connection."""
        if entity is None:
            return None
        return maybe_declare(entity, self.channel, retry, **retry_policy)

    def declare_missing(self, entities: Iterable[Any], retry: bool, policy: Any) -> None:
        """Declare those of `entities` that were not declared on this connection."""
        channel = self.channel
        transport = channel.connection
        seen = () if transport is None else transport.client.declared_entities
        for entity in entities:
            # By identity first: comparing declarations costs more than publishing does.
            if seen and seen.is_known(entity):
                continue
            maybe_declare(entity, channel, retry, **(policy or {}))
            if entity is self.exchange and seen:
                self._declared_default = (entity, seen.epoch)

    # -- publishing --------------------------------------------------------------------------

    def publish(
        self,
        body: Any,
        routing_key: str | None = None,
        delivery_mode: int | str | None = None,
        mandatory: bool = False,
        immediate: bool = False,
        priority: int = 0,
        content_type: str | None = None,
        content_encoding: str | None = None,
        serializer: str | None = None,
        headers: dict[str, Any] | None = None,
        compression: str | None = None,
        exchange: Exchange | str | None = None,
        retry: bool = False,
        retry_policy: dict[str, Any] | None = None,
        declare: Sequence[Any] | None = None,
        expiration: float | None = None,
        timeout: float | None = None,
        confirm_timeout: float | None = None,
        *,
        delay: float | None = None,
        **properties: Any,
    ) -> Any:
        """Publish a message.

        Args:
            body: What to send; serialized unless `content_type` is given.
            routing_key: Routing key; the producer's where it is not given.
            delivery_mode: ``"transient"`` (1) or ``"persistent"`` (2, the default).
            mandatory: A message that fits no queue is an error (or goes to `on_return`).
            immediate: Not supported by brokers any more; ignored.
            priority: Priority of the message.
            content_type: Type of a body that is serialized already.
            content_encoding: Its character set.
            serializer: Serializer to use.
            headers: Application headers.
            compression: Compression to use.
            exchange: Exchange to publish to; the producer's where it is not given.
            retry: Publish again where the connection is lost.
            retry_policy: How often and when: arguments of `Connection.ensure`.
            declare: Exchanges and queues to declare before, unless that was done.
            expiration: Seconds that the message may wait in a queue.
            timeout: Seconds that publishing may take altogether.
            confirm_timeout: Seconds to wait for the broker's confirmation, where there is one.
            delay: Seconds after which the message is to be delivered, on transports that can.
            **properties: AMQP's properties, such as ``correlation_id`` and ``reply_to``.

        Raises:
            EncodeError: The body can't be serialized; nothing was sent.
            UndeliverableError: It was mandatory and fits no queue.
            OperationalError: The connection was lost and did not come back.
        """
        default = self.exchange
        if routing_key is None:
            routing_key = self.routing_key
        if exchange is None:
            name = default.name
        elif exchange.__class__ is str or (
            exchange.__class__ is not Exchange and isinstance(exchange, str)
        ):
            name = exchange
        else:
            try:
                name = exchange.name
            except AttributeError:
                raise TypeError(
                    f"publish: exchange is {exchange!r} ({type(exchange).__name__}), wanted an "
                    "Exchange, or the name of one"
                ) from None
            if delivery_mode is None:
                delivery_mode = exchange.delivery_mode
        if delivery_mode is None:
            properties["delivery_mode"] = default.delivery_mode or PERSISTENT
        else:
            properties["delivery_mode"] = maybe_delivery_mode(delivery_mode)
        headers = {} if headers is None else {**headers}
        if content_type is None:
            # Looked up at call time: APM tools wrap serialization.dumps.
            content_type, content_encoding, body = serialization.dumps(
                body, serializer or self.serializer
            )
            if content_encoding == "binary" and body.__class__ is not bytes:
                check_serialized(body, content_type)
        elif body.__class__ is str or (body.__class__ is not bytes and isinstance(body, str)):
            content_encoding = content_encoding or "utf-8"
        else:
            if body.__class__ is not bytes:
                check_serialized(body, content_type)
            content_encoding = content_encoding or "binary"
        if compression is None:
            compression = self.compression
        if compression:
            # Compressors are not for everybody: imported with the first message that wants one.
            from .compression import compress

            body, headers["compression"] = compress(body, compression)
        if delay is not None:
            headers["x-delay"] = milliseconds("delay", delay)
        if expiration is not None:
            properties["expiration"] = str(milliseconds("expiration", expiration))
        if "reply_to" in properties and isinstance(properties["reply_to"], Queue):
            properties["reply_to"] = properties["reply_to"].name
        if default.name and self.auto_declare:
            known = self._declared_default
            if known is None or known[0] is not default or not known[1].current:
                declare = (default,) if declare is None else (*declare, default)
        if not retry:
            if timeout is not None:
                timeout = self._connect_within(timeout, None)
            return self._publish(
                body,
                priority,
                content_type,
                content_encoding,
                headers,
                properties,
                routing_key,
                mandatory,
                immediate,
                name,
                declare,
                timeout,
                confirm_timeout,
            )
        return self._publish_again_if_lost(
            retry_policy,
            timeout,
            (
                body,
                priority,
                content_type,
                content_encoding,
                headers,
                properties,
                routing_key,
                mandatory,
                immediate,
                name,
                declare,
                timeout,
                confirm_timeout,
                True,
                retry_policy,
            ),
        )

    def _connect_within(self, timeout: float | None, policy: dict[str, Any] | None) -> float | None:
        """Connect, where that is still to be done, as the caller wants it tried and no longer.

        Returns what is left of the time.
        """
        connection = self._connection
        if self._promise is None or connection is None or connection.connected:
            return timeout
        began = monotonic()
        connection.ensure_connection(**connection.retry_options(policy, timeout))
        return None if timeout is None else max(began + timeout - monotonic(), 0.0)

    def _publish_again_if_lost(
        self, policy: dict[str, Any] | None, timeout: float | None, arguments: tuple[Any, ...]
    ) -> Any:
        # Nothing of the machinery for retries is made before something went wrong.
        began = monotonic() if timeout is not None else 0.0
        if self._promise is not None:
            self._connect_within(timeout, policy)
        try:
            return self._publish(*arguments)
        except Exception as exc:
            options = dict(policy or {})
            if timeout is not None:
                options["timeout"] = began + timeout - monotonic()
            connection = self.connection
            if connection is None:
                raise
            retrying = connection.retrying(self, **options)
            if not retrying.handles(exc):
                raise
            retrying.failed(exc)
            return retrying.call(lambda: self._publish(*arguments))

    def _publish(
        self,
        body: Any,
        priority: int,
        content_type: str | None,
        content_encoding: str | None,
        headers: dict[str, Any],
        properties: dict[str, Any],
        routing_key: str,
        mandatory: bool,
        immediate: bool,
        exchange: str,
        declare: Iterable[Any] | None,
        timeout: float | None = None,
        confirm_timeout: float | None = None,
        retry: bool = False,
        retry_policy: dict[str, Any] | None = None,
    ) -> Any:
        channel = self.channel
        if channel is None:
            raise NotBoundError(
                "Can't publish: this Producer has no channel. Make it of a connection or channel, "
                "as in Producer(connection), or call revive(channel)"
            )
        if declare:
            self.declare_missing(declare, retry, retry_policy)
        if channel.takes_envelopes:
            return channel.basic_publish(
                Envelope(
                    body,
                    content_type,
                    content_encoding,
                    headers,
                    properties,
                    exchange,
                    routing_key,
                    priority,
                ),
                exchange,
                routing_key,
                mandatory,
                immediate,
                timeout,
            )
        message = channel.prepare_message(
            body, priority, content_type, content_encoding, headers, properties
        )
        return channel.basic_publish(
            message,
            exchange=exchange,
            routing_key=routing_key,
            mandatory=mandatory,
            immediate=immediate,
            timeout=timeout,
            confirm_timeout=confirm_timeout,
        )

    def batch(self, max_size: int = 1000) -> Batch:
        """A context whose messages are sent together, where the transport can; see `Batch`.

        Args:
            max_size: The most messages to hold back.

        Raises:
            ValueError: `max_size` is not a positive number.
        """
        # Batches are not for everybody: imported with the first one.
        from .batching import Batch

        return Batch(self, max_size)

    def close(self) -> None:
        """Nothing is held open; kept for its documented name."""

    def release(self) -> None:
        """Give the producer back, where it came from a pool."""

    def __enter__(self) -> Any:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        # A pool sets `release` on the instance.
        self.release()

    def __repr__(self) -> str:
        channel = self.__dict__.get("channel") or self._promise
        return f"<Producer: {channel}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return self.__class__, (
            None,
            self.exchange,
            self.routing_key,
            self.serializer,
            self.auto_declare,
            self.compression,
        )


class Consumer:
    """Receives messages.

    Args:
        channel: Channel to receive on, or a connection: then its default channel is used.
        queues: A `Queue`, or several.
        no_ack: Receive without acknowledgement.
        auto_declare: Declare the queues at once.  Default is True.
        callbacks: Called in order with ``(body, message)`` for each message.
        on_decode_error: Called with ``(message, exception)`` where a body can't be decoded;
            without it the exception is raised out of ``drain_events``.
        on_message: Called with each message instead of the callbacks, without decoding it.
        accept: Serializers or content types that may be decoded.
        prefetch_count: How many messages may be unacknowledged.
        tag_prefix: What the consumer tags begin with.
    """

    ContentDisallowed: ClassVar[type[ContentDisallowed]] = ContentDisallowed

    channel: Any = None
    no_ack: bool | None = None
    auto_declare = True
    callbacks: Any = None
    on_message: Callable[[Any], Any] | None = None
    on_decode_error: Callable[[Any, Exception], Any] | None = None
    accept: Any = None
    prefetch_count: int | None = None

    #: Numbers for consumer tags, unique in the process.
    _tags: ClassVar[count[int]] = count(1)

    def __init__(
        self,
        channel: Any,
        queues: Any = None,
        no_ack: bool | None = None,
        auto_declare: bool | None = None,
        callbacks: list[Callable[[Any, Any], Any]] | None = None,
        on_decode_error: Callable[[Any, Exception], Any] | None = None,
        on_message: Callable[[Any], Any] | None = None,
        accept: Any = None,
        prefetch_count: int | None = None,
        tag_prefix: str | None = None,
    ) -> None:
        self.channel = channel
        self.no_ack = no_ack if no_ack is not None else self.no_ack
        self.on_message = on_message
        self.on_decode_error = on_decode_error
        self.tag_prefix = tag_prefix
        self.prefetch_count = prefetch_count
        self.callbacks = callbacks or self.callbacks or []
        if auto_declare is not None:
            self.auto_declare = auto_declare
        self.accept = serialization.prepare_accept_content(accept)
        self._active_tags: dict[str, str] = {}
        self._queues: dict[str, Queue] = {}
        given = [queues] if isinstance(queues, Queue) else list(queues or ())
        if channel is not None:
            self.channel = _channel_of(channel)
            for queue in given:
                self._add(queue)
            if self.prefetch_count is not None:
                self.qos(prefetch_count=self.prefetch_count)
        else:
            self._queues = {queue.name: queue for queue in given}

    def _add(self, queue: Queue) -> Queue:
        bound = queue(self.channel)
        if self.auto_declare:
            bound.declare()
        # By the name that the declaration gave it: the broker names queues without one.
        self._queues[bound.name] = bound
        return bound

    def revive(self, channel: Any) -> None:
        """Go on with another channel, after the connection was lost; call `consume` again."""
        self._active_tags.clear()
        self.channel = _channel_of(channel)
        known, self._queues = list(self._queues.values()), {}
        for queue in known:
            # A queue that the broker named is gone with the connection, or to be found again.
            self._add(queue)
        if self.prefetch_count is not None:
            self.qos(prefetch_count=self.prefetch_count)

    def declare(self) -> None:
        """Declare the queues, their exchanges and bindings."""
        for queue in self._queues.values():
            queue.declare()

    def register_callback(self, callback: Callable[[Any, Any], Any]) -> None:
        """Call `callback`, too, with ``(body, message)``."""
        self.callbacks.append(callback)

    @property
    def queues(self) -> list[Queue]:
        """The queues, bound."""
        return list(self._queues.values())

    def add_queue(self, queue: Queue) -> Queue:
        """Add a queue; it is consumed after the next `consume`."""
        return self._add(queue)

    def consume(self, no_ack: bool | None = None) -> None:
        """Start to consume from the queues that are not consumed yet."""
        queues = list(self._queues.values())
        no_ack = self.no_ack if no_ack is None else no_ack
        for position, queue in enumerate(queues, 1):
            # Only the last answer is waited for, where the broker can leave the others out.
            self._basic_consume(queue, no_ack=no_ack, nowait=position < len(queues))

    def _basic_consume(self, queue: Queue, no_ack: bool | None = None, nowait: bool = True) -> str:
        tag = self._active_tags.get(queue.name)
        if tag is None:
            tag = f"{self.tag_prefix or ''}{next(self._tags)}"
            queue.consume(tag, self._receive_callback, no_ack=no_ack, nowait=nowait)
            self._active_tags[queue.name] = tag
        return tag

    def cancel(self) -> None:
        """Stop consuming; messages that were delivered already stay to be acknowledged."""
        tags, self._active_tags = list(self._active_tags.values()), {}
        for tag in tags:
            self.channel.basic_cancel(tag)

    close = cancel

    def cancel_by_queue(self, queue: Queue | str) -> None:
        """Stop consuming from one queue and forget it."""
        name = queue.name if isinstance(queue, Queue) else queue
        tag = self._active_tags.pop(name, None)
        self._queues.pop(name, None)
        if tag is not None:
            self.channel.basic_cancel(tag)

    def consuming_from(self, queue: Queue | str) -> bool:
        """Whether the consumer receives from a queue."""
        return (queue.name if isinstance(queue, Queue) else queue) in self._active_tags

    def purge(self) -> int:
        """Drop the ready messages of all queues; returns how many there were."""
        return sum(queue.purge() for queue in self._queues.values())

    def flow(self, active: bool) -> None:
        """Stop (``False``) or resume the delivery of messages on the channel."""
        self.channel.flow(active)

    def qos(
        self, prefetch_size: int = 0, prefetch_count: int = 0, apply_global: bool = False
    ) -> Any:
        """Bound the unacknowledged messages; see `Channel.basic_qos`."""
        return self.channel.basic_qos(prefetch_size, prefetch_count, apply_global)

    def recover(self, requeue: bool = False) -> Any:
        """Have all unacknowledged messages of the channel delivered again.

        Args:
            requeue: To whoever comes first, otherwise to the same consumers.
        """
        return self.channel.basic_recover(requeue=requeue)

    def receive(self, body: Any, message: Any) -> None:
        """Called with each decoded message; calls the callbacks.

        Raises:
            NotImplementedError: There are none.
        """
        callbacks = self.callbacks
        if not callbacks:
            raise NotImplementedError(
                "Consumer does not have any callbacks: give callbacks=[...] or on_message=..."
            )
        for callback in callbacks:
            callback(body, message)

    def _receive_callback(self, message: Any) -> Any:
        accept = self.accept
        on_message = self.on_message
        try:
            if accept is not None:
                message.accept = accept
            decoded = None if on_message is not None else message.decode()
        except Exception as exc:
            if self.on_decode_error is None:
                raise
            return self.on_decode_error(message, exc)
        if on_message is not None:
            return on_message(message)
        return self.receive(decoded, message)

    @property
    def connection(self) -> Any:
        """The `kombu.Connection`, `None` where the channel is closed."""
        transport = getattr(self.channel, "connection", None)
        return None if transport is None else transport.client

    def __enter__(self) -> Any:
        self.consume()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        if self.channel is None or self.channel.connection is None:
            return
        connection = self.connection
        try:
            self.cancel()
        except (
            *connection.recoverable_connection_errors,
            *connection.recoverable_channel_errors,
        ):
            # The broker cancels the consumers of a connection that is lost.
            pass

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.queues}>"
