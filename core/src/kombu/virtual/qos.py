"""`QoS`: what a channel has delivered and may deliver, in the form that 5.7 documents.

A view: unsettled deliveries are kept by the channel's `kombu.virtual.ledger.Ledger`, limits by
`kombu.virtual.prefetch`, and every verb here ends in the channel's own.
"""

# ruff: noqa: SLF001  a view on the parts of its channel

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .channel import Channel

__all__ = ("QoS",)


class QoS:
    """Quality of service of a channel.

    Args:
        channel: The channel.
        prefetch_count: How many of its deliveries may be unsettled, 0 for no limit.

    A channel makes one at the first look at ``channel.qos``.  `can_consume` may be replaced on the
    instance: the channel asks it before each fetch, and then fetches one message at a time.
    """

    #: Whether the channels of a third party's transport give their unsettled messages back when
    #: the process ends without closing them.
    restore_at_shutdown = True

    def __init__(self, channel: Any, prefetch_count: int = 0) -> None:
        self.channel = channel
        # Messages that somebody appended which the channel did not deliver.
        self._appended: dict[Any, Any] = {}
        self._restored = False
        if prefetch_count:
            self.prefetch_count = prefetch_count

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name == "can_consume":
            self.channel.ask_before_fetch(self._may_consume)

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        if name == "can_consume":
            self.channel.ask_before_fetch(None)

    def _may_consume(self) -> bool:
        return bool(self.can_consume())

    # -- limits ------------------------------------------------------------------------------

    @property
    def prefetch_count(self) -> int:
        """How many deliveries may be unsettled, 0 for no limit."""
        return int(self.channel.prefetch_limit or self.channel._consumers.limit)

    @prefetch_count.setter
    def prefetch_count(self, count: int) -> None:
        _verbs().basic_qos(self.channel, 0, count, bool(self.channel.prefetch_limit))

    def can_consume(self) -> bool:
        """Whether the channel has room for one more delivery."""
        estimate = self.can_consume_max_estimate()
        return estimate is None or estimate > 0

    def can_consume_max_estimate(self) -> int | None:
        """How many more deliveries the channel has room for, `None` without a limit."""
        limit = self.prefetch_count
        if not limit:
            return None
        return max(limit - len(self.channel._ledger) - len(self._appended), 0)

    # -- deliveries --------------------------------------------------------------------------

    @property
    def _delivered(self) -> dict[Any, Any]:
        """The unsettled messages by delivery tag, in the order of delivery."""
        delivered = {tag: self._message(tag) for tag in list(self.channel._ledger)}
        return {**delivered, **self._appended}

    def append(self, message: Any, delivery_tag: Any) -> None:
        """Called with each message that waits for its acknowledgement."""
        if delivery_tag not in self.channel._ledger:
            self._appended[delivery_tag] = message

    def get(self, delivery_tag: Any) -> Any:
        """An unsettled message; raises `KeyError` where the tag names none."""
        if delivery_tag in self._appended:
            return self._appended[delivery_tag]
        return self._message(delivery_tag)

    def _message(self, tag: Any) -> Any:
        return self.channel.message_of(tag, self.channel._ledger[tag])

    def ack(self, delivery_tag: Any) -> None:
        """Acknowledge a delivery.  Raises as ``Channel.basic_ack`` does."""
        if self._appended.pop(delivery_tag, None) is None:
            _verbs().basic_ack(self.channel, delivery_tag)

    def reject(self, delivery_tag: Any, requeue: bool = False) -> None:
        """Refuse a delivery: requeue it, or drop it.  Raises as ``Channel.basic_reject`` does."""
        message = self._appended.pop(delivery_tag, None)
        if message is None:
            _verbs().basic_reject(self.channel, delivery_tag, requeue)
        elif requeue:
            self.channel._restore_at_beginning(message)

    def restore_unacked(self) -> None:
        """Give everything unsettled back to its queue."""
        while self._appended:
            self.channel._restore(self._appended.pop(next(iter(self._appended))))
        _verbs().basic_recover(self.channel, requeue=True)

    def restore_unacked_once(self, stderr: Any = None) -> None:
        """`restore_unacked` for a channel that closes: at most once, and only where the channel
        says ``do_restore``.  Nothing is printed; `stderr` is there for its documented name.
        """
        if self.channel.do_restore and not self._restored:
            self._restored = True
            self.restore_unacked()

    def restore_visible(self, *args: Any, **kwargs: Any) -> None:
        """Give back what other consumers held for too long: for stores with such a time-out,
        whose subclass says how.
        """


@cache
def _verbs() -> type[Channel]:
    """The channel's own verbs, not those of a subclass, which may be what calls us."""
    # The channel's module imports this one.
    from .channel import Channel

    return Channel
