"""Receiving messages."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar

from kombu import serialization
from kombu.entity import Queue
from kombu.exceptions import ContentDisallowed
from kombu.utils.deadlines import bounded, current, operation_timeout, within

from .channels import channel_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

__all__ = ("Consumer",)


class Consumer:
    """Receives messages.

    Args:
        channel: Channel to receive on, or a connection: then its default channel is used.
        queues: A `Queue`, or several.
        no_ack: Receive without acknowledgement.
        auto_declare: Declare the queues at once.  Default is True.
        callbacks: Called in order with ``(body, message)`` for each message.
        on_decode_error: Called with ``(message, exception)`` where a body can't be decoded;
            without it the exception is raised out of ``drain_events``.
        on_message: Called with each message instead of the callbacks, without decoding it.
        accept: Serializers or content types that may be decoded.
        prefetch_count: How many messages may be unacknowledged.
        tag_prefix: What the consumer tags begin with.
        timeout: Seconds that opening the channel and declaring the queues may take; `None`: the
            ``operation_timeout`` of the connection.

    The `timeout` of a method bounds everything that the call does, in the same way.
    """

    ContentDisallowed: ClassVar[type[ContentDisallowed]] = ContentDisallowed

    channel: Any = None
    no_ack: bool | None = None
    auto_declare = True
    callbacks: Any = None
    on_message: Callable[[Any], Any] | None = None
    on_decode_error: Callable[[Any, Exception], Any] | None = None
    accept: Any = None
    prefetch_count: int | None = None

    #: Numbers for consumer tags, unique in the process.
    _tags: ClassVar[count[int]] = count(1)

    def __init__(
        self,
        channel: Any,
        queues: Any = None,
        no_ack: bool | None = None,
        auto_declare: bool | None = None,
        callbacks: list[Callable[[Any, Any], Any]] | None = None,
        on_decode_error: Callable[[Any, Exception], Any] | None = None,
        on_message: Callable[[Any], Any] | None = None,
        accept: Any = None,
        prefetch_count: int | None = None,
        tag_prefix: str | None = None,
        *,
        timeout: float | None = None,
    ) -> None:
        self.channel = channel
        self.no_ack = no_ack if no_ack is not None else self.no_ack
        self.on_message = on_message
        self.on_decode_error = on_decode_error
        self.tag_prefix = tag_prefix
        self.prefetch_count = prefetch_count
        self.callbacks = callbacks or self.callbacks or []
        if auto_declare is not None:
            self.auto_declare = auto_declare
        self.accept = serialization.prepare_accept_content(accept)
        self._active_tags: dict[str, str] = {}
        self._queues: dict[str, Queue] = {}
        #: What `qos` was told last, for each consumer and for the channel.
        self._limits: dict[bool, tuple[int, int, bool]] = {}
        given = [queues] if isinstance(queues, Queue) else list(queues or ())
        if channel is not None:
            if timeout is None and current.deadline is None:
                timeout = operation_timeout(channel)
            with within(timeout):
                self._attach(channel, given)
        else:
            self._queues = {queue.name: queue for queue in given}

    def _attach(self, channel: Any, queues: list[Queue]) -> None:
        self.channel = channel_of(channel)
        for queue in queues:
            self._add(queue)
        if self._limits:
            # A new channel knows nothing of what was said to the last one.
            for limit in list(self._limits.values()):
                self.channel.basic_qos(*limit)
        elif self.prefetch_count is not None:
            self.qos(prefetch_count=self.prefetch_count)

    def _operation_timeout(self) -> float:
        return operation_timeout(self.channel)

    def _add(self, queue: Queue) -> Queue:
        bound = queue(self.channel)
        if self.auto_declare:
            bound.declare()
        # By the name that the declaration gave it: the broker names queues without one.
        self._queues[bound.name] = bound
        return bound

    @bounded
    def revive(self, channel: Any, *, timeout: float | None = None) -> None:
        """Go on with another channel, after the connection was lost; call `consume` again."""
        self._active_tags.clear()
        known, self._queues = self._queues, {}
        try:
            # A queue that the broker named is gone with the connection, or to be found again.
            self._attach(channel, list(known.values()))
        except BaseException:
            # Whoever tries again finds them all.
            self._queues = known
            raise

    @bounded
    def declare(self, *, timeout: float | None = None) -> None:
        """Declare the queues, their exchanges and bindings."""
        for queue in self._queues.values():
            queue.declare()

    def register_callback(self, callback: Callable[[Any, Any], Any]) -> None:
        """Call `callback`, too, with ``(body, message)``."""
        self.callbacks.append(callback)

    @property
    def queues(self) -> list[Queue]:
        """The queues, bound."""
        return list(self._queues.values())

    @bounded
    def add_queue(self, queue: Queue, *, timeout: float | None = None) -> Queue:
        """Add a queue; it is consumed after the next `consume`."""
        return self._add(queue)

    @bounded
    def consume(self, no_ack: bool | None = None, *, timeout: float | None = None) -> None:
        """Start to consume from the queues that are not consumed yet."""
        queues = list(self._queues.values())
        no_ack = self.no_ack if no_ack is None else no_ack
        for position, queue in enumerate(queues, 1):
            # Only the last answer is waited for, where the broker can leave the others out.
            self._basic_consume(queue, no_ack=no_ack, nowait=position < len(queues))

    def _basic_consume(self, queue: Queue, no_ack: bool | None = None, nowait: bool = True) -> str:
        tag = self._active_tags.get(queue.name)
        if tag is None:
            tag = f"{self.tag_prefix or ''}{next(self._tags)}"
            queue.consume(tag, self._receive_callback, no_ack=no_ack, nowait=nowait)
            self._active_tags[queue.name] = tag
        return tag

    @bounded
    def cancel(self, *, timeout: float | None = None) -> None:
        """Stop consuming; messages that were delivered already stay to be acknowledged."""
        tags, self._active_tags = list(self._active_tags.values()), {}
        for tag in tags:
            self.channel.basic_cancel(tag)

    close = cancel

    @bounded
    def cancel_by_queue(self, queue: Queue | str, *, timeout: float | None = None) -> None:
        """Stop consuming from one queue and forget it."""
        name = queue.name if isinstance(queue, Queue) else queue
        tag = self._active_tags.pop(name, None)
        self._queues.pop(name, None)
        if tag is not None:
            self.channel.basic_cancel(tag)

    def consuming_from(self, queue: Queue | str) -> bool:
        """Whether the consumer receives from a queue."""
        return (queue.name if isinstance(queue, Queue) else queue) in self._active_tags

    @bounded
    def purge(self, *, timeout: float | None = None) -> int:
        """Drop the ready messages of all queues; returns how many there were."""
        return sum(queue.purge() for queue in self._queues.values())

    @bounded
    def flow(self, active: bool, *, timeout: float | None = None) -> None:
        """Stop (``False``) or resume the delivery of messages on the channel."""
        self.channel.flow(active)

    @bounded
    def qos(
        self,
        prefetch_size: int = 0,
        prefetch_count: int = 0,
        apply_global: bool = False,
        *,
        timeout: float | None = None,
    ) -> Any:
        """Bound the unacknowledged messages; see `Channel.basic_qos`.

        It holds for the channels of `revive`, too.
        """
        done = self.channel.basic_qos(prefetch_size, prefetch_count, apply_global)
        self._limits[bool(apply_global)] = (prefetch_size, prefetch_count, apply_global)
        return done

    @bounded
    def recover(self, requeue: bool = False, *, timeout: float | None = None) -> Any:
        """Have all unacknowledged messages of the channel delivered again.

        Args:
            requeue: To whoever comes first, otherwise to the same consumers.
        """
        return self.channel.basic_recover(requeue=requeue)

    def receive(self, body: Any, message: Any) -> None:
        """Called with each decoded message; calls the callbacks.

        Raises:
            NotImplementedError: There are none.
        """
        callbacks = self.callbacks
        if not callbacks:
            raise NotImplementedError(
                "Consumer does not have any callbacks: give callbacks=[...] or on_message=..."
            )
        for callback in callbacks:
            callback(body, message)

    def _receive_callback(self, message: Any) -> Any:
        accept = self.accept
        on_message = self.on_message
        try:
            if accept is not None:
                message.accept = accept
            decoded = None if on_message is not None else message.decode()
        except Exception as exc:
            if self.on_decode_error is None:
                raise
            return self.on_decode_error(message, exc)
        if on_message is not None:
            return on_message(message)
        return self.receive(decoded, message)

    @property
    def connection(self) -> Any:
        """The `kombu.Connection`, `None` where the channel is closed."""
        transport = getattr(self.channel, "connection", None)
        return None if transport is None else transport.client

    def __enter__(self) -> Any:
        self.consume()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        if self.channel is None or self.channel.connection is None:
            return
        connection = self.connection
        try:
            self.cancel()
        except (
            *connection.recoverable_connection_errors,
            *connection.recoverable_channel_errors,
        ):
            # The broker cancels the consumers of a connection that is lost.
            pass

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.queues}>"
