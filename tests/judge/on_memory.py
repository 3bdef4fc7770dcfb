"""The memory transport, through `kombu.Connection` and its channels."""

from __future__ import annotations

import contextlib
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Any

from kombu import Connection, Producer
from kombu.exceptions import ChannelError, PublishRefused

from .protocol import Broker, Channel, Declared, Got, Refused

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ("Memory",)

#: Where the body of a message says what it is: as it is, in bytes.
_PLAIN = {"content_type": "application/data", "content_encoding": "binary"}


#: Headers that RabbitMQ does not have: docs/differences.md.
_OURS = ("x-first-seen", "x-deliveries")


class Memory:
    """A store within this process.

    Args:
        url: Which store it is.
    """

    name = "memory"

    def __init__(self, url: str) -> None:
        self._url = url

    def connect(self) -> Broker:
        """Open a connection of its own."""
        return _Connection(self._url)


class _Connection:
    def __init__(self, url: str) -> None:
        # As strict as RabbitMQ: what is let pass without it is in docs/differences.md.
        self._connection = Connection(url, transport_options={"strict": True})
        self._connection.connect()

    def channel(self) -> Channel:
        return _Channel(self._connection)

    def close(self) -> None:
        self._connection.close()


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except ChannelError as error:
        raise Refused(error.reply_code) from error


class _Channel:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._channel = connection.channel()
        self._producer = Producer(self._channel, on_return=self._on_return)
        self._inbox: deque[Got] = deque()
        self.returned: list[Got] = []
        self.cancelled: list[str] = []

    def declare_exchange(
        self,
        name: str,
        type: str = "direct",
        *,
        passive: bool = False,
        durable: bool = False,
        auto_delete: bool = False,
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        with _refusals():
            self._channel.exchange_declare(
                exchange=name,
                type=type,
                passive=passive,
                durable=durable,
                auto_delete=auto_delete,
                arguments=arguments,
            )

    def delete_exchange(self, name: str, *, if_unused: bool = False) -> None:
        with _refusals():
            self._channel.exchange_delete(name, if_unused=if_unused)

    def bind_exchange(
        self,
        destination: str,
        source: str,
        key: str = "",
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        with _refusals():
            self._channel.exchange_bind(destination, source, key, arguments=arguments)

    def unbind_exchange(
        self,
        destination: str,
        source: str,
        key: str = "",
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        with _refusals():
            self._channel.exchange_unbind(destination, source, key, arguments=arguments)

    def declare_queue(
        self,
        name: str = "",
        *,
        passive: bool = False,
        durable: bool = False,
        exclusive: bool = False,
        auto_delete: bool = False,
        arguments: Mapping[str, Any] | None = None,
    ) -> Declared:
        with _refusals():
            return Declared(
                *self._channel.queue_declare(
                    queue=name,
                    passive=passive,
                    durable=durable,
                    exclusive=exclusive,
                    auto_delete=auto_delete,
                    arguments=arguments,
                )
            )

    def delete_queue(self, name: str, *, if_unused: bool = False, if_empty: bool = False) -> int:
        with _refusals():
            deleted: int = self._channel.queue_delete(name, if_unused=if_unused, if_empty=if_empty)
            return deleted

    def purge(self, name: str) -> int:
        with _refusals():
            purged: int = self._channel.queue_purge(name)
            return purged

    def bind(
        self, queue: str, exchange: str, key: str = "", arguments: Mapping[str, Any] | None = None
    ) -> None:
        with _refusals():
            self._channel.queue_bind(queue, exchange, key, arguments=arguments)

    def unbind(
        self, queue: str, exchange: str, key: str = "", arguments: Mapping[str, Any] | None = None
    ) -> None:
        with _refusals():
            self._channel.queue_unbind(queue, exchange, key, arguments=arguments)

    def publish(
        self,
        body: str,
        key: str = "",
        exchange: str = "",
        *,
        headers: Mapping[str, Any] | None = None,
        mandatory: bool = False,
        expiration: int | None = None,
        priority: int | None = None,
        correlation_id: str | None = None,
    ) -> None:
        options: dict[str, Any] = dict(_PLAIN)
        if correlation_id is not None:
            options["correlation_id"] = correlation_id
        if priority is not None:
            options["priority"] = priority
        if expiration is not None:
            options["expiration"] = expiration / 1000
        try:
            self._producer.publish(
                body.encode(),
                exchange=exchange,
                routing_key=key,
                headers=dict(headers or {}),
                mandatory=mandatory,
                **options,
            )
        except ChannelError as error:
            # A queue that takes no more is no channel error on RabbitMQ but a basic.nack, which has
            # no reply code; whatever else is refused has the same one on both sides.
            raise Refused(0 if isinstance(error, PublishRefused) else error.reply_code) from error

    def get(self, queue: str, *, no_ack: bool = False) -> Got | None:
        with _refusals():
            message = self._channel.basic_get(queue, no_ack=no_ack)
        return None if message is None else _got(message)

    def consume(self, queue: str, tag: str = "", *, no_ack: bool = False) -> str:
        def on_message(message: Any) -> None:
            self._inbox.append(_got(message, used))

        with _refusals():
            used: str = self._channel.basic_consume(
                queue,
                no_ack=no_ack,
                callback=on_message,
                consumer_tag=tag,
                on_cancel=self.cancelled.append,
            )
            return used

    def cancel(self, tag: str) -> None:
        with _refusals():
            self._channel.basic_cancel(tag)

    def receive(self, seconds: float) -> Got | None:
        deadline = monotonic() + seconds
        while not self._inbox and not self._wait(deadline):
            pass
        return self._inbox.popleft() if self._inbox else None

    def _wait(self, deadline: float) -> bool:
        """Handle what the broker says next; return whether the time is over."""
        left = deadline - monotonic()
        try:
            self._connection.drain_events(timeout=max(left, 0.001))
        except TimeoutError:
            return True
        return left <= 0

    def ack(self, tag: int, *, multiple: bool = False) -> None:
        with _refusals():
            self._channel.basic_ack(tag, multiple)

    def nack(self, tag: int, *, multiple: bool = False, requeue: bool = True) -> None:
        with _refusals():
            self._channel.basic_nack(tag, multiple, requeue)

    def reject(self, tag: int, *, requeue: bool) -> None:
        with _refusals():
            self._channel.basic_reject(tag, requeue)

    def recover(self) -> None:
        with _refusals():
            self._channel.basic_recover(requeue=True)

    def qos(self, count: int, *, per_channel: bool = False) -> None:
        with _refusals():
            self._channel.basic_qos(0, count, per_channel)

    def close(self) -> None:
        self._channel.close()

    def _on_return(self, error: Exception, exchange: str, routing_key: str, message: Any) -> None:
        self.returned.append(Got(_text(message), exchange, routing_key))


def _got(message: Any, consumer: str = "") -> Got:
    info, properties = message.delivery_info, message.properties
    return Got(
        body=_text(message),
        exchange=info["exchange"],
        key=info["routing_key"],
        headers={k: v for k, v in message.headers.items() if k not in _OURS},
        expiration=properties.get("expiration"),
        priority=properties.get("priority"),
        correlation_id=properties.get("correlation_id"),
        redelivered=info["redelivered"],
        tag=message.delivery_tag,
        consumer=consumer,
    )


def _text(message: Any) -> str:
    body = message.body
    return body if isinstance(body, str) else bytes(body).decode()
