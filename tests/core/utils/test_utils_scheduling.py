"""In what order resources take their turns."""

from __future__ import annotations

from queue import Empty

import pytest

from kombu.utils import scheduling
from kombu.utils.scheduling import FairCycle, priority_cycle, round_robin_cycle, sorted_cycle


def test_a_fair_cycle_goes_on_behind_the_last_resource_that_had_something():
    asked = []
    full = {"c", "d"}

    def fun(resource, callback, **kwargs):
        asked.append((resource, kwargs))
        if resource not in full:
            raise Empty
        return callback(resource)

    cycle = FairCycle(fun, ["a", "b", "c", "d"], Empty)
    assert cycle.get(str.upper, timeout=1) == "C"
    assert asked == [(name, {"timeout": 1}) for name in "abc"]
    assert cycle.get(str.upper) == "D"
    assert cycle.get(str.upper) == "C"
    full.clear()
    with pytest.raises(Empty):
        cycle.get(str.upper)
    assert [name for name, _ in asked[-4:]] == ["d", "a", "b", "c"]
    cycle.close()
    assert repr(cycle) == "<FairCycle: 3/4 ['a', 'b', 'c', 'd']>"


def test_a_fair_cycle_of_nothing_has_nothing():
    with pytest.raises(Empty):
        FairCycle(print, [], Empty).get(print)


def test_other_errors_of_a_fair_cycle_are_raised():
    def fun(resource, callback):
        raise ValueError(resource)

    with pytest.raises(ValueError, match="a"):
        FairCycle(fun, ["a"], Empty).get(print)


def test_cycles_order_their_items():
    robin = round_robin_cycle(["c", "a", "b"])
    assert robin.consume(2) == ["c", "a"]
    assert robin.rotate("c") == "c"
    assert robin.consume(5) == ["a", "b", "c"]
    assert robin.rotate("unknown") == "unknown"
    robin.update(["z", "y"])
    assert robin.consume(2) == ["z", "y"]
    priority = priority_cycle(["c", "a", "b"])
    assert priority.rotate("c") is None
    assert priority.consume(3) == ["c", "a", "b"]
    assert sorted_cycle(["c", "a", "b"]).consume(2) == ["a", "c"]
    assert round_robin_cycle().consume(2) == []


def test_cycles_have_names():
    assert scheduling.cycle_by_name("round_robin") is round_robin_cycle
    assert scheduling.cycle_by_name("priority") is priority_cycle
    assert scheduling.cycle_by_name("sorted") is sorted_cycle
    assert scheduling.cycle_by_name(round_robin_cycle) is round_robin_cycle
