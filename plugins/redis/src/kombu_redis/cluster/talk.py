"""Lines to the masters of a cluster: every script goes to the one that has its keys."""

from __future__ import annotations

import contextlib
from functools import partial
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

import redis.exceptions as driver

from kombu.exceptions import ConnectionError as BrokerConnectionError
from kombu.exceptions import RecoverableConnectionError
from kombu_redis.connection.commands import Call, Commands, pack
from kombu_redis.connection.waiting import readable
from kombu_redis.scripts import SCRIPTS

from .keys import slot_of
from .scripts import NOT_TWICE, adapted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from kombu_redis.connection.talk import Talk

    from .slots import Node, Slots

__all__ = ("TROUBLE", "ClusterTalk")

#: What is raised where a node can't be talked to.
TROUBLE = (OSError, BrokerConnectionError)

#: Answers of a node that is not, or not yet, the one to ask, or can't answer for now.
_ELSEWHERE = (
    driver.AskError,
    driver.TryAgainError,
    driver.ClusterDownError,
    driver.ReadOnlyError,
    driver.BusyLoadingError,
)
#: Between two attempts (seconds), the first and the longest.
_PAUSE, _LONGEST_PAUSE = 0.02, 0.25
#: For how long a node that could not be talked to is left alone by who can do something else, the
#: first time and the longest (seconds).
_SHUNNED, _LONGEST_SHUNNED = 0.5, 4.0
#: How long opening a line may take where nobody waits for it (seconds).
_OPENING = 1.0
#: How often a command may be sent on before there is a pause.
_REDIRECTIONS = 5
#: After how long without an answer it is asked whether the node is still the one (seconds).
_SUSPICIOUS = 1.0
#: How many answers of a node may be outstanding.
_OUTSTANDING = 500
#: For how long what nobody waits for is sent again (seconds).
_KEPT = 30.0


class ClusterTalk(Commands):
    """Lines to the masters, opened when they are needed.

    Used by one thread at a time.  What a node refuses because it is not the one to ask goes to the
    one that is; what can't be done because a master is gone is tried until the deadline, as far as
    it does no harm to do it twice.  A line that breaks does not break the others.

    Args:
        slots: The map.
        line: Makes a line to a node.
        replicas: How many replicas have to have a message, and within how many seconds.
    """

    def __init__(
        self, slots: Slots, line: Callable[[Node], Talk], replicas: tuple[int, float] = (0, 0.0)
    ) -> None:
        self.slots = slots
        self._line = line
        self._talks: dict[Node, Talk] = {}
        #: Until when a node is left alone by who can do something else, and for how long then.
        self._shunned: dict[Node, tuple[float, float]] = {}
        #: What nobody waits for, and is to be sent again: by when, and who is told.
        self._again: list[tuple[Call, Callable[[Any], None], float]] = []
        self._again_at = 0.0
        #: Who is told answers that came when nobody waited for them any more, and by which nodes
        #: some are outstanding.
        self.on_late: Callable[[Call, Any], None] = _ignored
        self._behind: set[Node] = set()
        self._replicas, within = replicas
        self._wait = pack("WAIT", self._replicas, int(within * 1000))

    @property
    def where(self) -> str:  # type: ignore[override]
        """For messages: where the store is."""
        return self.slots.where

    # -- the lines -----------------------------------------------------------------------------

    def open(self, deadline: float) -> None:
        """Read the map, and open a line to one of the masters."""
        self.slots.load(deadline)
        failed: Exception | None = None
        for node in self.slots.masters:
            if failed is not None and monotonic() >= deadline:
                break
            try:
                self.talk(node).open(deadline)
                return
            except TROUBLE as exc:
                failed = exc
        if failed is not None:
            raise failed

    def talk(self, node: Node) -> Talk:
        """The line to a node; it may not be open yet."""
        talk = self._talks.get(node)
        if talk is None:
            talk = self._talks[node] = self._line(node)
            talk.role = self.role
        return talk

    def drop(self) -> None:
        """Close all lines."""
        for talk in self._talks.values():
            talk.drop()
        self._talks.clear()
        self._again.clear()

    def abandon(self) -> None:
        """In the child of a fork: close the descriptors and say nothing."""
        for talk in self._talks.values():
            talk.abandon()
        self._talks.clear()
        self._again.clear()

    def _clear_up(self) -> None:
        """Close the lines to nodes that are masters no more."""
        for node in [node for node in self._talks if node not in self.slots.masters]:
            if not self._talks[node].outstanding:
                self._talks.pop(node).drop()

    # -- with an answer ------------------------------------------------------------------------

    def scripts(self, calls: Sequence[Call], deadline: float) -> list[Any]:
        """Run scripts; an answer may be an exception of the driver's.

        Raises:
            TimeoutError: A master could not be asked by the deadline.
            ConnectionError: (kombu's) The same, or its line broke and it is not known whether a
                message was stored.
        """
        answers = self.attempt(calls, deadline)
        for answer in answers:
            if isinstance(answer, TROUBLE):
                raise answer
        return answers

    def attempt(self, calls: Sequence[Call], deadline: float, *, once: bool = False) -> list[Any]:
        """Run scripts; what a node's trouble left undone is an exception in place of the answer.

        Args:
            calls: What to run.
            deadline: By when.
            once: Whether trouble is told at once, instead of trying again until the deadline.
        """
        answers = self._attempt(calls, deadline, once)
        if self._again and self._again_at <= monotonic() < deadline:
            self._send_again(min(deadline, monotonic() + _OPENING))
        return answers

    def _attempt(self, calls: Sequence[Call], deadline: float, once: bool) -> list[Any]:
        answers: list[Any] = [None] * len(calls)
        left = list(range(len(calls)))
        full: set[int] = set()
        pause = _PAUSE
        rounds = 0
        while True:
            rounds += 1
            generation = self.slots.generation
            redirected, stuck, stale = self._round(calls, left, full, answers, deadline, once)
            if not redirected and not stuck:
                return answers
            if stale and monotonic() + pause < deadline:
                try:
                    self.slots.reload(generation, deadline)
                    self._clear_up()
                except TROUBLE as exc:
                    for at in stuck:
                        if isinstance(answers[at], TROUBLE):
                            answers[at] = exc
            over = monotonic() + pause >= deadline
            if stuck and (once or over):
                stuck = []
            if redirected and over:
                for at in redirected:
                    answers[at] = RecoverableConnectionError(
                        f"The masters of {self.where} sent a command to and fro ({answers[at]}): "
                        "see whether a slot of it is being moved, then connect again"
                    )
                redirected = []
            left = sorted([*redirected, *stuck])
            if not left:
                return answers
            if stuck or rounds > _REDIRECTIONS:
                sleep(pause)
                pause = min(pause * 1.5, _LONGEST_PAUSE)

    def _round(
        self,
        calls: Sequence[Call],
        left: Sequence[int],
        full: set[int],
        answers: list[Any],
        deadline: float,
        once: bool,
    ) -> tuple[list[int], list[int], bool]:
        """Ask each once.

        Returns what has to be asked of another node, what could not be asked, and whether the map
        may be out of date.
        """
        groups: dict[Node, list[int]] = {}
        redirected: list[int] = []
        stuck: list[int] = []
        stale = False
        for at in left:
            node = self.slots.node(slot_of(calls[at].keys[0]))
            if node is None:
                answers[at] = RecoverableConnectionError(
                    f"No master of {self.where} has the slot of {calls[at].keys[0]!r} now: see "
                    "whether a shard of it is down, or connect again"
                )
                stuck.append(at)
                stale = True
            else:
                groups.setdefault(node, []).append(at)
        asked: list[tuple[Node, Talk, list[int]]] = []
        for n, (node, places) in enumerate(groups.items()):
            talk = self.talk(node)
            try:
                # The first attempt is made in any case, however little time there is.
                if (n or answers[places[0]] is not None) and monotonic() >= deadline:
                    raise TimeoutError(f"there was no time left to ask {node}")
                if talk.outstanding and not talk.gather(deadline):
                    raise TimeoutError(f"{node} has not yet answered what it was asked before")
                talk.send([self._packed(calls[at], at in full) for at in places], deadline)
            except TROUBLE as exc:
                stale = True
                self._shun(node)
                for at in places:
                    answers[at] = exc
                if _worth_another(exc):
                    stuck += places
            else:
                asked.append((node, talk, places))
        for node, talk, places in self._as_they_answer(asked, deadline):
            if once and monotonic() >= deadline and not readable(0, talk.fileno()):
                # What comes later is heard later; the line is fine until it is silent for long.
                stale = True
                self._shun(node)
                talk.expect([told for at in places for told in self._told_late(calls[at])])
                self._behind.add(node)
                for at in places:
                    answers[at] = TimeoutError(f"{node} did not answer in time")
                continue
            for n, at in enumerate(places):
                try:
                    answer = self._received(talk, calls[at], deadline)
                except TROUBLE as exc:
                    stale = True
                    self._shun(node)
                    for lost in places[n:]:
                        answers[lost] = exc
                        if _worth_another(exc) and calls[lost].script not in NOT_TWICE:
                            stuck.append(lost)
                    break
                answers[at] = answer
                if not isinstance(answer, Exception):
                    if self._shunned:
                        self._shunned.pop(node, None)
                    continue
                if isinstance(answer, driver.NoScriptError):
                    full.add(at)
                    redirected.append(at)
                elif isinstance(answer, driver.MovedError):
                    self.slots.moved(answer.slot_id, answer.host, answer.port, node)
                    redirected.append(at)
                elif isinstance(answer, driver.AskError):
                    answers[at] = answer = self._asking(calls[at], answer, node, deadline)
                    if isinstance(answer, _ELSEWHERE):
                        stuck.append(at)
                elif isinstance(answer, _ELSEWHERE):
                    stuck.append(at)
                    stale = stale or not isinstance(answer, driver.TryAgainError)
        return redirected, stuck, stale

    def _as_they_answer(
        self, asked: list[tuple[Node, Talk, list[int]]], deadline: float
    ) -> Iterator[tuple[Node, Talk, list[int]]]:
        """Those who answer first come first: one that is silent does not hold up the others.

        The line to one that is silent, and was replaced meanwhile, is closed.
        """
        while asked:
            numbers = {talk.fileno(): n for n, (_, talk, _) in enumerate(asked)}
            now = monotonic()
            ready = readable(max(min(deadline - now, _SUSPICIOUS), 0), *numbers)
            for place in sorted((numbers[fd] for fd in ready), reverse=True):
                yield asked.pop(place)
            if ready:
                continue
            if monotonic() >= deadline:
                break
            with contextlib.suppress(*TROUBLE):
                self.slots.reload(self.slots.generation, min(deadline, monotonic() + _SUSPICIOUS))
            for node, talk, _ in asked:
                if node not in self.slots.masters:
                    talk.drop()
            if any(node not in self.slots.masters for node, _, _ in asked):
                break
        yield from asked

    def _told_late(self, call: Call) -> list[Callable[[Any], None]]:
        """Who is told the answers to a call that nobody waits for any more."""
        waits = self._replicas and call.script is SCRIPTS.put
        return [partial(self.on_late, call), *([_nothing] if waits else [])]

    def late(self) -> list[int]:
        """The descriptors on which answers are late."""
        found = []
        for node in list(self._behind):
            talk = self._talks.get(node)
            if talk is None or not talk.outstanding:
                self._behind.discard(node)
            else:
                found.append(talk.fileno())
        return found

    def catch_up(self) -> None:
        """Read the answers that were late, as far as they are there."""
        now = monotonic()
        for node in list(self._behind):
            talk = self._talks.get(node)
            try:
                if talk is None or talk.gather(now):
                    self._behind.discard(node)
            except TROUBLE:
                self._behind.discard(node)
                self._shun(node)

    def _packed(self, call: Call, full: bool) -> bytes:
        script = adapted(call.script)
        how = ("EVAL", script.text) if full else ("EVALSHA", script.sha)
        command = pack(*how, len(call.keys), *call.keys, *call.args)
        if self._replicas and call.script is SCRIPTS.put:
            command += self._wait
        return command

    def _received(self, talk: Talk, call: Call, deadline: float) -> Any:
        answer = talk.receive(deadline)
        if self._replicas and call.script is SCRIPTS.put:
            copies = talk.receive(deadline)
            if not isinstance(answer, Exception) and copies < self._replicas:
                return RecoverableConnectionError(
                    f"Only {copies} of {self._replicas} replicas of {talk.where} confirmed a "
                    "message in time: it is stored there, and lost if that one dies; publish it "
                    "again, or lower the option replicas"
                )
        return answer

    def _asking(self, call: Call, answer: Any, by: Node, deadline: float) -> Any:
        """Ask the node that is about to have the slot."""
        node = self.slots.reached(answer.host, answer.port, by)
        talk = self.talk(node)
        try:
            talk.send([pack("ASKING"), self._packed(call, True)], deadline)
            talk.receive(deadline)
            return self._received(talk, call, deadline)
        except TROUBLE:
            # Whoever asks again is told where the slot is then.
            return answer

    # -- without -------------------------------------------------------------------------------

    def tell_scripts(self, calls: Sequence[Call], told: Sequence[Callable[[Any], None]]) -> None:
        """Send scripts; the answers are handed to `told` when somebody reads them.

        What does not get there, or is refused by a node that is not the one to ask, is sent again
        for a while, with what somebody waits for.
        """
        groups: dict[Node, list[int]] = {}
        now = monotonic()
        for at, call in enumerate(calls):
            node = self.slots.node(slot_of(call.keys[0]))
            # To open a line takes a while that nobody has here: who waits for answers does it.
            if node is None or not self.talk(node).at_hand or self._is_shunned(node):
                self._again.append((call, told[at], now + _KEPT))
            else:
                groups.setdefault(node, []).append(at)
        for node, places in groups.items():
            talk = self.talk(node)
            try:
                talk.open(now + _OPENING)
                if talk.outstanding > _OUTSTANDING:
                    talk.collect(now + _OPENING)
                talk.tell(
                    [self._packed(calls[at], False) for at in places],
                    [partial(self._told, calls[at], told[at], node) for at in places],
                    None,
                )
            except TROUBLE:
                self._shun(node)
                self._again += [(calls[at], told[at], now + _KEPT) for at in places]

    def _told(self, call: Call, told: Callable[[Any], None], node: Node, answer: Any) -> None:
        if isinstance(answer, driver.MovedError):
            self.slots.moved(answer.slot_id, answer.host, answer.port, node)
        elif not isinstance(answer, (*_ELSEWHERE, driver.NoScriptError, ConnectionResetError)):
            told(answer)
            return
        # Whether it was done before its line broke is not known: being done is what counts then.
        unheard = isinstance(answer, ConnectionResetError)
        self._again.append((call, _nothing if unheard else told, monotonic() + _KEPT))

    def again(self, call: Call, told: Callable[[Any], None]) -> None:
        """Send a script once more."""
        self._again.append((call, told, monotonic() + _KEPT))

    def _send_again(self, deadline: float, *, last: bool = False) -> None:
        """Send what nobody waits for, except to nodes that could not be talked to just now.

        Args:
            deadline: By when.
            last: Whether nobody will try again.
        """
        now = monotonic()
        self._again_at = now + _LONGEST_PAUSE
        waiting, self._again = self._again, []
        if not last:
            self._again = [entry for entry in waiting if self.shunned(entry[0].keys[0])]
            waiting = [entry for entry in waiting if entry not in self._again]
        answers = self._attempt([call for call, _, _ in waiting], deadline, not last)
        for (call, told, until), answer in zip(waiting, answers, strict=True):
            if not isinstance(answer, (*TROUBLE, *_ELSEWHERE)):
                told(answer)
            elif not last and now < until:
                self._again.append((call, told, until))
            else:
                told(ConnectionResetError(str(answer)))

    def collect(self, deadline: float) -> None:
        """Read the answers that are outstanding, and do what had to be sent again."""
        for node, talk in list(self._talks.items()):
            if talk.outstanding:
                try:
                    talk.collect(deadline)
                except TROUBLE:
                    self._shun(node)
        if self._again:
            self._send_again(deadline, last=True)

    @property
    def outstanding(self) -> int:
        """How many answers are."""
        return len(self._again) + sum(talk.outstanding for talk in self._talks.values())

    def shunned(self, key: str) -> bool:
        """Whether the master of a key could not be talked to just now."""
        node = self.slots.node(slot_of(key))
        return node is None or self._is_shunned(node)

    def _shun(self, node: Node) -> None:
        _, before = self._shunned.get(node, (0.0, 0.0))
        seconds = min(max(_SHUNNED, before * 2), _LONGEST_SHUNNED)
        self._shunned[node] = (monotonic() + seconds, seconds)

    def _is_shunned(self, node: Node) -> bool:
        return node in self._shunned and self._shunned[node][0] > monotonic()


def _nothing(answer: Any) -> None:
    pass


def _ignored(call: Call, answer: Any) -> None:
    pass


def _worth_another(exc: BaseException) -> bool:
    """Whether it may be another time; wrong credentials stay wrong."""
    return not isinstance(exc, BrokerConnectionError) or isinstance(exc, RecoverableConnectionError)
