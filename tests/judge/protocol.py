"""What a rule may ask of either side, in AMQP's words."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ("Broker", "Channel", "Declared", "Got", "Refused", "Side", "refused")


class Refused(Exception):
    """The broker said no: ``code`` is AMQP's reply code, 0 for a message that it would not take."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@contextlib.contextmanager
def refused(code: int) -> Iterator[None]:
    """What happens within is to be refused with `code`."""
    with pytest.raises(Refused) as caught:
        yield
    assert caught.value.code == code


class Declared(NamedTuple):
    """The answer to a declaration of a queue."""

    name: str
    messages: int
    consumers: int


@dataclass
class Got:
    """A message that was received, or returned (then without a tag)."""

    body: str
    exchange: str
    key: str
    headers: dict[str, Any] = field(default_factory=dict)
    #: Milliseconds in text, as AMQP has it; `None` where there is none.
    expiration: str | None = None
    #: `None` where the publisher gave none, which counts as 0.
    priority: int | None = None
    correlation_id: str | None = None
    redelivered: bool = False
    tag: int = 0
    #: The tag of the consumer that it came to, `""` for what was asked for with `Channel.get`.
    consumer: str = ""


class Channel(Protocol):
    """A channel.  After a refusal a rule goes on with another one: RabbitMQ closes it."""

    #: Mandatory messages that fitted no queue.
    returned: list[Got]
    #: Tags of the consumers that the broker has cancelled.
    cancelled: list[str]

    def declare_exchange(
        self,
        name: str,
        type: str = "direct",
        *,
        passive: bool = False,
        durable: bool = False,
        auto_delete: bool = False,
        arguments: Mapping[str, Any] | None = None,
    ) -> None: ...

    def delete_exchange(self, name: str, *, if_unused: bool = False) -> None: ...

    def bind_exchange(
        self,
        destination: str,
        source: str,
        key: str = "",
        arguments: Mapping[str, Any] | None = None,
    ) -> None: ...

    def unbind_exchange(
        self,
        destination: str,
        source: str,
        key: str = "",
        arguments: Mapping[str, Any] | None = None,
    ) -> None: ...

    def declare_queue(
        self,
        name: str = "",
        *,
        passive: bool = False,
        durable: bool = False,
        exclusive: bool = False,
        auto_delete: bool = False,
        arguments: Mapping[str, Any] | None = None,
    ) -> Declared: ...

    def delete_queue(self, name: str, *, if_unused: bool = False, if_empty: bool = False) -> int:
        """Delete a queue; returns how many ready messages went with it."""

    def purge(self, name: str) -> int:
        """Drop the ready messages; returns how many."""

    def bind(
        self, queue: str, exchange: str, key: str = "", arguments: Mapping[str, Any] | None = None
    ) -> None: ...

    def unbind(
        self, queue: str, exchange: str, key: str = "", arguments: Mapping[str, Any] | None = None
    ) -> None: ...

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
        """Publish, and wait until the broker has the message.

        `expiration` is in milliseconds.  Raises `Refused` where a queue would not take it.
        """

    def get(self, queue: str, *, no_ack: bool = False) -> Got | None:
        """Take one message, `None` where there is none ready (basic.get)."""

    def consume(self, queue: str, tag: str = "", *, no_ack: bool = False) -> str: ...

    def cancel(self, tag: str) -> None: ...

    def receive(self, seconds: float) -> Got | None:
        """The next delivery to a consumer of this channel, `None` where none came in time."""

    def ack(self, tag: int, *, multiple: bool = False) -> None: ...

    def nack(self, tag: int, *, multiple: bool = False, requeue: bool = True) -> None: ...

    def reject(self, tag: int, *, requeue: bool) -> None: ...

    def recover(self) -> None:
        """basic.recover with requeue=true."""

    def qos(self, count: int, *, per_channel: bool = False) -> None: ...

    def close(self) -> None: ...


class Broker(Protocol):
    """A connection."""

    def channel(self) -> Channel: ...

    def close(self) -> None: ...


class Side(Protocol):
    """A broker that can be connected to."""

    name: str

    def connect(self) -> Broker: ...
