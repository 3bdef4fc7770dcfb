"""Waits until a master rings, or there is something else to do."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from kombu_redis.connection.commands import Call
from kombu_redis.connection.waiting import readable

from ..scripts import OWN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kombu_redis.consume.wake import Wake

    from ..connection.talk import ClusterTalk
    from ..keys import ClusterKeys
    from .failures import Failures
    from .listening import Listening
    from .queues import KnownQueues, Room

__all__ = ("Waiting",)


class Waiting:
    """Waits for one session.  Used by one thread at a time.

    Args:
        keys: The names of the queues' keys.
        talk: The session's lines.
        queues: What is known of the queues.
        failures: Knows when masters are asked again.
        listening: The lines on which they ring.
        wake: Ends the wait.
    """

    def __init__(
        self,
        keys: ClusterKeys,
        talk: ClusterTalk,
        queues: KnownQueues,
        failures: Failures,
        listening: Listening,
        wake: Wake,
    ) -> None:
        self._keys = keys
        self._talk = talk
        self._queues = queues
        self._failures = failures
        self._listening = listening
        self._wake = wake

    def rest(self, seconds: float) -> None:
        """Wait without listening, since there is no room for anything."""
        self.stop()
        if readable(seconds, self._wake.fileno()):
            self._wake.silence()

    def sleep(self, room: Room, deadline: float) -> None:
        """Wait until a master rings, or there is something else to do."""
        until = min(deadline, self._queues.until(room))
        if self._failures.retry_at is not None:
            until = min(until, self._failures.retry_at)
        self.hear(max(until - monotonic(), 0), room)
        self._queues.fall_due(room)

    def hear(self, seconds: float, room: Room) -> None:
        """Listen for so long at most."""
        heard = self._listening.heard()
        if not heard:
            numbers = self._listening.descriptors()
            late = self._talk.behind.descriptors()
            ready = readable(seconds, self._wake.fileno(), *late, *numbers)
            if self._wake.fileno() in ready:
                self._wake.silence()
            for number in ready & numbers.keys():
                if not self._listening.hear(numbers[number]):
                    # What it would have told of is not known any more.
                    self._queues.mistrust()
            heard = self._listening.heard()
        hand_on = [bell for bell in heard if not self._queues.ring(bell, room)]
        if hand_on:
            self._hand_on(hand_on)

    def _hand_on(self, bells: Sequence[bytes]) -> None:
        """Have somebody else told of messages that this one can't take."""
        keys = self._keys
        calls = [
            Call(OWN.hand_on, keys.queue(name), (len(keys.steps),))
            for name in self._queues.named(bells)
        ]
        self._talk.tell_scripts(calls, [_nothing] * len(calls))

    def pause(self) -> None:
        """Have others told while this one works; not where it takes longer than it is worth."""
        if not self._queues.many:
            self.stop()

    def stop(self) -> None:
        """Have others told."""
        if self._queues.waits:
            self._queues.wait_no_more()
            self._listening.leave()

    def close(self) -> None:
        """Have others told of what was heard last, and close the lines."""
        for node in self._listening.descriptors().values():
            self._listening.leave()
            self._listening.hear(node)
        heard = self._listening.heard()
        if heard:
            self._hand_on(heard)
        self._listening.close()

    def forked(self) -> None:
        """In the child of a fork: close the descriptors."""
        self._listening.forked()
        self._queues.wait_no_more()


def _nothing(answer: Any) -> None:
    pass
