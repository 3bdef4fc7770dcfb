"""Asks masters whether queues have something, and to tell when they have."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from kombu_redis.connection.commands import Call

from ..connection.trouble import TROUBLE, NotAsked
from ..keys import slot_of
from ..scripts import OWN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..connection.slots import Node
    from ..connection.talk import ClusterTalk
    from ..keys import ClusterKeys
    from .failures import Failures
    from .listening import Listening
    from .queues import KnownQueues, Room

__all__ = ("Looking", "Question")

#: A queue, and the channel on which to be told of it, if so.
Question = tuple[str, str]


class Looking:
    """Looks at queues for one session.  Used by one thread at a time.

    Args:
        keys: The names of the queues' keys.
        talk: The session's lines.
        queues: What is known of the queues.
        failures: What went wrong.
        listening: The lines to be told on.
    """

    def __init__(
        self,
        keys: ClusterKeys,
        talk: ClusterTalk,
        queues: KnownQueues,
        failures: Failures,
        listening: Listening,
    ) -> None:
        self._keys = keys
        self._talk = talk
        self._queues = queues
        self._failures = failures
        self._listening = listening

    def look(self, room: Room, now: float) -> None:
        """Ask the queues of which nobody would tell, and have it told when there are messages."""
        missing = self._missing(room, now)
        if missing:
            questions, failed = self._channels(missing)
            self._ask(questions, failed, monotonic() + self._failures.patience)

    def ask(self, names: Sequence[str], by: float) -> None:
        """Ask whether queues have something."""
        self._ask([(name, "") for name in names], [], by)

    def glance(self, room: Room) -> list[Question]:
        """The queues that were empty, if it is time to ask them, and what to be told on."""
        if len(room.roomy) < 2:
            return []
        now = monotonic()
        if not self._queues.glance(now):
            return []
        if not self._queues.many:
            self._try_again(now)
            return [(name, "") for name in self._queues.cold(room.roomy)]
        return self._channels(self._queues.cold(self._missing(room, now)))[0]

    def call(self, question: Question) -> Call:
        """What asks a question."""
        name, channel = question
        return Call(OWN.wait, self._keys.group(name)[3:], (name, len(self._keys.steps), channel))

    def _missing(self, room: Room, now: float) -> list[str]:
        """The queues of which nobody would tell, but for those that can't be asked just now."""
        self._queues.tire(now, len(room.roomy))
        self._try_again(now)
        return self._queues.unknown(room)

    def _try_again(self, now: float) -> None:
        """Have those that could not be asked asked again, if it is time."""
        if self._failures.over(now):
            self._queues.brighten()

    def _ask(self, questions: Sequence[Question], failed: list[Exception], by: float) -> None:
        answers = self._talk.attempt([self.call(one) for one in questions], by, once=True)
        self.note(questions, answers)
        self._failures.judge([*answers, *failed], by)

    def note(self, questions: Sequence[Question], answers: Sequence[Any]) -> None:
        """Note what was answered to questions."""
        for (name, channel), answer in zip(questions, answers, strict=True):
            if not isinstance(answer, Exception):
                self._queues.answer(name, answer, bool(channel))
            elif not isinstance(answer, NotAsked):
                self._queues.darken(name)

    def _channels(self, names: Sequence[str]) -> tuple[list[Question], list[Exception]]:
        """The channels on which queues are told of, and why it can't be listened to some."""
        channels: dict[Node | None, str | None] = {None: None}
        failed: list[Exception] = []
        found: list[Question] = []
        for name in names:
            node = self._talk.slots.node(slot_of(self._keys.queue(name)[0]))
            if node is not None and node not in channels:
                channels[node] = None
                try:
                    by = monotonic() + self._failures.patience
                    channels[node] = self._listening.channel(node, by)
                except TROUBLE as exc:
                    failed.append(exc)
            channel = channels[node]
            if channel is None:
                self._queues.darken(name)
            else:
                found.append((name, channel))
        return found, failed
