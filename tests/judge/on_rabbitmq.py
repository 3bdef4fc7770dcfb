"""RabbitMQ, spoken to through py-amqp."""

from __future__ import annotations

import contextlib
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Any

import amqp  # type: ignore[import-untyped]

from .protocol import Broker, Channel, Declared, Got, Refused

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ("RabbitMQ",)

#: RabbitMQ's own basic.nack: (class id, method id), and its fields (delivery tag and two bits).
_NACK = (60, 120)

_TIMEOUT = 10.0


class RabbitMQ:
    """A running RabbitMQ.

    Args:
        address: Host and port.
    """

    name = "rabbitmq"

    def __init__(self, address: str) -> None:
        self._address = address

    def connect(self) -> Broker:
        """Open a connection of its own."""
        return _Connection(self._address)


class _Connection:
    def __init__(self, address: str) -> None:
        self._connection = amqp.Connection(
            address, confirm_publish=True, connect_timeout=_TIMEOUT, read_timeout=_TIMEOUT
        )
        self._connection.connect()

    def channel(self) -> Channel:
        return _Channel(self._connection)

    def close(self) -> None:
        self._connection.close()


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except amqp.exceptions.MessageNacked:
        raise Refused(0) from None
    except amqp.exceptions.AMQPError as error:
        raise Refused(error.reply_code) from error


class _Channel:
    def __init__(self, connection: amqp.Connection) -> None:
        self._connection = connection
        self._channel = connection.channel()
        self._channel.events["basic_return"].add(self._on_return)
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
                name, type, passive, durable, auto_delete, arguments=arguments
            )

    def delete_exchange(self, name: str, *, if_unused: bool = False) -> None:
        with _refusals():
            self._channel.exchange_delete(name, if_unused)

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
                    name, passive, durable, exclusive, auto_delete, arguments=arguments
                )
            )

    def delete_queue(self, name: str, *, if_unused: bool = False, if_empty: bool = False) -> int:
        with _refusals():
            deleted: int = self._channel.queue_delete(name, if_unused, if_empty)
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
        properties: dict[str, Any] = {}
        if headers is not None:
            properties["application_headers"] = dict(headers)
        if expiration is not None:
            properties["expiration"] = str(expiration)
        if priority is not None:
            properties["priority"] = priority
        if correlation_id is not None:
            properties["correlation_id"] = correlation_id
        message = amqp.Message(body.encode(), **properties)
        with _refusals():
            self._channel.basic_publish(
                message, exchange, key, mandatory=mandatory, confirm_timeout=_TIMEOUT
            )

    def get(self, queue: str, *, no_ack: bool = False) -> Got | None:
        with _refusals():
            message = self._channel.basic_get(queue, no_ack)
        return None if message is None else _got(message)

    def consume(self, queue: str, tag: str = "", *, no_ack: bool = False) -> str:
        with _refusals():
            used: str = self._channel.basic_consume(
                queue,
                tag,
                no_ack=no_ack,
                callback=lambda message: self._inbox.append(_got(message)),
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
            with _refusals():
                self._connection.drain_events(timeout=max(left, 0.001))
        except TimeoutError:
            return True
        return left <= 0

    def ack(self, tag: int, *, multiple: bool = False) -> None:
        with _refusals():
            self._channel.basic_ack(tag, multiple)
            self._synchronize()

    def nack(self, tag: int, *, multiple: bool = False, requeue: bool = True) -> None:
        with _refusals():
            self._channel.send_method(_NACK, "Lbb", (tag, multiple, requeue))
            self._synchronize()

    def reject(self, tag: int, *, requeue: bool) -> None:
        with _refusals():
            self._channel.basic_reject(tag, requeue)
            self._synchronize()

    def _synchronize(self) -> None:
        """Wait for the answer to anything, after which what was sent before has been handled."""
        self._channel.exchange_declare("amq.direct", "direct", passive=True)

    def recover(self) -> None:
        with _refusals():
            self._channel.basic_recover(requeue=True)

    def qos(self, count: int, *, per_channel: bool = False) -> None:
        with _refusals():
            self._channel.basic_qos(0, count, per_channel)

    def close(self) -> None:
        self._channel.close()

    def _on_return(
        self, error: Exception, exchange: str, routing_key: str, message: amqp.Message
    ) -> None:
        self.returned.append(Got(_text(message), exchange, routing_key))


def _got(message: amqp.Message) -> Got:
    info, properties = message.delivery_info, message.properties
    return Got(
        body=_text(message),
        exchange=info.get("exchange", ""),
        key=info.get("routing_key", ""),
        headers=dict(properties.get("application_headers") or {}),
        expiration=properties.get("expiration"),
        priority=properties.get("priority"),
        correlation_id=properties.get("correlation_id"),
        redelivered=bool(info.get("redelivered")),
        tag=info.get("delivery_tag", 0),
        consumer=info.get("consumer_tag", ""),
    )


def _text(message: amqp.Message) -> str:
    body = message.body
    return body if isinstance(body, str) else bytes(body).decode()
