"""Storing messages, and keeping the lengths of queues."""

from __future__ import annotations

import contextlib
import time
import uuid
from time import monotonic
from typing import TYPE_CHECKING, Any

from pymongo.errors import DuplicateKeyError

from kombu.exceptions import ChannelError, PublishRefused
from kombu.transport.backend import Rejected

from .documents import DELAYED, IN_ORDER, document, live_filter
from .moving import buried, next_order

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kombu.envelope import Envelope
    from kombu.transport.backend import QueueSpec

    from .server import Server
    from .specs import Specs

__all__ = ("MAX_BODY", "Sending")

#: The largest body (bytes): a document has 16 MiB, and a body is a third longer in it.
MAX_BODY = 11 * 1024 * 1024
_MAX_PAYLOAD = 16 * 1024 * 1024 - 16 * 1024

#: How long a queue with a limited length is locked at most (seconds), where who locked it died.
_LOCKED = 5.0
_PAUSE = 0.005


class Sending:
    """Puts messages into queues.  Any thread may use it; the caller bounds its questions.

    Args:
        server: The server.
        specs: What the queues were declared with.
    """

    def __init__(self, server: Server, specs: Specs) -> None:
        self._server = server
        self._specs = specs

    def put(self, items: Sequence[tuple[str, Envelope]], deadline: float) -> list[Rejected]:
        """Store each envelope; a queue that is not there is made."""
        refused: list[Rejected] = []
        specs = self._specs.existing(name for name, _ in items)
        now = self._server.now()
        plain: list[dict[str, Any]] = []
        for index, (name, envelope) in enumerate(items):
            spec = specs[name]
            made = document(envelope, spec, next_order(), now, uuid.uuid4().hex)
            if len(envelope.body) > MAX_BODY or len(made["payload"]) > _MAX_PAYLOAD:
                refused.append(Rejected(index, _too_large(name, made["size"])))
            elif limited(spec) and made.get("state") != DELAYED:
                try:
                    self._put_limited(made, spec, deadline)
                except PublishRefused as exc:
                    refused.append(Rejected(index, exc))
            else:
                plain.append(made)
        if len(plain) == 1:
            # Its key is its own: the driver has asked again, and the first time it was stored.  A
            # server that knows retried writes tells nobody; not all that speak its protocol do.
            with contextlib.suppress(DuplicateKeyError):
                self._server.messages.insert_one(plain[0])
        elif plain:
            self._server.messages.insert_many(plain)
        return refused

    def _put_limited(self, made: dict[str, Any], spec: QueueSpec, deadline: float) -> None:
        with self._locked(spec.name, deadline):
            if spec.overflow != "drop-head" and _over(spec, [*self._sizes(spec.name), made]):
                if spec.overflow == "reject-publish-dlx":
                    self._server.messages.insert_one(made)
                    change = buried({"_id": made["_id"]}, spec, spec.name, "maxlen")
                    self._server.messages.bulk_write([change])
                raise PublishRefused(
                    spec.name,
                    f"max_length={spec.max_length}, max_length_bytes={spec.max_length_bytes}",
                )
            self._server.messages.insert_one(made)
            self._drop_heads(spec)

    def trim(self, spec: QueueSpec, deadline: float) -> None:
        """Drop what a queue holds beyond its length."""
        if limited(spec):
            with self._locked(spec.name, deadline):
                self._drop_heads(spec)

    def _drop_heads(self, spec: QueueSpec) -> None:
        if spec.overflow != "drop-head":
            return
        there = self._sizes(spec.name)
        changes = []
        while _over(spec, there):
            head = there.pop(0)
            # Only where no consumer was quicker.
            which = {"_id": head["_id"], "queue": spec.name}
            changes.append(buried(which, spec, spec.name, "maxlen"))
        if changes:
            self._server.messages.bulk_write(changes)

    def _sizes(self, queue: str) -> list[dict[str, Any]]:
        found = self._server.messages.find(live_filter(queue, self._server.now()), {"size": 1})
        return list(found.sort(IN_ORDER))

    @contextlib.contextmanager
    def _locked(self, queue: str, deadline: float) -> Iterator[None]:
        """Have a queue to oneself among those who count what is in it."""
        queues, me = self._server.queues, uuid.uuid4().hex
        while True:
            now = self._server.now()
            free = {"_id": queue, "$or": [{"locked_until": None}, {"locked_until": {"$lte": now}}]}
            taken = {"$set": {"locked_until": now + _LOCKED, "locked_by": me}}
            if queues.update_one(free, taken).matched_count:
                break
            if monotonic() >= deadline:
                raise TimeoutError(f"another process counts queue {queue!r}, and did not end")
            time.sleep(_PAUSE)
        try:
            yield
        finally:
            queues.update_one(
                {"_id": queue, "locked_by": me}, {"$unset": {"locked_until": "", "locked_by": ""}}
            )


def limited(spec: QueueSpec) -> bool:
    """Whether the length of a queue is limited."""
    return spec.max_length is not None or spec.max_length_bytes is not None


def _over(spec: QueueSpec, there: Sequence[dict[str, Any]]) -> bool:
    if spec.max_length is not None and len(there) > spec.max_length:
        return True
    most = spec.max_length_bytes
    return most is not None and sum(d.get("size", 0) for d in there) > most


def _too_large(queue: str, size: int) -> ChannelError:
    return ChannelError(
        f"a message for queue {queue!r} has {size} bytes; MongoDB takes documents of 16 MiB, "
        f"which are {MAX_BODY} bytes of body without headers: store the body elsewhere and send "
        "where it is",
        (60, 40),
        "Basic.publish",
        311,
    )
