"""What a waiting session is woken by."""

from __future__ import annotations

import threading
from time import monotonic

from kombu_memory.bell import Bell


def test_a_bell_that_was_rung_ends_the_next_wait_once() -> None:
    bell = Bell()
    bell.ring()
    bell.ring()
    begun = monotonic()
    bell.wait(10)
    assert monotonic() - begun < 5
    begun = monotonic()
    bell.wait(0.05)
    assert monotonic() - begun >= 0.05


def test_a_muted_bell_was_not_rung() -> None:
    bell = Bell()
    bell.mute()
    bell.ring()
    bell.mute()
    begun = monotonic()
    bell.wait(0.05)
    assert monotonic() - begun >= 0.05


def test_ringing_ends_a_wait_that_has_begun() -> None:
    bell = Bell()
    timer = threading.Timer(0.05, bell.ring)
    timer.start()
    begun = monotonic()
    bell.wait(1e12)
    timer.join()
    assert monotonic() - begun < 5
