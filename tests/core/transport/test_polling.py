"""Sessions that ask again and again, and whose turn it is."""

from __future__ import annotations

import threading
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from kombu.transport.backend import Delivery, Envelope, Want, Wants
from kombu.transport.polling import PolledSession, Turns

if TYPE_CHECKING:
    from collections.abc import Callable


class Looks(PolledSession):
    """Notes when it was asked; has a message at the time `there`."""

    def __init__(self, there: float = 1e9, longest: float = 0.05) -> None:
        super().__init__(longest)
        self.there = there
        self.at: list[float] = []
        self.deadlines: list[float] = []

    def claim(self, wants: Wants, limit: int, deadline: float) -> list[Delivery]:
        self.at.append(monotonic())
        self.deadlines.append(deadline)
        envelope = Envelope(b"", None, None, {}, {}, "", "")
        return [Delivery("q", 1, envelope)] if monotonic() >= self.there else []


WANTS = Wants({"q": Want(1)})


def test_a_fetch_asks_with_growing_pauses_and_at_the_deadline() -> None:
    session, begun = Looks(), monotonic()
    assert session.fetch(WANTS, 1, begun + 0.3) == []
    assert 0.3 <= session.at[-1] - begun < 0.6
    pauses = [later - sooner for sooner, later in zip(session.at, session.at[1:], strict=False)]
    assert pauses[0] < 0.05
    assert 5 <= len(pauses) <= 12
    # The last look has a moment for its answer.
    assert begun + 0.3 < session.deadlines[-1] < begun + 0.8


def test_what_comes_ends_the_wait() -> None:
    begun = monotonic()
    assert len(Looks(begun + 0.1).fetch(WANTS, 1, begun + 5)) == 1
    assert monotonic() - begun < 0.5


def test_a_look_without_waiting_is_one_look_by_the_deadline() -> None:
    session, deadline = Looks(), monotonic() + 5
    assert session.fetch(WANTS, 1, deadline, wait=False) == []
    assert session.deadlines == [deadline]


def test_an_interrupt_ends_the_wait_or_the_next_one() -> None:
    session, begun = Looks(longest=5), monotonic()
    threading.Timer(0.1, session.interrupt).start()
    assert session.fetch(WANTS, 1, begun + 5) == []
    assert monotonic() - begun < 1
    session.interrupt()
    session.fetch(WANTS, 1, begun + 5, wait=False)
    assert session.fetch(WANTS, 1, begun + 5) == []
    assert monotonic() - begun < 1
    assert session.fetch(WANTS, 1, monotonic() + 0.2) == []
    assert monotonic() - begun > 0.25


def test_there_is_nothing_to_maintain() -> None:
    assert Looks().maintain([], 1, 0.0) == ((), None)
    with pytest.raises(NotImplementedError, match="no method claim"):
        PolledSession(1).fetch(WANTS, 1, 0.0)


def taking(**stock: int) -> Callable[[list[str]], list[str | None]]:
    def ask(names: list[str]) -> list[str | None]:
        answers: list[str | None] = []
        for name in names:
            stock[name] -= 1
            answers.append(f"of {name}" if stock[name] >= 0 else None)
        return answers

    return ask


def test_everybody_comes_before_anybody_twice() -> None:
    wants = Wants({"a": Want(9), "b": Want(9), "c": Want(1), "d": Want(0)})
    taken = Turns().take(wants, 6, taking(a=5, b=1, c=5, d=5))
    assert [name for name, _ in taken] == ["a", "b", "c", "a", "a", "a"]
    assert taken[0][1] == "of a"


def test_whose_turn_was_longest_ago_is_first() -> None:
    turns, ask = Turns(), taking(a=9, b=9, c=9)
    wants = Wants({name: Want(9) for name in "abc"})
    served = [turns.take(wants, 1, ask)[0][0] for _ in range(6)]
    assert served == ["a", "b", "c", "a", "b", "c"]


def test_who_has_nothing_is_not_asked_again() -> None:
    asked: list[str] = []

    def ask(names: list[str]) -> list[None]:
        asked.extend(names)
        return [None] * len(names)

    assert Turns().take(Wants({"a": Want(50), "b": Want(50)}), 2, ask) == []
    assert asked == ["a", "b"]
    assert Turns().take(Wants(), 2, ask) == []
