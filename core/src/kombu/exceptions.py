"""Every exception of the core.

No driver is imported here: a plugin whose driver has exceptions of its own raises classes that
inherit from both, so that ``except kombu.exceptions.ChannelError`` and the driver's own ``except``
both catch them.
"""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

__all__ = (
    "AccessRefused",
    "BatchPublishError",
    "ChannelError",
    "ChannelLimitExceeded",
    "ConnectionError",
    "ConnectionLimitExceeded",
    "ConsumerCancelled",
    "ContentDisallowed",
    "DecodeError",
    "EncodeError",
    "HttpError",
    "InconsistencyError",
    "KombuError",
    "LeaseLost",
    "LimitExceeded",
    "MessageStateError",
    "NotBoundError",
    "NotEquivalentError",
    "OperationalError",
    "PublishRefused",
    "RecoverableChannelError",
    "RecoverableConnectionError",
    "ResourceError",
    "SerializationError",
    "SerializerNotInstalled",
    "TimeoutError",
    "UndeliverableError",
    "VersionMismatch",
    "reraise",
)

#: The builtin, which ``socket.timeout`` is too.
TimeoutError = builtins.TimeoutError  # noqa: A001


def reraise(
    tp: type[BaseException],  # noqa: ARG001  documented signature
    value: BaseException,
    tb: TracebackType | None = None,
) -> NoReturn:
    """Raise `value` with the traceback `tb` (``tp`` is kept for its documented signature)."""
    if value.__traceback__ is not tb:
        raise value.with_traceback(tb)
    raise value


class KombuError(Exception):
    """Common base of what the library raises."""


class OperationalError(KombuError):
    """A recoverable connection or channel error that outlived its retries."""


class SerializationError(KombuError):
    """A body could not be serialized or deserialized."""


class EncodeError(SerializationError):
    """A body could not be serialized; nothing was sent."""


class DecodeError(SerializationError):
    """A body could not be deserialized; the message is untouched."""


class NotBoundError(KombuError):
    """An exchange or queue was used for I/O before it was bound to a channel."""


class MessageStateError(KombuError):
    """A message was acknowledged, rejected or requeued twice."""


class LeaseLost(MessageStateError):
    """The claim on a message ended before it was settled: it was given to another consumer.

    Nothing is lost; the message may be handled twice.
    """


class LimitExceeded(KombuError):
    """A pool has no free resource.

    Args:
        limit: How many there may be.
        text: What happened and what to do, for people.
    """

    def __init__(self, limit: Any = None, text: str = "") -> None:
        self.limit = limit
        super().__init__(*(value for value in (limit, text) if value not in (None, "")))

    def __str__(self) -> str:
        return str(self.args[-1]) if self.args else ""


class ConnectionLimitExceeded(LimitExceeded):
    """A connection pool has no free connection."""


class ChannelLimitExceeded(LimitExceeded):
    """A channel pool, or a connection's number of channels, is used up."""


class VersionMismatch(KombuError):
    """An installed driver is of a version that does not work."""


class SerializerNotInstalled(KombuError):
    """No serializer is registered for a name or content type."""


class ContentDisallowed(SerializerNotInstalled):
    """The consumer does not accept this content type; the body was not decoded."""


class BatchPublishError(KombuError):
    """Part of a batch was not stored; the rest was.

    Args:
        refused: (position in the batch, why) of each message that was refused.
        size: How many messages the batch had.
    """

    def __init__(self, refused: Any = (), size: int = 0) -> None:
        self.refused = list(refused)
        self.size = size
        first = f": {self.refused[0][1]}" if self.refused else ""
        super().__init__(f"{len(self.refused)} of {size} messages were refused{first}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.refused, self.size)


class HttpError(Exception):
    """An HTTP request was answered with an error status."""

    def __init__(self, code: int, message: str | None = None, response: Any = None) -> None:
        self.code = code
        self.message = message
        self.response = response
        super().__init__(code, message, response)

    def __str__(self) -> str:
        return f"HTTP {self.code}: {self.message}"


class AMQPError(KombuError):
    """Base of the errors that AMQP numbers: what a broker answers, or would answer.

    Args:
        reply_text: What is wrong, for people.
        method_sig: (class id, method id) of the method that failed, as AMQP numbers them.
        method_name: Its name, such as ``"Queue.declare"``.
        reply_code: AMQP's reply code (0-9-1, section 1.2), 0 where there is none.
    """

    #: The reply code of the class, used where the instance has none.
    code: int = 0

    def __init__(
        self,
        reply_text: str | None = None,
        method_sig: Sequence[int] | None = None,
        method_name: str | None = None,
        reply_code: int | None = None,
    ) -> None:
        self.message = reply_text
        self.reply_text = reply_text
        self.reply_code = reply_code or self.code
        self.method_sig = method_sig
        self.method_name = method_name or ""
        super().__init__(self.reply_code, reply_text, self.method_sig, self.method_name)

    def __str__(self) -> str:
        if not self.method_name:
            text = self.reply_text or f"<{type(self).__name__}: unknown error>"
            return f"({self.reply_code}) {text}" if self.reply_code else text
        return f"{self.method_name}: ({self.reply_code}) {self.reply_text}"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.reply_text, self.method_sig, self.method_name, self.reply_code)

    @property
    def method(self) -> str:
        """The name of the AMQP method that failed."""
        return self.method_name


class ConnectionError(AMQPError):  # noqa: A001
    """The connection to the broker failed, or the broker closed it."""


class AccessRefused(ConnectionError):
    """The broker refuses the user or the password; trying again with the same ones is no use.

    No retry policy tries it again, unless there is another host to go to.
    """

    code = 403


class ChannelError(AMQPError):
    """The broker refused an operation; the connection itself is fine."""


class RecoverableConnectionError(ConnectionError):
    """The connection is gone; a new one may work."""


class RecoverableChannelError(ChannelError):
    """The channel is gone, the connection is not; a new channel may work."""


class ResourceError(RecoverableConnectionError):
    """The broker ran out of something; worth another try later."""


class NotEquivalentError(ChannelError):
    """Something is declared already, with other properties (AMQP's 406 PRECONDITION_FAILED)."""

    code = 406


class InconsistencyError(ConnectionError):
    """A broker's tables contradict each other, such as a binding to a queue that is gone."""


class PublishRefused(ChannelError):
    """A queue did not take a message: it is full (``x-overflow``).  Nothing was stored there.

    Args:
        queue: The queue.
        limits: What it may hold.
    """

    def __init__(self, queue: str, limits: str = "") -> None:
        self.queue = queue
        self.limits = limits
        super().__init__(
            f"queue {queue!r} is full ({limits}) and refuses messages; publish again when it has "
            "been worked off, or declare it with overflow drop-head",
            (60, 40),
            "Basic.publish",
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.queue, self.limits)


class ConsumerCancelled(RecoverableChannelError):
    """The broker cancelled a consumer: its queue was deleted.

    Args:
        consumer_tag: The consumer.
        queue: Its queue.
    """

    def __init__(self, consumer_tag: str, queue: str = "") -> None:
        self.consumer_tag = consumer_tag
        self.queue = queue
        super().__init__(
            f"queue {queue!r} was deleted under consumer {consumer_tag!r}: declare it and consume "
            "again, or give an on_cancel callback",
            (60, 30),
            "Basic.cancel",
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.consumer_tag, self.queue)


class UndeliverableError(ChannelError):
    """A mandatory message fits no queue (AMQP's 312 NO_ROUTE).

    Args:
        exchange: Name of the exchange it was published to.
        routing_key: Its routing key.
        returned: The message, as it was given to the channel.
    """

    code = 312

    def __init__(self, exchange: str, routing_key: str, returned: Any = None) -> None:
        self.exchange = exchange
        self.routing_key = routing_key
        self.returned = returned
        super().__init__(
            f"NO_ROUTE - no queue is bound to exchange {exchange!r} for routing key "
            f"{routing_key!r}; declare and bind one, or publish without mandatory=True",
            (60, 40),
            "Basic.publish",
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.exchange, self.routing_key, self.returned)
