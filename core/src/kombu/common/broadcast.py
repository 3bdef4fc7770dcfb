"""Queues of which everybody who listens has one of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from kombu.entity import Exchange, Queue
from kombu.utils.uuid import uuid

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("Broadcast",)


class Broadcast(Queue):
    """A queue of its own on a fanout exchange: each of them gets every message.

    The queue goes with its last consumer; the exchange stays.

    Args:
        name: Name of the exchange, and the queue's alias.
        queue: Name of the queue; by default ``bcast.`` and a random identifier.
        unique: Put a random identifier behind the name of the queue, too.
        auto_delete: Whether the queue goes with its last consumer.
        exchange: The exchange, where it is to be another than a fanout exchange of that name.
        alias: The alias, where it is to be another than `name`.
        **kwargs: Further arguments of `kombu.Queue`.
    """

    attrs: ClassVar[tuple[tuple[str, Callable[[Any], Any] | None], ...]] = (
        *Queue.attrs,
        # By this name, so that a copy has the same queue.
        ("queue", None),
    )

    queue: str

    def __init__(
        self,
        name: str | None = None,
        queue: str | None = None,
        unique: bool = False,
        auto_delete: bool = True,
        exchange: Exchange | str | None = None,
        alias: str | None = None,
        **kwargs: Any,
    ) -> None:
        if queue is None:
            queue = f"bcast.{uuid()}"
        elif unique:
            queue = f"{queue}.{uuid()}"
        self.queue = queue
        super().__init__(
            name=queue,
            queue=queue,
            exchange=Exchange(name or "", type="fanout") if exchange is None else exchange,
            alias=alias or name,
            auto_delete=auto_delete,
            **kwargs,
        )
