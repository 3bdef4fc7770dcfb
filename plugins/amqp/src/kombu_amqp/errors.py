"""The errors of this transport: each is one of `kombu.exceptions` and one of py-amqp's.

So ``except kombu.exceptions.ChannelError`` catches them, and ``except amqp.NotFound`` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import amqp.exceptions as theirs  # type: ignore[import-untyped]

from kombu import exceptions as ours

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = (
    "AccessRefused",
    "AckTimeout",
    "Blocked",
    "ChannelError",
    "ConnectionError",
    "ConnectionForced",
    "ConsumerCancelled",
    "EarlierRefused",
    "MessageNacked",
    "MessageReturned",
    "NotFound",
    "NotImplementedByBroker",
    "OutcomeUnknown",
    "PreconditionFailed",
    "RecoverableChannelError",
    "RecoverableConnectionError",
    "ResourceError",
    "ResourceLocked",
    "StaleConnectionDelivery",
    "StaleDelivery",
    "both",
    "for_code",
)


class _Numbered:
    """Sets the attributes of both families, once."""

    code: int = 0

    def __init__(
        self,
        reply_text: str | None = None,
        method_sig: Any = None,
        method_name: str | None = None,
        reply_code: int | None = None,
    ) -> None:
        # Theirs does not go on to the next class, whose arguments are others.
        theirs.AMQPError.__init__(self, reply_text, method_sig, method_name, reply_code)


class _NotTheirs:
    """Stands between the families where ours has arguments that theirs does not know."""

    def __init__(self, *args: Any) -> None:
        Exception.__init__(self, *args)  # type: ignore[arg-type]


class ConnectionError(_Numbered, ours.ConnectionError, theirs.ConnectionError):  # type: ignore[misc]  # noqa: A001
    """The connection failed, or the broker closed it."""


class RecoverableConnectionError(
    _Numbered,
    ours.RecoverableConnectionError,
    theirs.RecoverableConnectionError,  # type: ignore[misc]
):
    """The connection is gone; a new one may work."""


class IrrecoverableConnectionError(
    _Numbered,
    ours.ConnectionError,
    theirs.IrrecoverableConnectionError,  # type: ignore[misc]
):
    """The connection is gone, and a new one would go the same way."""


class OutcomeUnknown(RecoverableConnectionError):
    """The connection was lost before the broker confirmed a message: it may have it or not."""


class Blocked(RecoverableConnectionError, theirs.Blocked):  # type: ignore[misc]
    """The broker takes no messages for now (an alarm of memory or disk); nothing was sent."""


class ConnectionForced(
    _Numbered,
    ours.RecoverableConnectionError,
    theirs.ConnectionForced,  # type: ignore[misc]
):
    """The broker, or a missing heartbeat, ended the connection."""

    code = 320


class InvalidPath(_Numbered, ours.ConnectionError, theirs.InvalidPath):  # type: ignore[misc]
    """There is no such virtual host."""

    code = 402


class FrameError(_Numbered, ours.ConnectionError, theirs.FrameError):  # type: ignore[misc]
    """A frame could not be read."""

    code = 501


class FrameSyntaxError(_Numbered, ours.ConnectionError, theirs.FrameSyntaxError):  # type: ignore[misc]
    """A frame has values that can't be."""

    code = 502


class InvalidCommand(_Numbered, ours.ConnectionError, theirs.InvalidCommand):  # type: ignore[misc]
    """A method came that makes no sense now."""

    code = 503


class ChannelNotOpen(_Numbered, ours.ConnectionError, theirs.ChannelNotOpen):  # type: ignore[misc]
    """A method came for a channel that is not open."""

    code = 504


class UnexpectedFrame(_Numbered, ours.ConnectionError, theirs.UnexpectedFrame):  # type: ignore[misc]
    """A frame came where another one was to come."""

    code = 505


class ResourceError(_Numbered, ours.ResourceError, theirs.ResourceError):  # type: ignore[misc]
    """The broker, or the connection's number of channels, is used up."""

    code = 506


class NotAllowed(_Numbered, ours.ConnectionError, theirs.NotAllowed):  # type: ignore[misc]
    """The broker does not allow this, such as a virtual host that is not there."""

    code = 530


class NotImplementedByBroker(
    _Numbered,
    ours.ConnectionError,
    theirs.AMQPNotImplementedError,  # type: ignore[misc]
):
    """The broker can't do this."""

    code = 540


class InternalError(_Numbered, ours.ConnectionError, theirs.InternalError):  # type: ignore[misc]
    """Something in the broker failed."""

    code = 541


class ChannelError(_Numbered, ours.ChannelError, theirs.ChannelError):  # type: ignore[misc]
    """The broker refused an operation and closed the channel; the connection is fine."""


class RecoverableChannelError(
    _Numbered,
    ours.RecoverableChannelError,
    theirs.RecoverableChannelError,  # type: ignore[misc]
):
    """The channel is gone; a new one may work."""


class StaleDelivery(RecoverableChannelError, ours.LeaseLost):
    """An answer to a message that came by an earlier generation of its channel, or connection.

    Nothing was sent: the broker gives the message out again, and what counts is that delivery.
    """


class StaleConnectionDelivery(StaleDelivery, RecoverableConnectionError):
    """An answer to a message whose connection, or channel, is closed or lost.

    One of ``connection_errors``, too, as any use of that channel is.
    """


class ContentTooLarge(_Numbered, ours.RecoverableChannelError, theirs.ContentTooLarge):  # type: ignore[misc]
    """The message is larger than the broker takes now."""

    code = 311


class NoConsumers(_Numbered, ours.RecoverableChannelError, theirs.NoConsumers):  # type: ignore[misc]
    """An immediate message found no consumer."""

    code = 313


class AccessRefused(_Numbered, ours.ChannelError, theirs.AccessRefused):  # type: ignore[misc]
    """User or password is wrong, or the user may not do this."""

    code = 403


class NotFound(_Numbered, ours.ChannelError, theirs.NotFound):  # type: ignore[misc]
    """There is no such queue or exchange."""

    code = 404


class ResourceLocked(_Numbered, ours.RecoverableChannelError, theirs.ResourceLocked):  # type: ignore[misc]
    """The queue belongs to another connection."""

    code = 405


class PreconditionFailed(_Numbered, ours.NotEquivalentError, theirs.PreconditionFailed):  # type: ignore[misc]
    """Something is declared already with other properties, or is not as the operation wants it."""

    code = 406


class AckTimeout(PreconditionFailed):
    """A message was not answered in time, so the broker closed its channel (``consumer_timeout``).

    It gives out again what came by that channel and was not answered.
    """


class MessageReturned(ours.UndeliverableError, _NotTheirs, theirs.ChannelError):  # type: ignore[misc]
    """A mandatory message fits no queue."""


class ConsumerCancelled(ours.ConsumerCancelled, _NotTheirs, theirs.ConsumerCancelled):  # type: ignore[misc]
    """The broker cancelled a consumer: its queue was deleted, or moved to another node."""


class MessageNacked(ours.PublishRefused, theirs.MessageNacked):  # type: ignore[misc]
    """The broker did not take a message: a queue that it goes to is full, or failed.

    Args:
        exchange: Where the message was published to.
        routing_key: Its routing key.
    """

    def __init__(self, exchange: str, routing_key: str) -> None:
        self.exchange = exchange
        self.routing_key = routing_key
        super().__init__(routing_key if not exchange else "", "x-overflow is reject-publish")
        where = f"exchange {exchange!r} for routing key {routing_key!r}"
        if not exchange:
            where = f"queue {routing_key!r}"
        self.message = self.reply_text = (
            f"the broker refused the message to {where} (basic.nack): a queue is full and takes no "
            "more (x-overflow: reject-publish), or failed; publish again later"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.exchange, self.routing_key)


class EarlierRefused(ours.PublishRefused, _NotTheirs, theirs.ChannelError):  # type: ignore[misc]
    """The broker did not take messages that were published before and that nobody waited for.

    None of those for which publishing is tried again (``retry=True``): it is not about the message
    that is published now, which was not sent.

    Args:
        refused: The handles of those messages, with their bodies.
    """

    def __init__(self, refused: Sequence[Any]) -> None:
        self.refused = tuple(refused)
        first = self.refused[0]
        super().__init__(first.routing_key if not first.exchange else "", "")
        self.message = self.reply_text = (
            f"the broker refused {len(self.refused)} messages that were published before, the "
            f"first to exchange {first.exchange!r} for routing key {first.routing_key!r}; what "
            "this call was to publish was not sent. Publish them again later, or wait for the "
            "handle that publish() returns"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return _as_text, (str(self),)


def _as_text(text: str) -> Exception:
    # Handles belong to their process.
    return ChannelError(text)


_BY_THEIRS: dict[type, type[Exception]] = {
    theirs.ConnectionError: ConnectionError,
    theirs.RecoverableConnectionError: RecoverableConnectionError,
    theirs.IrrecoverableConnectionError: IrrecoverableConnectionError,
    theirs.Blocked: Blocked,
    theirs.ConnectionForced: ConnectionForced,
    theirs.InvalidPath: InvalidPath,
    theirs.FrameError: FrameError,
    theirs.FrameSyntaxError: FrameSyntaxError,
    theirs.InvalidCommand: InvalidCommand,
    theirs.ChannelNotOpen: ChannelNotOpen,
    theirs.UnexpectedFrame: UnexpectedFrame,
    theirs.ResourceError: ResourceError,
    theirs.NotAllowed: NotAllowed,
    theirs.AMQPNotImplementedError: NotImplementedByBroker,
    theirs.InternalError: InternalError,
    theirs.ChannelError: ChannelError,
    theirs.RecoverableChannelError: RecoverableChannelError,
    theirs.ContentTooLarge: ContentTooLarge,
    theirs.NoConsumers: NoConsumers,
    theirs.AccessRefused: AccessRefused,
    theirs.NotFound: NotFound,
    theirs.ResourceLocked: ResourceLocked,
    theirs.PreconditionFailed: PreconditionFailed,
}


def both(error: Any) -> Any:
    """An error of py-amqp as one of both families; anything else as it is."""
    cls = _BY_THEIRS.get(type(error))
    if cls is None:
        return error
    made: Any = cls
    return made(error.reply_text, error.method_sig, error.method_name, error.reply_code)


def for_code(code: int, text: str, method: Any, default: Any) -> Any:
    """The error that a reply code of the broker stands for.

    Args:
        code: What the broker says in ``channel.close`` or ``connection.close``.
        text: Its reason.
        method: Class and method of what it refused.
        default: py-amqp's class for a code that is nobody's.
    """
    if code == PreconditionFailed.code and "delivery acknowledgement" in text:
        return AckTimeout(
            f"{text}. The broker has closed the channel and gives its messages out again: answer "
            "them sooner, prefetch fewer, or raise the broker's consumer_timeout",
            method,
            reply_code=code,
        )
    return both(theirs.error_for_code(code, text, method, default))
