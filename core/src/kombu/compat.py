"""The interface of Carrot, the library before this one.

`Publisher` is `kombu.Producer`, `Consumer` and `ConsumerSet` are `kombu.Consumer`, with the
declarations spelled out as arguments.  New programs use those.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from kombu import messaging
from kombu.entity import Exchange, Queue
from kombu.utils.deadlines import bounded, own_time, within

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

__all__ = ("Consumer", "ConsumerSet", "Publisher")


def _events(
    connection: Any, consumer: Any, no_ack: bool | None, limit: int | None
) -> Iterator[Any]:
    consumer.consume(no_ack=no_ack)
    for _ in range(limit) if limit else count():
        yield connection.drain_events()


class Publisher(messaging.Producer):
    """A producer with a channel and a default exchange of its own.

    Args:
        connection: The connection.
        exchange: Name of the exchange, or an `Exchange`, for which the rest is not used.
        routing_key: Default routing key.
        exchange_type: Type of the exchange.
        durable: Whether it survives a restart of the broker.
        auto_delete: Whether it goes with the last queue that is bound to it.
        channel: Channel to use; a new one by default, which `close` closes.
        **kwargs: Further arguments of `kombu.Producer`.
    """

    exchange: Any = ""
    exchange_type: str = "direct"
    durable: bool = True
    auto_delete: bool = False

    def __init__(
        self,
        connection: Any,
        exchange: Exchange | str | None = None,
        routing_key: str | None = None,
        exchange_type: str | None = None,
        durable: bool | None = None,
        auto_delete: bool | None = None,
        channel: Any = None,
        **kwargs: Any,
    ) -> None:
        self._own_channel = channel is None
        named = exchange or self.exchange
        self.exchange_type = exchange_type or self.exchange_type
        if durable is not None:
            self.durable = durable
        if auto_delete is not None:
            self.auto_delete = auto_delete
        if not isinstance(named, Exchange):
            named = Exchange(
                named,
                type=self.exchange_type,
                durable=self.durable,
                auto_delete=self.auto_delete,
            )
        use = connection.channel() if channel is None else channel
        super().__init__(use, named, routing_key, **kwargs)

    @property
    def backend(self) -> Any:
        """The channel, by its old name."""
        return self.channel

    def send(self, *args: Any, **kwargs: Any) -> Any:
        """Publish, by its old name: arguments are those of `kombu.Producer.publish`."""
        return self.publish(*args, **kwargs)

    def close(self, *, timeout: float | None = None) -> None:
        """Close the channel, if it is our own.

        Args:
            timeout: Seconds that it may take; `None`: the ``operation_timeout``.
        """
        if self._own_channel:
            with within(own_time(self.channel, timeout)):
                self.channel.close()

    def __exit__(self, *exc_info: object) -> None:
        self.close()


class _Carrot(messaging.Consumer):
    """What both consumers share: a channel of their own, and loops."""

    def __init__(self, connection: Any, queues: Any, channel: Any = None, **kwargs: Any) -> None:
        self._carrot = connection
        self._own_channel = channel is None
        use = connection.channel() if channel is None else channel
        super().__init__(use, queues, **kwargs)

    @bounded
    def revive(self, channel: Any, *, timeout: float | None = None) -> None:
        """Go on with another channel, after the connection was lost."""
        self._own_channel = False
        super().revive(channel)

    @bounded
    def close(self, *, timeout: float | None = None) -> None:
        """Stop consuming, and close the channel, if it is our own."""
        self.cancel()
        if self._own_channel:
            self.channel.close()

    def __exit__(self, *exc_info: object) -> None:
        self.close()


class Consumer(_Carrot):
    """A consumer of one queue.

    Args:
        connection: The connection.
        queue: Name of the queue.
        exchange: Name of the exchange that it is bound to.
        routing_key: The binding key.
        exchange_type: Type of the exchange.
        durable: Whether queue and exchange survive a restart of the broker.
        exclusive: Whether the queue is for this connection only; it then goes with its consumer.
        auto_delete: Whether queue and exchange go when nobody uses them any more.
        **kwargs: Further arguments of `kombu.Consumer`.
    """

    queue: str = ""
    exchange: str = ""
    routing_key: str = ""
    exchange_type: str = "direct"
    durable: bool = True
    exclusive: bool = False
    auto_delete: bool = False

    def __init__(
        self,
        connection: Any,
        queue: str | None = None,
        exchange: str | None = None,
        routing_key: str | None = None,
        exchange_type: str | None = None,
        durable: bool | None = None,
        exclusive: bool | None = None,
        auto_delete: bool | None = None,
        **kwargs: Any,
    ) -> None:
        given: dict[str, Any] = {
            "queue": queue,
            "exchange": exchange,
            "routing_key": routing_key,
            "exchange_type": exchange_type,
            "durable": durable,
            "exclusive": exclusive,
            "auto_delete": auto_delete,
        }
        for name, value in given.items():
            if value is not None:
                setattr(self, name, value)
        target = Exchange(
            self.exchange,
            type=self.exchange_type,
            durable=self.durable,
            auto_delete=self.auto_delete,
        )
        declared = Queue(
            self.queue,
            exchange=target,
            routing_key=self.routing_key,
            durable=self.durable,
            exclusive=self.exclusive,
            auto_delete=self.auto_delete or self.exclusive,
        )
        super().__init__(connection, [declared], **kwargs)

    @bounded
    def fetch(
        self,
        no_ack: bool | None = None,
        enable_callbacks: bool = False,
        *,
        timeout: float | None = None,
    ) -> Any:
        """Take one message, `None` where there is none ready.

        Args:
            no_ack: Take it without acknowledgement.
            enable_callbacks: Call the callbacks with it, too.
            timeout: Seconds that it may take; `None`: the ``operation_timeout``.
        """
        message = self.queues[0].get(no_ack=no_ack, accept=self.accept)
        if message is not None and enable_callbacks:
            self.receive(message.payload, message)
        return message

    def iterconsume(self, limit: int | None = None, no_ack: bool | None = None) -> Iterator[Any]:
        """Consume, and yield after each event.

        Args:
            limit: How many events to wait for; `None`: for ever.
            no_ack: Receive without acknowledgement.
        """
        return _events(self._carrot, self, no_ack, limit)

    def wait(self, limit: int | None = None) -> list[Any]:
        """Consume until so many events came."""
        return list(self.iterconsume(limit))

    def iterqueue(self, limit: int | None = None, infinite: bool = False) -> Iterator[Any]:
        """Iterate over the messages that are ready.

        Args:
            limit: The most to take; `None`: all.
            infinite: Go on when there are none, and yield `None` then.
        """
        for _ in range(limit) if limit else count():
            message = self.fetch()
            if message is None and not infinite:
                return
            yield message

    def __iter__(self) -> Iterator[Any]:
        return self.iterqueue(infinite=True)

    def process_next(self) -> None:
        """Not there any more.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError("Use fetch(enable_callbacks=True)")

    @bounded
    def discard_all(
        self, filterfunc: Callable[[Any], bool] | None = None, *, timeout: float | None = None
    ) -> int:
        """Drop the ready messages; returns how many there were.

        Raises:
            NotImplementedError: A filter was given.
        """
        if filterfunc is not None:
            raise NotImplementedError("discard_all does not implement filters: use iterqueue()")
        return self.purge()


class ConsumerSet(_Carrot):
    """A consumer of several queues.

    Args:
        connection: The connection.
        from_dict: Queues by name, each with the arguments of `kombu.Queue.from_dict`.
        consumers: `Consumer` s whose queues are taken over.
        channel: Channel to use; a new one by default, which `close` closes.
        **kwargs: Further arguments of `kombu.Consumer`.
    """

    def __init__(
        self,
        connection: Any,
        from_dict: Mapping[str, Mapping[str, Any]] | None = None,
        consumers: Iterable[Consumer] | None = None,
        channel: Any = None,
        **kwargs: Any,
    ) -> None:
        queues = [queue for consumer in consumers or () for queue in consumer.queues]
        for name, options in (from_dict or {}).items():
            queues.append(Queue.from_dict(name, **options))
        super().__init__(connection, queues, channel, **kwargs)

    def iterconsume(self, limit: int | None = None, no_ack: bool = False) -> Iterator[Any]:
        """Consume, and yield after each event.

        Args:
            limit: How many events to wait for; `None`: for ever.
            no_ack: Receive without acknowledgement.
        """
        return _events(self._carrot, self, no_ack, limit)

    @bounded
    def discard_all(self, *, timeout: float | None = None) -> int:
        """Drop the ready messages of all queues; returns how many there were."""
        return self.purge()

    @bounded
    def add_consumer_from_dict(
        self, queue: str, *, timeout: float | None = None, **options: Any
    ) -> Queue:
        """Add a queue by name and the arguments of `kombu.Queue.from_dict`; returns it."""
        return self.add_queue(Queue.from_dict(queue, **options))

    @bounded
    def add_consumer(self, consumer: Consumer, *, timeout: float | None = None) -> None:
        """Take over the queues of a consumer."""
        for queue in consumer.queues:
            self.add_queue(queue)
