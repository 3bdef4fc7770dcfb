"""Publishing many messages in one step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .envelope import Envelope
from .exceptions import BatchPublishError
from .utils.deadlines import bounded, operation_timeout

if TYPE_CHECKING:
    from types import TracebackType

    from .messaging import Producer

__all__ = ("Batch",)


class Batch:
    """What `Producer.batch` returns: a context in which messages are collected.

    Where the transport stores a batch in one step (`Producer.supports_batch_publish`), messages
    published by the producer are sent together, when `max_size` are there and at the end; a nested
    context joins the outer one; an exception discards what was not sent.  On other transports
    every message is sent at once, as without the context.

    A batch belongs to one producer and is used by one thread.

    Args:
        producer: Whose messages are collected.
        max_size: The most to hold back.
    """

    def __init__(self, producer: Producer, max_size: int) -> None:
        if isinstance(max_size, bool) or not isinstance(max_size, int) or max_size < 1:
            raise ValueError(f"max_size must be a positive integer, not {max_size!r}")
        self.producer = producer
        self.max_size = max_size
        self._collected: list[Envelope] = []
        self._outermost = False

    def _operation_timeout(self) -> float:
        return operation_timeout(self.producer.channel)

    @bounded
    def flush(self, *, timeout: float | None = None) -> None:
        """Send what was collected.

        Args:
            timeout: Seconds that it may take; `None`: the ``operation_timeout``.

        Raises:
            BatchPublishError: Part of it was refused: `BatchPublishError.refused` says what and
                why; the rest is stored.
        """
        collected, self._collected = self._collected, []
        if not collected:
            return
        refused = self.producer.channel.basic_publish_batch(collected)
        if refused:
            raise BatchPublishError(refused, len(collected))

    def _publish(
        self,
        body: Any,
        priority: int,
        content_type: str | None,
        content_encoding: str | None,
        headers: dict[str, Any],
        properties: dict[str, Any],
        routing_key: str,
        mandatory: bool,
        immediate: bool,
        exchange: str,
        declare: Any,
        timeout: float | None = None,
        confirm_timeout: float | None = None,
        retry: bool = False,
        retry_policy: dict[str, Any] | None = None,
    ) -> None:
        """Stands in for `Producer._publish` for as long as the context lasts."""
        producer = self.producer
        if declare:
            producer.declare_missing(declare, retry, retry_policy)
        if mandatory or timeout is not None:
            # Both are about this very message, so it does not wait for others; what came before
            # it goes first.
            self.flush()
            producer.channel.basic_publish(
                Envelope(
                    body,
                    content_type,
                    content_encoding,
                    headers,
                    properties,
                    exchange,
                    routing_key,
                    priority,
                ),
                exchange,
                routing_key,
                mandatory,
                immediate,
                timeout,
            )
            return
        self._collected.append(
            Envelope(
                body,
                content_type,
                content_encoding,
                headers,
                properties,
                exchange,
                routing_key,
                priority,
            )
        )
        if len(self._collected) >= self.max_size:
            self.flush()

    def __enter__(self) -> Batch:
        producer = self.producer
        if producer.supports_batch_publish and "_publish" not in vars(producer):
            # An attribute of the instance before the method of its class: publishing asks nobody
            # whether there is a batch.
            producer._publish = self._publish  # type: ignore[method-assign]  # noqa: SLF001
            self._outermost = True
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        if not self._outermost:
            return
        self._outermost = False
        del vars(self.producer)["_publish"]
        if exc_type is None:
            self.flush()
        else:
            self._collected.clear()
