"""A received message."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, ClassVar

from . import serialization
from .exceptions import ChannelError, MessageStateError
from .utils.deadlines import within

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from logging import Logger

__all__ = ("Message",)

#: States in which a message was answered already.
ACK_STATES = frozenset({"ACK", "REJECTED", "REQUEUED"})

#: What `Message.decode` has not been asked for yet; None is a body like any other.
UNDECODED = object()


class Message:
    """A message as a consumer or `Queue.get` hands it over.

    Args:
        body: The serialized body, as it came.
        delivery_tag: What names this delivery on its channel.
        content_type: MIME type of the body.
        content_encoding: Character set of the body, ``"binary"`` for bytes.
        delivery_info: Where it came from: ``exchange``, ``routing_key``, ``redelivered`` ...
        properties: AMQP's properties (``correlation_id``, ``reply_to`` ...).
        headers: Application headers.
        postencode: Character set that a body of text is encoded with first.
        accept: Content types (or serializer names) that may be decoded, `None` for the default.
        channel: The channel that it came by, on which it is acknowledged.

    A message belongs to its channel and is used by one thread at a time.
    """

    MessageStateError: ClassVar[type[MessageStateError]] = MessageStateError

    # A class of its own for each message would be cheap without __slots__, too; with them an
    # instance is one allocation.  The dictionary is for what applications attach.
    __slots__ = (
        "__dict__",
        "__weakref__",
        "_decoded",
        "_state",
        "accept",
        "body",
        "channel",
        "content_encoding",
        "content_type",
        "delivery_info",
        "delivery_tag",
        "errors",
        "headers",
        "properties",
    )

    #: What is made at the first look (`_make`), because most messages are never asked for it.
    _lazy: ClassVar[frozenset[str]] = frozenset()

    accept: Any
    body: Any
    channel: Any
    content_encoding: str | None
    content_type: str | None
    delivery_info: dict[str, Any]
    delivery_tag: Any
    errors: list[tuple[Any, Any, Any]]
    headers: dict[str, Any]
    properties: dict[str, Any]

    def __init__(
        self,
        body: Any = None,
        delivery_tag: Any = None,
        content_type: str | None = None,
        content_encoding: str | None = None,
        delivery_info: Mapping[str, Any] | None = None,
        properties: Mapping[str, Any] | None = None,
        headers: Mapping[str, Any] | None = None,
        postencode: str | None = None,
        accept: Any = None,
        channel: Any = None,
        **kwargs: Any,
    ) -> None:
        self.channel = channel
        self.delivery_tag = delivery_tag
        self.content_type = content_type
        self.content_encoding = content_encoding
        self.delivery_info = {} if delivery_info is None else dict(delivery_info)
        self.headers = {} if headers is None else dict(headers)
        self.properties = {} if properties is None else dict(properties)
        self._state = "RECEIVED"
        self._decoded = UNDECODED
        self.accept = accept
        self.errors = []
        compression = self.headers.get("compression")
        if compression and body is not None:
            # Compressors are not for everybody: imported with the first message that has one.
            from .compression import decompress

            try:
                body = decompress(body, compression)
            except Exception:
                # Kept for decode(), so that it reaches on_decode_error with the message at hand.
                self.errors.append(sys.exc_info())
        if postencode and isinstance(body, str):
            try:
                body = body.encode(postencode)
            except (UnicodeError, LookupError):
                self.errors.append(sys.exc_info())
        self.body = body

    def __getattr__(self, name: str) -> Any:
        if name in self._lazy:
            value = self._make(name)
            setattr(self, name, value)
            return value
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _make(self, name: str) -> Any:
        """The value of an attribute named in `_lazy`, for a transport that has such."""
        raise NotImplementedError(f"{type(self).__name__} names {name!r} as lazy and can't make it")

    def ack(self, multiple: bool = False, *, timeout: float | None = None) -> None:
        """Acknowledge the message: it is done with and will not come again.

        Args:
            multiple: Acknowledge every unacknowledged message of the channel up to this one.
            timeout: Seconds that it may take; the broker's answer is waited for, where it gives
                one.  `None`: it is sent, and an answer is read later.

        Raises:
            MessageStateError: It was acknowledged, rejected or requeued before.
        """
        if timeout is not None:
            with within(timeout):
                self.ack(multiple)
        elif self._needs_answer():
            self.channel.basic_ack(self.delivery_tag, multiple=multiple)
            self._state = "ACK"

    def reject(self, requeue: bool = False, *, timeout: float | None = None) -> None:
        """Refuse the message: it is dropped, or dead-lettered where its queue says so.

        Args:
            requeue: Give it back to its queue instead.
            timeout: As of `ack`.

        Raises:
            MessageStateError: It was acknowledged, rejected or requeued before.
        """
        if timeout is not None:
            with within(timeout):
                self.reject(requeue)
        elif self._needs_answer():
            self.channel.basic_reject(self.delivery_tag, requeue=requeue)
            self._state = "REQUEUED" if requeue else "REJECTED"

    def requeue(self, delay: float | None = None, *, timeout: float | None = None) -> None:
        """Give the message back to its queue; it may come again to this very consumer.

        Args:
            delay: Seconds that it waits there before it comes again.  `None`: as long as the
                queue's back-off says, which is not at all unless somebody asked for one.
            timeout: As of `ack`.

        Raises:
            MessageStateError: It was acknowledged, rejected or requeued before.
            ChannelError: 540 where the transport can't delay; the message stays as it is.
        """
        if delay is None:
            self.reject(requeue=True, timeout=timeout)
        elif timeout is not None:
            with within(timeout):
                self.requeue(delay)
        elif self._needs_answer():
            requeue_later = getattr(self.channel, "basic_requeue", None)
            if requeue_later is None:
                raise ChannelError(
                    "NOT_IMPLEMENTED - this broker can't delay a message that it gets back: "
                    "requeue() without a delay, or publish it again with one and ack it",
                    (60, 90),
                    "Basic.reject",
                    540,
                )
            requeue_later(self.delivery_tag, delay)
            self._state = "REQUEUED"

    def _needs_answer(self) -> bool:
        """Whether the broker waits for an answer; raises where it had one already."""
        channel = self.channel
        if channel is None:
            raise MessageStateError(
                "This message has no channel, so there is nobody to answer: it was made by hand, "
                "or it was received without acknowledgement."
            )
        if self._state != "RECEIVED":
            if self._state == "NO_ACK":
                return False
            raise MessageStateError(
                f"Message already acknowledged with state: {self._state}. A message is "
                "acknowledged, rejected or requeued once"
            )
        return channel.no_ack_consumers is None or not self._came_without_ack(channel)

    def _came_without_ack(self, channel: Any) -> bool:
        # How a native transport tells; the virtual ones say so in the state.
        tag = self.delivery_info.get("consumer_tag")
        return tag is not None and tag in channel.no_ack_consumers

    def ack_log_error(
        self,
        logger: Logger,
        errors: Any,
        multiple: bool = False,
        *,
        timeout: float | None = None,
    ) -> None:
        """Like `ack`, but log an exception of `errors` (a class or several) and go on."""
        try:
            if timeout is None:
                self.ack(multiple=multiple)
            else:
                self.ack(multiple=multiple, timeout=timeout)
        except errors as exc:
            logger.critical("Couldn't ack %r, reason:%r", self.delivery_tag, exc, exc_info=True)

    def reject_log_error(
        self,
        logger: Logger,
        errors: Any,
        requeue: bool = False,
        *,
        timeout: float | None = None,
    ) -> None:
        """Like `reject`, but log an exception of `errors` and go on."""
        try:
            if timeout is None:
                self.reject(requeue=requeue)
            else:
                self.reject(requeue=requeue, timeout=timeout)
        except errors as exc:
            logger.critical("Couldn't reject %r, reason: %r", self.delivery_tag, exc, exc_info=True)

    def decode(self) -> Any:
        """Deserialize the body; the result is remembered.

        Raises:
            ContentDisallowed: The content type is not accepted; nothing was decoded.
            DecodeError: The body is corrupt.
        """
        decoded = self._decoded
        if decoded is UNDECODED:
            decoded = self._decoded = self._decode()
        return decoded

    def _decode(self) -> Any:
        if self.errors:
            self._reraise_error()
        # Looked up at call time: APM tools wrap serialization.loads.
        return serialization.loads(
            self.body, self.content_type, self.content_encoding, accept=self.accept
        )

    def _reraise_error(
        self, callback: Callable[[Message, BaseException], Any] | None = None
    ) -> None:
        """Raise what went wrong while the message was received, or give it to `callback`."""
        _, exc, tb = self.errors[0]
        if callback is None:
            raise exc.with_traceback(tb)
        callback(self, exc)

    @property
    def acknowledged(self) -> bool:
        """Whether the message was acknowledged, rejected or requeued."""
        return self._state in ACK_STATES

    @property
    def payload(self) -> Any:
        """The deserialized body; see `decode`.  An error of decompression is raised here."""
        return self.decode()

    def __repr__(self) -> str:
        details = {
            "state": self._state,
            "content_type": self.content_type,
            "delivery_tag": self.delivery_tag,
            "body_length": len(self.body) if self.body is not None else None,
            "properties": {
                name: self.properties[name]
                for name in ("correlation_id", "type")
                if name in self.properties
            },
            "delivery_info": {
                name: self.delivery_info[name]
                for name in ("exchange", "routing_key")
                if name in self.delivery_info
            },
        }
        return f"<{type(self).__name__} object at {id(self):#x} with details {details!r}>"
