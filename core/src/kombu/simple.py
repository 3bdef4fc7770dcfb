"""Queues as simple as `queue.Queue`."""

from __future__ import annotations

from collections import deque
from queue import Empty
from time import monotonic
from typing import TYPE_CHECKING, Any, ClassVar

from . import entity, messaging
from .utils.deadlines import GRACE, bounded, operation_timeout

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ("SimpleBase", "SimpleBuffer", "SimpleQueue")


def _connection_of(channel: Any) -> Any:
    """The `kombu.Connection` of a channel, or the connection itself."""
    # Asked of the class: the attribute itself would open a channel.
    if hasattr(type(channel), "default_channel"):
        return channel
    return channel.connection.client


class SimpleBase:
    """A producer and a consumer of one queue.

    Args:
        channel: Channel to use.
        producer: What sends.
        consumer: What receives.
        no_ack: Receive without acknowledgement.
    """

    Empty: ClassVar[type[Exception]] = Empty

    _consuming = False

    def __init__(self, channel: Any, producer: Any, consumer: Any, no_ack: bool = False) -> None:
        self.channel = channel
        self.producer = producer
        self.consumer = consumer
        self.no_ack = no_ack
        self.queue = self.consumer.queues[0]
        self.buffer: deque[Any] = deque()
        # The deque's own method: a function of ours around it would be one more call a message.
        self.consumer.on_message = self.buffer.append
        self._connection = _connection_of(channel)

    def _operation_timeout(self) -> float:
        return operation_timeout(self._connection)

    def __enter__(self) -> Any:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        self.close()

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Take the next message; acknowledge it with ``message.ack()``.

        Args:
            block: Wait for one.
            timeout: Seconds to wait at most; `None`: for ever.

        Raises:
            Empty: There was none (in time).
        """
        if not block:
            return self.get_nowait()
        if not self._consuming:
            timeout = self._start(timeout)
        buffer = self.buffer
        if buffer:
            return buffer.popleft()
        deadline = None if timeout is None else monotonic() + timeout
        remaining = timeout
        while True:
            try:
                self._connection.drain_events(timeout=remaining)
            except TimeoutError:
                raise self.Empty from None
            if buffer:
                return buffer.popleft()
            # The event was for another consumer of the connection.
            if deadline is not None:
                remaining = deadline - monotonic()
                if remaining <= 0:
                    raise self.Empty

    def _start(self, timeout: float | None) -> float | None:
        """Start to consume; returns what is left of the time."""
        began = monotonic()
        within = None if timeout is None else max(timeout, GRACE)
        self.consumer.consume(no_ack=self.no_ack, timeout=within)
        self._consuming = True
        return None if timeout is None else max(began + timeout - monotonic(), 0.0)

    @bounded
    def get_nowait(self, *, timeout: float | None = None) -> Any:
        """Take the next message.

        Raises:
            Empty: There is none.
        """
        if self.buffer:
            return self.buffer.popleft()
        message = self.queue.get(no_ack=self.no_ack, accept=self.consumer.accept)
        if message is None:
            raise self.Empty
        return message

    def put(
        self,
        message: Any,
        serializer: str | None = None,
        headers: dict[str, Any] | None = None,
        compression: str | None = None,
        routing_key: str | None = None,
        *,
        timeout: float | None = None,
        **kwargs: Any,
    ) -> None:
        """Send a message.

        Args:
            message: What to send.
            serializer: Serializer to use.
            headers: Application headers.
            compression: Compression to use.
            routing_key: Routing key to use.
            timeout: Seconds that it may take; `None`: the ``operation_timeout``.
            **kwargs: Further arguments of `Producer.publish`.
        """
        # By position as far as it goes: names and ** cost as much as the rest of the way.
        publish = self.producer.publish
        plain = serializer is None and headers is None and compression is None
        if plain and timeout is None and not kwargs:
            publish(message, routing_key)
        else:
            publish(
                message,
                routing_key,
                serializer=serializer,
                headers=headers,
                compression=compression,
                timeout=timeout,
                **kwargs,
            )

    @bounded
    def clear(self, *, timeout: float | None = None) -> int:
        """Drop the ready messages; returns how many there were."""
        return int(self.consumer.purge())

    @bounded
    def qsize(self, *, timeout: float | None = None) -> int:
        """How many messages are ready."""
        _, size, _ = self.queue.queue_declare(passive=True)
        return int(size)

    @bounded
    def close(self, *, timeout: float | None = None) -> None:
        """Stop receiving."""
        self.consumer.cancel()

    def __len__(self) -> int:
        return self.qsize()

    def __bool__(self) -> bool:
        # An empty queue is not nothing.
        return True


class SimpleQueue(SimpleBase):
    """A persistent queue with acknowledgements.

    Args:
        channel: Channel or connection to use.
        name: Name of the queue, or a `Queue`.
        no_ack: Receive without acknowledgement.
        queue_opts: Further arguments of the `Queue` made for a name.
        queue_args: Its ``queue_arguments``.
        exchange_opts: Further arguments of the `Exchange` made for a name.
        serializer: Serializer to use.
        compression: Compression to use.
        accept: Serializers or content types that may be decoded.
        timeout: Seconds that declaring the queue may take; `None`: the ``operation_timeout``.
    """

    no_ack: bool = False
    queue_opts: ClassVar[dict[str, Any]] = {}
    queue_args: ClassVar[dict[str, Any]] = {}
    exchange_opts: ClassVar[dict[str, Any]] = {"type": "direct"}

    def __init__(
        self,
        channel: Any,
        name: str | entity.Queue,
        no_ack: bool | None = None,
        queue_opts: dict[str, Any] | None = None,
        queue_args: dict[str, Any] | None = None,
        exchange_opts: dict[str, Any] | None = None,
        serializer: str | None = None,
        compression: str | None = None,
        accept: Any = None,
        *,
        timeout: float | None = None,
    ) -> None:
        if no_ack is None:
            no_ack = self.no_ack
        if isinstance(name, entity.Queue):
            queue = name
            exchange = queue.exchange
            routing_key = queue.routing_key
        else:
            routing_key = name
            exchange = entity.Exchange(name, **{**self.exchange_opts, **(exchange_opts or {})})
            queue = entity.Queue(
                name,
                exchange,
                name,
                queue_arguments={**self.queue_args, **(queue_args or {})},
                **{**self.queue_opts, **(queue_opts or {})},
            )
        consumer = messaging.Consumer(channel, queue, accept=accept, timeout=timeout)
        producer = messaging.Producer(
            channel,
            exchange,
            serializer=serializer,
            routing_key=routing_key,
            compression=compression,
        )
        super().__init__(channel, producer, consumer, no_ack)


class SimpleBuffer(SimpleQueue):
    """A transient queue without acknowledgements, which goes with its last consumer."""

    no_ack: bool = True
    queue_opts: ClassVar[dict[str, Any]] = {"durable": False, "auto_delete": True}
    exchange_opts: ClassVar[dict[str, Any]] = {
        "durable": False,
        "delivery_mode": "transient",
        "auto_delete": True,
    }
