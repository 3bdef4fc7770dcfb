"""The life of a channel: opened, closed by us or by the broker, lost with its connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import amqp  # type: ignore[import-untyped]
from amqp import spec
from amqp.exceptions import ChannelError as TheirChannelError  # type: ignore[import-untyped]

from kombu.exceptions import KombuError
from kombu.transport.base import StdChannel

from ..consume.consuming import Consuming
from ..consume.message import Message
from ..errors import RecoverableConnectionError, for_code
from ..publish.publisher import Publisher
from ..wire.calls import Calls
from .reopening import Reopening
from .staleness import Origin

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..errors import StaleDelivery
    from ..publish.outbox import Outbox

__all__ = ("BaseChannel",)

#: What may be sent on a channel that is not open (yet, or any more).
_OPENING = (spec.Channel.Open, spec.Channel.Close, spec.Channel.CloseOk)


class BaseChannel(Calls, amqp.Channel, StdChannel):  # type: ignore[misc]
    """What all methods of a channel stand on: its halves, and its beginning and end."""

    Message = Message
    takes_envelopes = True

    #: Theirs.
    events: Any
    callbacks: dict[str, Any]
    cancel_callbacks: dict[str, Any]
    no_ack_consumers: Any
    is_open: bool

    def __init__(
        self,
        connection: Any,
        channel_id: int | None = None,
        auto_decode: bool = True,
        on_open: Any = None,
    ) -> None:
        self._begin_calls()
        #: Changes when messages that came before can't be answered any more.
        self.generation = 1
        self.reopening = Reopening(self)
        self.publisher = Publisher(self)
        self.consuming = Consuming(self)
        #: Where windowed messages go that are not confirmed when the channel ends; kept beside the
        #: connection, which the channel forgets when it is lost.
        self.outbox: Outbox | None = connection.outbox
        super().__init__(connection, channel_id, auto_decode, on_open)
        #: What tells of deliveries that are answered too late.
        self.origin = Origin(self.channel_id or 0, connection.generation, connection.generations)

    def send_method(self, sig: Any, *args: Any, **kwargs: Any) -> Any:
        """See `Calls.send_method`; a channel that the broker closed is opened again."""
        if not self.is_open and sig not in _OPENING and self.connection is not None:
            self.reopening.open_for(sig)
        return super().send_method(sig, *args, **kwargs)

    def opened(self) -> None:
        """Open the channel again where the broker closed it."""
        if not self.is_open and self.connection is not None:
            self.reopening.open_for(spec.Basic.Publish)

    def stale(self, delivery_tag: int | None = None, came: int | None = None) -> StaleDelivery:
        """The error of an answer to a delivery of an earlier channel or connection."""
        if self.connection is None:
            return self.origin.gone(delivery_tag)
        return self.origin.stale(delivery_tag, came, self.generation)

    def limit_prefetch(self, limits: tuple[int, int, bool]) -> None:
        """Have the broker bound what may be unanswered: size, count, whether for the channel."""
        super().send_method(spec.Basic.Qos, "lBb", limits, wait=spec.Basic.QosOk)

    def later(self, event: Callable[[], Any] | None) -> None:
        """Have `Connection.drain_events` do something."""
        connection = self.connection
        if connection is not None and event is not None:
            connection.incoming.events.append(event)

    def give_back_overdue(self, now: float, limit: float) -> int:
        """See `Consuming.give_back_overdue`."""
        return self.consuming.give_back_overdue(now, limit) if self.is_open else 0

    # -- ending ------------------------------------------------------------------------------

    def _on_close(self, reply_code: int, reply_text: str, class_id: int, method_id: int) -> None:
        if not self.is_open:
            # RabbitMQ says so with each tick of its clock until it has our answer: one is enough,
            # and a second one would be of a channel that is not there.
            return
        super().send_method(spec.Channel.CloseOk)
        self.is_open = False
        self.generation += 1
        self.consuming.forget_deliveries()
        method = (class_id, method_id)
        error = for_code(reply_code, reply_text, method, TheirChannelError)
        # Those in the window go out again with the next use; which one it was turns out then.
        culprit = method == spec.Basic.Publish
        ledger = self.publisher.ledger
        told = ledger.lost(error, None, culprit=culprit)
        told = super().fail_calls(error) or told or (culprit and bool(ledger.unsent))
        self.reopening.closed(error, told=told)

    def fail_calls(self, error: BaseException) -> bool:
        """No answers and no confirms will come; returns whether somebody was told."""
        told = self.publisher.ledger.lost(error, self.outbox)
        return super().fail_calls(error) or told

    def collect(self) -> None:
        """Let go of the channel without talking to the broker."""
        connection = self.connection
        if connection is None or connection.lost is None:
            error = RecoverableConnectionError("the channel was closed")
        else:
            error = connection.gone()
        super().collect()
        self.publisher.ledger.lost(error, self.outbox)
        self.consuming.clear()

    def forked(self) -> None:
        """In the child of a fork: the channel stays the parent's."""
        self._begin_calls()
        self.publisher = Publisher(self)
        self.reopening = Reopening(self)
        self.is_open = False
        self.connection = None

    def close(
        self,
        reply_code: int = 0,
        reply_text: str = "",
        method_sig: tuple[int, int] = (0, 0),
        argsig: str = "BsBB",
    ) -> None:
        """Close the channel; the broker gives out again what was not answered."""
        connection = self.connection
        if connection is None or connection.channels is None:
            self.connection = None
            return
        if not self.is_open:
            self.collect()
            return
        unconfirmed: BaseException | None = None
        try:
            self.publisher.flush()
        except (OSError, KombuError) as exc:
            # Told when the channel is closed: what is not confirmed goes out on the next one.
            unconfirmed = exc
        if self.connection is None or not self.is_open:
            self.collect()
            raise unconfirmed or connection.gone()
        self.is_closing = True
        self.consuming.forget_deliveries()
        try:
            self.send_method(
                spec.Channel.Close,
                argsig,
                (reply_code, reply_text, *method_sig),
                wait=spec.Channel.CloseOk,
            )
        except TimeoutError:
            # Its number stays taken: the answer may still come.
            self.connection = None
            raise
        if unconfirmed is not None:
            raise unconfirmed

    @property
    def closed(self) -> bool:
        """Whether the channel was closed, by us or with its connection."""
        return self.connection is None
