"""Waiting for what a broker does in its own time: by asking again, never by a fixed pause."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .protocol import Channel, Got

__all__ = (
    "bodies",
    "expect",
    "hold",
    "nothing_in",
    "receive",
    "receive_nothing",
    "take",
    "wait_until",
)

#: How long something that has to happen may take (seconds).
PATIENCE = 5.0

#: How long to look whether something happens that must not (seconds).
QUIET = 0.12


def wait_until(happened: Callable[[], bool], what: str) -> None:
    """Ask until `happened` says so."""
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < deadline, f"did not happen within {PATIENCE} s: {what}"
        time.sleep(0.005)


def take(channel: Channel, queue: str, count: int = 1) -> list[Got]:
    """Take `count` messages from a queue, for good, waiting for them."""
    got: list[Got] = []

    def complete() -> bool:
        while len(got) < count:
            message = channel.get(queue, no_ack=True)
            if message is None:
                return False
            got.append(message)
        return True

    wait_until(complete, f"{count} message(s) in {queue}")
    return got


def bodies(messages: Sequence[Got]) -> list[str]:
    """What the messages say."""
    return [message.body for message in messages]


def hold(channel: Channel, queue: str) -> Got:
    """Take a message that is still to be settled, waiting for it."""
    got: list[Got] = []

    def there() -> bool:
        message = channel.get(queue)
        if message is not None:
            got.append(message)
        return bool(got)

    wait_until(there, f"a message in {queue}")
    return got[0]


def expect(channel: Channel, queue: str, *wanted: str) -> None:
    """The queue holds exactly these, in this order, and then nothing."""
    assert bodies(take(channel, queue, len(wanted))) == list(wanted)
    assert channel.get(queue, no_ack=True) is None


def nothing_in(channel: Channel, *queues: str) -> None:
    """Nothing comes into the queues for a while."""
    until = time.monotonic() + QUIET
    while time.monotonic() < until:
        for queue in queues:
            found = channel.get(queue, no_ack=True)
            assert found is None, f"{queue} was to stay empty, but holds {found}"
        time.sleep(0.02)


def receive(channel: Channel, count: int = 1) -> list[Got]:
    """The next deliveries to the consumers of a channel."""
    got: list[Got] = []
    for _ in range(count):
        message = channel.receive(PATIENCE)
        assert message is not None, f"{len(got)} of {count} deliveries came within {PATIENCE} s"
        got.append(message)
    return got


def receive_nothing(channel: Channel) -> None:
    """No delivery comes for a while."""
    message = channel.receive(QUIET)
    assert message is None, f"nothing was to be delivered, but {message} was"
