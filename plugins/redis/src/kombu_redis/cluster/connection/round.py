"""One round of asking: scripts go to all masters before the first answer is read."""

from __future__ import annotations

import contextlib
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple

import redis.exceptions as driver

from kombu.exceptions import RecoverableConnectionError
from kombu_redis.connection.commands import pack
from kombu_redis.connection.waiting import readable

from ..keys import slot_of
from ..scripts import NOT_TWICE
from .trouble import ELSEWHERE, TROUBLE, NotAsked, worth_another

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from kombu_redis.connection.commands import Call
    from kombu_redis.connection.talk import Talk

    from .behind import Behind
    from .lines import Lines
    from .shunning import Shunning
    from .slots import Node
    from .wording import Wording

__all__ = ("Means", "Round")

#: After how long without an answer it is asked whether the node is still the one (seconds).
_SUSPICIOUS = 1.0
#: How long who was asked has to answer at least, before it is left for later (seconds).
_LEAST = 0.1


class Means(NamedTuple):
    """What it takes to ask."""

    lines: Lines
    shunning: Shunning
    wording: Wording
    behind: Behind


class _Asked(NamedTuple):
    """A node that was asked, and the places of the calls that it is to answer."""

    node: Node
    talk: Talk
    places: list[int]


class Round:
    """Calls, and what became of them; those that are left are asked once in each round.

    Args:
        means: What it takes to ask.
        calls: What is asked.
        deadline: By when.
        once: Whether an answer that is late is left for later.
    """

    __slots__ = (
        "_calls",
        "_deadline",
        "_full",
        "_means",
        "_moving",
        "_once",
        "_slots",
        "answers",
        "redirected",
        "stale",
        "stuck",
    )

    def __init__(self, means: Means, calls: Sequence[Call], deadline: float, once: bool) -> None:
        self._means = means
        self._slots = means.lines.slots
        self._calls = calls
        self._deadline = deadline
        self._once = once
        #: The places of calls that travel with their text.
        self._full: set[int] = set()
        #: The places of calls whose slot is being moved, what was answered, and by whom.
        self._moving: list[tuple[int, Any, Node]] = []
        #: The answers so far, an exception where there is none.
        self.answers: list[Any] = [None] * len(calls)
        #: The places of what has to be asked of another node, ...
        self.redirected: list[int] = []
        #: ... those of what could not be asked, ...
        self.stuck: list[int] = []
        #: ... and whether the map may be out of date.
        self.stale = False

    def go(self, left: Sequence[int]) -> None:
        """Ask the calls at these places, each once."""
        self.redirected, self.stuck, self.stale = [], [], False
        asked: list[_Asked] = []
        try:
            self._send(self._by_node(left), asked)
            if self._once:
                # Who was asked at the last moment is not silent yet.
                self._deadline = max(self._deadline, monotonic() + _LEAST)
            for one in self._as_they_answer(asked.copy()):
                if self._once and self._is_late(one.talk):
                    self._leave(one)
                else:
                    self._receive(one)
        except BaseException:
            # Answers that nobody read would be taken for those to what is asked next.
            for one in asked:
                one.talk.drop()
            raise
        if self._moving:
            self._ask_others()

    # -- asking --------------------------------------------------------------------------------

    def _by_node(self, left: Sequence[int]) -> dict[Node, list[int]]:
        """Who has to be asked what."""
        groups: dict[Node, list[int]] = {}
        for at in left:
            key = self._calls[at].keys[0]
            node = self._slots.node(slot_of(key))
            if node is None:
                self.answers[at] = RecoverableConnectionError(
                    f"No master of {self._slots.where} has the slot of {key!r} now: see whether a "
                    "shard of it is down, or connect again"
                )
                self.stuck.append(at)
                self.stale = True
            else:
                groups.setdefault(node, []).append(at)
        return groups

    def _send(self, groups: dict[Node, list[int]], asked: list[_Asked]) -> None:
        """Ask, and note in `asked` who could be."""
        deadline, packed = self._deadline, self._means.wording.packed
        doubted = self._means.shunning.doubted
        order: Iterable[tuple[Node, list[int]]] = groups.items()
        if doubted and len(groups) > 1:
            # Those that failed more often come later: they may take all the time that there is.
            order = sorted(order, key=lambda group: doubted.get(group[0], (0.0, 0.0))[1])
        for n, (node, places) in enumerate(order):
            # The first attempt is made in any case, however little time there is.
            if (n or self.answers[places[0]] is not None) and monotonic() >= deadline:
                self._undone(places, NotAsked(f"There was no time left to ask {node}"))
                continue
            talk = self._means.lines.to(node)
            try:
                if talk.outstanding and not talk.gather(deadline):
                    raise TimeoutError(f"{node} has not yet answered what it was asked before")
                talk.send([packed(self._calls[at], at in self._full) for at in places], deadline)
            except TROUBLE as exc:
                self._means.shunning.shun(node)
                self._undone(places, exc)
            else:
                asked.append(_Asked(node, talk, places))

    def _undone(self, places: Sequence[int], exc: Exception) -> None:
        """These could not be asked."""
        self.stale = True
        for at in places:
            self.answers[at] = exc
        if worth_another(exc):
            self.stuck += places

    def _suspect(self, node: Node) -> None:
        self.stale = True
        self._means.shunning.shun(node)

    # -- hearing -------------------------------------------------------------------------------

    def _as_they_answer(self, asked: list[_Asked]) -> Iterator[_Asked]:
        """Those who answer first come first: one that is silent does not hold up the others.

        The line to one that is silent, and was replaced meanwhile, is closed.
        """
        slots, deadline = self._slots, self._deadline
        while asked:
            numbers = {one.talk.fileno(): n for n, one in enumerate(asked)}
            now = monotonic()
            ready = readable(max(min(deadline - now, _SUSPICIOUS), 0), *numbers)
            for place in sorted((numbers[fd] for fd in ready), reverse=True):
                yield asked.pop(place)
            if ready:
                continue
            if monotonic() >= deadline:
                break
            with contextlib.suppress(*TROUBLE):
                slots.reload(slots.generation, min(deadline, monotonic() + _SUSPICIOUS))
            replaced = [one for one in asked if one.node not in slots.masters]
            for one in replaced:
                one.talk.drop()
            if replaced:
                break
        yield from asked

    def _is_late(self, talk: Talk) -> bool:
        """Whether there is no time left, and no answer."""
        if monotonic() < self._deadline:
            return False
        try:
            return not readable(0, talk.fileno())
        except TROUBLE:
            # It was closed: who reads from it hears why.
            return False

    def _leave(self, asked: _Asked) -> None:
        """What comes later is heard later; the line is fine until it is silent for long."""
        node, talk, places = asked
        self._suspect(node)
        self._means.behind.expect(node, talk, [self._calls[at] for at in places])
        for at in places:
            self.answers[at] = TimeoutError(f"{node} did not answer in time")

    def _receive(self, asked: _Asked) -> None:
        """Read what one node answers."""
        node, talk, places = asked
        _, shunning, wording, _ = self._means
        received = wording.received
        for n, at in enumerate(places):
            try:
                answer = received(talk, self._calls[at], self._deadline)
            except TROUBLE as exc:
                self._lose(node, places[n:], exc)
                return
            self.answers[at] = answer
            if isinstance(answer, Exception):
                self._refused(node, at, answer)
            elif shunning.doubted:
                shunning.forgive(node)

    def _lose(self, node: Node, places: Sequence[int], exc: Exception) -> None:
        """The line broke before these were answered: not all of them may be done twice."""
        self._suspect(node)
        for at in places:
            self.answers[at] = exc
            if worth_another(exc) and self._calls[at].script not in NOT_TWICE:
                self.stuck.append(at)

    def _refused(self, node: Node, at: int, answer: Exception) -> None:
        """See whether a node that says no means that another one is to be asked, or later."""
        if isinstance(answer, driver.NoScriptError):
            self._full.add(at)
            self.redirected.append(at)
        elif isinstance(answer, driver.MovedError):
            self._slots.moved(answer.slot_id, answer.host, answer.port, node)
            self.redirected.append(at)
        elif isinstance(answer, driver.AskError):
            self._moving.append((at, answer, node))
        elif isinstance(answer, ELSEWHERE):
            self.stuck.append(at)
            self.stale = self.stale or not isinstance(answer, driver.TryAgainError)

    def _ask_others(self) -> None:
        """Ask those who are about to have slots; not before what they were asked is answered."""
        moving, self._moving = self._moving, []
        for at, answer, node in moving:
            self.answers[at] = final = self._ask_other(self._calls[at], answer, node)
            if isinstance(final, ELSEWHERE):
                self.stuck.append(at)

    def _ask_other(self, call: Call, answer: Any, by: Node) -> Any:
        """Ask the node that is about to have the slot."""
        lines, _, wording, _ = self._means
        talk = lines.to(self._slots.reached(answer.host, answer.port, by))
        try:
            talk.send([pack("ASKING"), wording.packed(call, True)], self._deadline)
        except TROUBLE:
            # Whoever asks again is told where the slot is then.
            return answer
        try:
            talk.receive(self._deadline)
            return wording.received(talk, call, self._deadline)
        except TROUBLE as exc:
            return exc if call.script in NOT_TWICE else answer
