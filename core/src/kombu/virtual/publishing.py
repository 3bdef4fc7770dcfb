"""Publishing what asks for more than to be put where its route leads.

Most messages never come here: ``Channel.basic_publish`` puts them by itself.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from kombu.exceptions import ChannelError, DecodeError, UndeliverableError
from kombu.transport.backend import QueueSpec

from . import refusals
from .arguments import milliseconds
from .envelope import from_payload
from .spi import undeliverable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kombu.transport.backend import Envelope, Session

    from .declarations import Declarations
    from .transport import Transport

    Route = tuple[Callable[[Envelope], bool | None], ...]

__all__ = ("DELAY", "Publisher", "to_envelope")

#: Header of a message that is to be delivered later, in milliseconds (as RabbitMQ's plugin for
#: delayed messages has it).
DELAY = "x-delay"


class Publisher:
    """Publishes for one channel what expires, is delayed, mandatory or unroutable.

    Args:
        channel: The channel, for its ``basic_return`` handlers and its ``deadletter_queue``.
        transport: Its connection.
        session: Where messages are put.
        declarations: What the connections of the store declared.
    """

    def __init__(
        self, channel: Any, transport: Transport, session: Session, declarations: Declarations
    ) -> None:
        self._channel = channel
        self._transport = transport
        self._session = session
        self._declarations = declarations

    def carefully(self, envelope: Envelope, route: Route, mandatory: bool) -> None:
        """The way of the messages that ask for more, or that fit no queue."""
        if mandatory and not self._may_have_queue(envelope):
            # Only for a mandatory message the default exchange looks whether the queue is there:
            # any other creates it, so that nothing is lost (as in 5.7).
            route = ()
        if not route or [put(envelope) for put in route] == [False]:
            self._unroutable(envelope, mandatory)

    def timed(self, envelope: Envelope, route: Route, mandatory: bool) -> None:
        """The way of the messages that expire, or that are to be delivered later."""
        self._set_times(envelope)
        fits = not mandatory or self._may_have_queue(envelope)
        if not fits or not self._transport.routes.send(envelope, self._transport.deadline()):
            self._unroutable(envelope, mandatory)

    def batch(self, messages: Sequence[Envelope]) -> list[tuple[int, Exception]]:
        """Publish messages in one step; returns the positions of those refused, and why."""
        items: list[tuple[str, Envelope]] = []
        positions: list[int] = []
        broadcasting = self._transport.routes.broadcasting
        targets_in_step = self._declarations.targets_in_step
        step: dict[Any, tuple[str, ...]] = {}
        for position, envelope in enumerate(messages):
            self._set_times(envelope)
            if broadcasting is not None and broadcasting.applies(envelope.exchange):
                broadcasting.send(envelope, self._transport.deadline())
                continue
            targets = targets_in_step(
                step, envelope.exchange, envelope.routing_key, envelope.headers
            )
            if not targets:
                self._unroutable(envelope, mandatory=False)
            for queue in targets:
                items.append((queue, envelope))
                positions.append(position)
        refused = self._session.put(items, self._transport.deadline()) if items else ()
        return [(positions[index], error) for index, error in refused]

    def _may_have_queue(self, envelope: Envelope) -> bool:
        """False where the default exchange leads to a queue that is not there."""
        if envelope.exchange:
            return True
        deadline = self._transport.deadline()
        return self._session.find_queue(envelope.routing_key, deadline) is not None

    def _set_times(self, envelope: Envelope) -> None:
        """Work out when a message is to be delivered, and when it expires."""
        headers = envelope.headers
        if "expiration" not in envelope.properties and not (headers and DELAY in headers):
            return
        transport = self._transport
        expiration = envelope.properties.get("expiration")
        delay = headers.pop(DELAY, 0)
        if delay:
            if not transport.capabilities.delay:
                raise refusals.no_delay(transport.driver_name, "Basic.publish")
            envelope.not_before = transport.now() + milliseconds(DELAY, delay)
        if expiration is not None:
            # Counted from when the message enters its queue.
            start = envelope.not_before or transport.now()
            envelope.expires_at = start + milliseconds("expiration", expiration)

    def _unroutable(self, envelope: Envelope, mandatory: bool) -> None:
        exchange, routing_key = envelope.exchange, envelope.routing_key
        channel = self._channel
        if mandatory:
            error = UndeliverableError(exchange, routing_key, envelope)
            handlers = channel.events["basic_return"]
            if not handlers:
                raise error
            for handler in list(handlers):
                handler(error, exchange, routing_key, envelope)
            return
        transport = self._transport
        deadletter_queue = channel.deadletter_queue or transport.options.deadletter_queue
        if deadletter_queue:
            warnings.warn(undeliverable(exchange, routing_key), stacklevel=5)
            deadline = transport.deadline()
            self._session.declare_queue(QueueSpec(deadletter_queue), deadline)
            for rejected in self._session.put([(deadletter_queue, envelope)], deadline):
                raise rejected.error


def to_envelope(message: Any, exchange: str, routing_key: str) -> Envelope:
    """Read what ``prepare_message`` made; raises `ChannelError` where it is something else."""
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
