"""Queues that are to go with their consumer go when it was killed, too."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kombu.virtual.queue_verbs import QueueVerbs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kombu.transport.backend import QueueSpec

__all__ = ("RedisQueueVerbs",)


class RedisQueueVerbs(QueueVerbs):
    """Gives auto-delete and exclusive queues an end in the store.

    Redis does not know whether a consumer lives.  Who consumes says every now and then that the
    queue is used, and one that nobody used for ``auto_delete_after`` seconds is deleted with its
    bindings by whichever connection looks next.
    """

    def spec(
        self, name: str, durable: bool, arguments: Mapping[str, Any] | None, *, temporary: bool
    ) -> QueueSpec:
        """What to declare."""
        spec = super().spec(name, durable, arguments, temporary=temporary)
        if temporary and spec.expires is None:
            return replace(spec, expires=self._transport.options.auto_delete_after)
        return spec
