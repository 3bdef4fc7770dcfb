"""Putting messages into queues."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from kombu.exceptions import ChannelError, RecoverableConnectionError
from kombu.transport.backend import Rejected

from .batches import by_queue, cut
from .errors import MessageTooLarge, is_busy
from .names import is_fifo
from .wire import SEND_ARGUMENTS, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kombu.transport.backend import Envelope

    from .options import SQSOptions
    from .queues import Queues
    from .store import Store
    from .wire import Text

__all__ = ("LONGEST_DELAY", "Sending")

#: For how long SQS holds a message back that is sent (seconds).
LONGEST_DELAY = 900


class _Entry(NamedTuple):
    position: int
    queue: str
    arguments: dict[str, Any]
    size: int


class Sending:
    """Sends for one connection.  Any thread may use it.

    Args:
        queues: Where to.
        options: What the user said.
        store: What queues were declared with.
        now: The store's clock, epoch seconds.
    """

    def __init__(
        self, queues: Queues, options: SQSOptions, store: Store, now: Callable[[], float]
    ) -> None:
        self._queues = queues
        self._limit = options.max_message_bytes
        self._in_base64 = options.sqs_base64_encoding
        self._store = store
        self._now = now

    def put(self, items: Sequence[tuple[str, Envelope]], deadline: float) -> list[Rejected]:
        """Send each envelope to its queue, ten at once; return what was refused."""
        refused: list[Rejected] = []
        entries: list[_Entry] = []
        texts: dict[tuple[int, float | None], Text] = {}
        for position, (queue, envelope) in enumerate(items):
            try:
                entries.append(self._entry(position, queue, envelope, texts))
            except MessageTooLarge as error:
                refused.append(Rejected(position, error))
        for queue, mine in by_queue(entries, lambda entry: entry.queue).items():
            for batch in cut(mine, self._limit, lambda entry: entry.size):
                refused += self._send(queue, batch, deadline)
        return sorted(refused)

    def _entry(
        self,
        position: int,
        queue: str,
        envelope: Envelope,
        texts: dict[tuple[int, float | None], Text],
    ) -> _Entry:
        limit = min(self._limit, self._store.limits.get(queue, self._limit))
        # Not even encoded.
        if len(envelope.body) > limit:
            raise MessageTooLarge(queue, len(envelope.body), limit)
        expires_at = self._expires_at(queue, envelope)
        key = id(envelope), expires_at
        text = texts.get(key)
        if text is None:
            if expires_at != envelope.expires_at:
                envelope = envelope.copy()
                envelope.expires_at = expires_at
            text = texts[key] = encode(envelope, self._in_base64)
        if text.size > limit:
            raise MessageTooLarge(queue, text.size, limit)
        arguments: dict[str, Any] = {"MessageBody": text.body}
        if text.attributes:
            arguments["MessageAttributes"] = dict(text.attributes)
        arguments.update(self._said(queue, envelope))
        return _Entry(position, queue, arguments, text.size)

    def _expires_at(self, queue: str, envelope: Envelope) -> float | None:
        """When the message expires in this queue: SQS knows nothing of it, who receives does."""
        spec = self._store.specs.get(queue)
        limits = [] if envelope.expires_at is None else [envelope.expires_at]
        if spec is not None and spec.message_ttl is not None:
            limits.append(max(self._now(), envelope.not_before or 0.0) + spec.message_ttl)
        return min(limits, default=None)

    def _said(self, queue: str, envelope: Envelope) -> dict[str, Any]:
        """What SQS is told beside the text, for FIFO queues as 5.7 does it."""
        given = {
            name: envelope.properties[name]
            for name in SEND_ARGUMENTS
            if envelope.properties.get(name) is not None
        }
        if is_fifo(queue):
            # SQS delays FIFO queues as a whole; who receives gives back what comes early.
            given.pop("DelaySeconds", None)
            given.setdefault("MessageGroupId", "default")
            given.setdefault("MessageDeduplicationId", str(uuid4()))
            return given
        given.pop("MessageDeduplicationId", None)
        if envelope.not_before is not None:
            delay = ceil(envelope.not_before - self._now())
            given["DelaySeconds"] = max(min(delay, LONGEST_DELAY), 0)
        return given

    def _send(self, queue: str, batch: list[_Entry], deadline: float) -> list[Rejected]:
        answer = self._queues.ask(
            queue,
            "send_message_batch",
            deadline,
            create=True,
            Entries=[{"Id": str(n), **entry.arguments} for n, entry in enumerate(batch)],
        )
        if answer is None:
            raise ChannelError(
                f"queue {queue!r} was deleted while messages were sent to it: send them again"
            )
        return [
            Rejected(batch[int(failed["Id"])].position, _refusal(queue, failed))
            for failed in answer.get("Failed", ())
        ]


def _refusal(queue: str, failed: dict[str, Any]) -> Exception:
    if is_busy(str(failed.get("Code"))):
        return RecoverableConnectionError(
            f"Amazon SQS had no time for a message for queue {queue!r}: {failed.get('Code')}: "
            f"{failed.get('Message', '')}. Send it again"
        )
    return ChannelError(
        f"PRECONDITION_FAILED - Amazon SQS refuses a message for queue {queue!r}: "
        f"{failed.get('Code')}: {failed.get('Message', '')}",
        None,
        "Basic.publish",
        406,
    )
