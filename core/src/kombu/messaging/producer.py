"""Sending messages."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from kombu import serialization
from kombu.declare import Epoch, maybe_declare
from kombu.entity import Exchange, Queue, maybe_delivery_mode
from kombu.envelope import Envelope, check_serialized, milliseconds
from kombu.exceptions import NotBoundError
from kombu.utils.deadlines import bounded, current, operation_timeout, remaining, within
from kombu.utils.functional import ChannelPromise

from .channels import FirstLook, is_connection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from types import TracebackType

    from kombu.batching import Batch

__all__ = ("Producer",)

PERSISTENT = 2


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
    channel: Any = FirstLook()

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
        if is_connection(channel):
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

    @bounded
    def declare(self, *, timeout: float | None = None) -> None:
        """Declare the default exchange."""
        if self.exchange.name:
            self.exchange.declare(channel=self.channel)

    def maybe_declare(
        self,
        entity: Exchange | Queue | None,
        retry: bool = False,
        *,
        timeout: float | None = None,
        **retry_policy: Any,
    ) -> bool | None:
        """Declare `entity`, unless that was done on this connection; see `kombu.declare`."""
        if entity is None:
            return None
        with within(timeout):
            return maybe_declare(entity, self.channel, retry, **retry_policy)

    def declare_missing(self, entities: Iterable[Any], retry: bool, policy: Any) -> float | None:
        """Declare those of `entities` that were not declared on this connection.

        Returns the deadline (`time.monotonic`) that what follows shares with the declarations;
        `None` where nothing was declared, or the caller has a deadline.
        """
        channel = self.channel
        transport = channel.connection
        seen = () if transport is None else transport.client.declared_entities
        for entity in entities:
            # By identity first: comparing declarations costs more than publishing does.
            if seen and seen.is_known(entity):
                continue
            timeout = self._own_time(retry, policy)
            with within(timeout):
                deadline = None if timeout is None else current.deadline
                self._declare_all(entities, channel, seen, retry, policy)
            return deadline
        return None

    def _declare_all(
        self, entities: Iterable[Any], channel: Any, seen: Any, retry: bool, policy: Any
    ) -> None:
        for entity in entities:
            if not (seen and seen.is_known(entity)):
                maybe_declare(entity, channel, retry, **(policy or {}))
            if entity is self.exchange and seen:
                self._declared_default = (entity, seen.epoch)

    def _own_time(self, retry: bool, policy: dict[str, Any] | None) -> float | None:
        """Seconds of a call that was given none; `None`: for ever, or as the caller says."""
        connection = self.connection
        if connection is None:
            return None
        options = connection.retry_options(policy if retry else None, None)
        timeout: float | None = options["timeout"]
        return timeout

    def _operation_timeout(self) -> float:
        return operation_timeout(self._connection or self.__dict__.get("channel"))

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
            timeout: Seconds that publishing may take altogether: connecting, declaring, sending,
                retries.  `None`: the ``operation_timeout``, and no limit where the policy has
                ``max_retries=None``.
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
            from kombu.compression import compress

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
        if not retry and timeout is None and self._promise is None:
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
                None,
                confirm_timeout,
            )
        arguments = (
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
            retry,
            retry_policy,
        )
        if timeout is None and self._promise is None:
            return self._publish_again_if_lost(retry_policy, arguments)
        return self._publish_within(timeout, retry, retry_policy, arguments)

    def _publish_within(
        self,
        timeout: float | None,
        retry: bool,
        policy: dict[str, Any] | None,
        arguments: tuple[Any, ...],
    ) -> Any:
        """The way of the messages that have a time of their own, or that open the channel."""
        with within(self._own_time(retry, policy) if timeout is None else timeout):
            connection = self._connection
            if self._promise is not None and connection is not None:
                # As the caller wants it tried, who may know better than the options.
                connection.ensure_connection(
                    **connection.retry_options(policy if retry else None, None)
                )
            if retry:
                return self._publish_again_if_lost(policy, arguments)
            return self._publish(*arguments)

    def _publish_again_if_lost(
        self, policy: dict[str, Any] | None, arguments: tuple[Any, ...]
    ) -> Any:
        # Nothing of the machinery for retries is made before something went wrong.
        began = monotonic()
        try:
            return self._publish(*arguments)
        except Exception as exc:
            connection = self.connection
            if connection is None:
                raise
            timeout = self._own_time(True, policy)
            # What the first attempt took counts, too.
            with within(None if timeout is None else began + timeout - monotonic()):
                retrying = connection.retrying(self, **(policy or {}))
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
            deadline = self.declare_missing(declare, retry, retry_policy)
            if deadline is not None and timeout is None:
                timeout = max(deadline - monotonic(), 0.0)
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
                confirm_timeout,
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
            timeout=timeout if current.deadline is None else remaining(timeout),
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
        from kombu.batching import Batch

        return Batch(self, max_size)

    @bounded
    def flush(self, *, timeout: float | None = None) -> None:
        """Wait until the broker has all that was published; see `Connection.flush`.

        Args:
            timeout: Seconds; `None`: the ``operation_timeout``.
        """
        connection = self.connection
        if connection is not None:
            connection.flush()
        elif self.__dict__.get("channel") is not None:
            self.channel.flush()

    def close(self) -> None:
        """Nothing is held open; kept for its documented name."""

    def release(self, *, timeout: float | None = None) -> None:
        """Give the producer back, where it came from a pool; see `Resource.release`."""

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
