"""What is asked of several masters at once: each answer belongs to its question.

The masters are stood in for, since what is tested depends on which of them answers first.
"""

from __future__ import annotations

import os
import time
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Any, cast

import pytest
import redis.exceptions as driver

from kombu.exceptions import RecoverableConnectionError
from kombu_redis.cluster.connection import round as rounds
from kombu_redis.cluster.connection.slots import Node
from kombu_redis.cluster.connection.talk import ClusterTalk
from kombu_redis.cluster.connection.trouble import NotAsked
from kombu_redis.cluster.keys import slot_of
from kombu_redis.connection.commands import Call
from kombu_redis.scripts import SCRIPTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kombu_redis.cluster.connection.slots import Slots
    from kombu_redis.connection.talk import Talk

FIRST, SECOND = Node("first", 1), Node("second", 2)


class Line:
    """A line to a master that answers what it is sent by what `answers` returns for it."""

    def __init__(self, answers: Callable[[bytes], Any]) -> None:
        self._answers = answers
        self._here: deque[Any] = deque()
        self._pipe: tuple[int, int] | None = os.pipe()
        self.told: deque[Callable[[Any], None]] = deque()
        self.role = ""

    def send(self, commands: list[bytes], deadline: float) -> None:
        if self._pipe is None:
            self._pipe = os.pipe()
        for command in commands:
            answer = self._answers(command)
            if answer is not None:
                self.put(answer)

    def put(self, answer: Any) -> None:
        assert self._pipe is not None
        self._here.append(answer)
        os.write(self._pipe[1], b"!")

    def receive(self, deadline: float) -> Any:
        if self._pipe is None:
            raise RecoverableConnectionError("it was closed")
        assert self._here, "an answer is read that does not come"
        os.read(self._pipe[0], 1)
        return self._here.popleft()

    def expect(self, told: list[Callable[[Any], None]]) -> None:
        self.told.extend(told)

    @property
    def outstanding(self) -> int:
        return len(self.told)

    def gather(self, deadline: float) -> bool:
        while self.told and self._here:
            self.told.popleft()(self.receive(deadline))
        return not self.told

    def fileno(self) -> int:
        if self._pipe is None:
            raise RecoverableConnectionError("it was closed")
        return self._pipe[0]

    @property
    def is_open(self) -> bool:
        return self._pipe is not None

    def drop(self) -> None:
        pipe, self._pipe = self._pipe, None
        self._here.clear()
        self.told.clear()
        for fd in pipe or ():
            os.close(fd)


class Map:
    """A map of two masters: keys that begin with `s` are the second one's."""

    where = "the cluster"

    def __init__(self) -> None:
        self.masters = [FIRST, SECOND]
        self.generation = 0
        self.on_reload: Callable[[], None] = lambda: None

    def node(self, slot: int) -> Node:
        return SECOND if slot == slot_of("s") else FIRST

    def reached(self, host: str, port: int, by: Node) -> Node:
        return Node(host, port)

    def reload(self, seen: int, deadline: float) -> None:
        self.on_reload()


class Masters:
    def __init__(self) -> None:
        self.map = Map()
        self.lines = {FIRST: Line(echo), SECOND: Line(echo)}
        self.talk = ClusterTalk(cast("Slots", self.map), self._line)

    def _line(self, node: Node) -> Talk:
        return cast("Talk", self.lines[node])

    def answer(self, node: Node, answers: Callable[[bytes], Any]) -> None:
        self.lines[node]._answers = answers


def echo(command: bytes) -> bytes:
    """The last word."""
    return command.split(b"\r\n")[-2]


def silent(command: bytes) -> None:
    return None


def question(key: str, word: str) -> Call:
    return Call(SCRIPTS.renew, [key], [word])


@pytest.fixture
def masters() -> Iterator[Masters]:
    masters = Masters()
    yield masters
    for line in masters.lines.values():
        line.drop()


def test_what_is_sent_on_while_others_answer_gets_its_own_answer(masters: Masters) -> None:
    """To a master whose answers to the same round were not read yet."""
    masters.answer(FIRST, lambda _: driver.AskError("1 second:2"))
    calls = [question("s", "of the second"), question("f", "of the first")]
    assert masters.talk.attempt(calls, monotonic() + 5) == [b"of the second", b"of the first"]


def test_a_publish_that_was_sent_on_and_not_answered_is_not_sent_twice(masters: Masters) -> None:
    """Nobody knows whether the message is stored."""
    sent: list[bytes] = []
    masters.answer(FIRST, lambda command: sent.append(command) or driver.AskError("1 second:2"))

    def lost(command: bytes) -> None:
        masters.lines[SECOND].drop()

    masters.answer(SECOND, lost)
    (answer,) = masters.talk.attempt([Call(SCRIPTS.put, ["f"], ["1"])], monotonic() + 0.5)
    assert isinstance(answer, RecoverableConnectionError)
    assert len(sent) == 1


def test_who_is_interrupted_leaves_no_answers_to_others(
    masters: Masters, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a signal, or by an error with one master: the lines to all that were asked are closed."""
    with monkeypatch.context() as patch:
        patch.setattr(rounds, "readable", interrupted)
        with pytest.raises(KeyboardInterrupt):
            masters.talk.attempt([question("f", "1"), question("s", "2")], monotonic() + 5)
    assert not any(line.is_open for line in masters.lines.values())
    calls = [question("f", "3"), question("s", "4")]
    assert masters.talk.attempt(calls, monotonic() + 5) == [b"3", b"4"]


def interrupted(seconds: float, *descriptors: int) -> set[int]:
    raise KeyboardInterrupt


def test_who_was_not_asked_since_another_took_the_time_is_not_taken_for_silent(
    masters: Masters, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And comes first the next time."""
    first = masters.lines[FIRST]
    first.expect([lambda answer: None])

    def wait(deadline: float) -> bool:
        time.sleep(max(deadline - monotonic(), 0))
        return False

    monkeypatch.setattr(first, "gather", wait)
    calls = [question("f", "1"), question("s", "2")]
    silent, innocent = masters.talk.attempt(calls, monotonic() + 0.1, once=True)
    assert isinstance(silent, TimeoutError)
    assert not isinstance(silent, NotAsked)
    assert isinstance(innocent, NotAsked)
    assert masters.talk.shunned("f")
    assert not masters.talk.shunned("s")
    silent, answer = masters.talk.attempt(calls, monotonic() + 0.1, once=True)
    assert isinstance(silent, TimeoutError)
    assert answer == b"2"


def test_a_master_that_is_replaced_at_the_last_moment_is_a_failure_of_its_own(
    masters: Masters, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the others answered is not lost by it."""
    masters.answer(FIRST, silent)
    monkeypatch.setattr(rounds, "_SUSPICIOUS", 0.05)
    deadline = monotonic() + 0.5

    def replace() -> None:
        masters.map.masters.remove(FIRST)
        while monotonic() < deadline:
            pass

    masters.map.on_reload = replace
    first, second = masters.talk.attempt(
        [question("f", "1"), question("s", "2")], deadline, once=True
    )
    assert second == b"2"
    assert isinstance(first, RecoverableConnectionError)
