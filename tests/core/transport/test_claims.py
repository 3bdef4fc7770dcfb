"""What stands is told to one thread at a time."""

from __future__ import annotations

import threading
from time import monotonic, time

import pytest

from kombu.transport.backend import Delivery, Envelope
from kombu.transport.claims import Claims


def claim(until: float | None = None) -> Delivery:
    return Delivery("q", object(), Envelope(b"", None, None, {}, {}, "", ""), lease_until=until)


def soon(seconds: float = 5.0) -> float:
    return monotonic() + seconds


def test_what_was_settled_or_ran_out_stands_no_more() -> None:
    claims, over, good, endless = Claims(), claim(time() - 1), claim(time() + 9), claim()
    claims.add([over, good, endless])
    with claims.standing([over, good, endless, claim()], soon(), forget=False) as standing:
        assert standing == [good, endless]
    with claims.standing([good], soon(), forget=True) as standing:
        assert standing == [good]
    assert len(claims) == 2
    with claims.standing([good], soon(), forget=True) as standing:
        assert standing == []


def test_an_error_leaves_a_claim_as_it_was() -> None:
    claims, held = Claims(), claim()
    claims.add([held])
    with (
        pytest.raises(OSError, match="lost"),
        claims.standing([held], soon(), forget=True),
    ):
        raise OSError("lost")
    assert list(claims) == [held]


def test_they_come_in_the_order_in_which_they_run_out() -> None:
    claims, later, sooner = Claims(), claim(time() + 9), claim(time() + 5)
    claims.add([later, sooner])
    assert list(claims) == [sooner, later]


def test_another_thread_waits_until_its_deadline() -> None:
    claims, errors = Claims(), []

    def wait() -> None:
        begun = monotonic()
        try:
            with claims.standing([], begun + 0.1, forget=True):
                pass
        except TimeoutError:
            errors.append(monotonic() - begun)

    with claims.standing([], soon(), forget=True):
        thread = threading.Thread(target=wait)
        thread.start()
        thread.join()
    assert 0.05 < errors[0] < 0.6
