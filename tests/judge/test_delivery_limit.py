"""How often a message may come back before it is given up (x-delivery-limit)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .deaths import deaths
from .waiting import expect, hold, receive, take

if TYPE_CHECKING:
    from collections.abc import Callable

    from .protocol import Channel

#: RabbitMQ counts deliveries in its quorum queues alone; memory reads the type and has but one.
QUORUM = {"x-queue-type": "quorum"}


@pytest.fixture
def queue(channel: Channel, name: Callable[[str], str]) -> Callable[..., tuple[str, str]]:
    """Declares a queue with a delivery limit, and one for its dead letters."""

    def declare(limit: int) -> tuple[str, str]:
        dead = channel.declare_queue(name("dead")).name
        arguments = {
            **QUORUM,
            "x-delivery-limit": limit,
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": dead,
        }
        return channel.declare_queue(name("q"), durable=True, arguments=arguments).name, dead

    return declare


def test_the_count_of_deliveries_is_told(
    channel: Channel, queue: Callable[[int], tuple[str, str]]
) -> None:
    limited, _ = queue(10)
    channel.publish("m", limited, headers={"own": 1})
    got = hold(channel, limited)
    for count in range(4):
        # A message that was never delivered may come without the header.
        assert got.headers.get("x-delivery-count", 0) == count
        assert got.headers["own"] == 1
        assert got.redelivered == (count > 0)
        channel.reject(got.tag, requeue=True)
        got = hold(channel, limited)


@pytest.mark.parametrize("limit", [0, 1, 2])
def test_a_message_returned_more_often_than_the_limit_is_dead_lettered(
    channel: Channel, queue: Callable[[int], tuple[str, str]], limit: int
) -> None:
    limited, dead = queue(limit)
    channel.publish("m", limited)
    for _ in range(limit + 1):
        channel.reject(hold(channel, limited).tag, requeue=True)
    (got,) = take(channel, dead)
    assert deaths(got) == [
        {
            "count": 1,
            "reason": "delivery_limit",
            "queue": limited,
            "exchange": "",
            "routing-keys": [limited],
        }
    ]
    assert got.headers["x-first-death-reason"] == "delivery_limit"
    expect(channel, limited)


def test_closing_a_channel_counts_as_returning(
    channel: Channel, other: Channel, queue: Callable[[int], tuple[str, str]]
) -> None:
    limited, dead = queue(0)
    channel.publish("m", limited)
    hold(other, limited)
    other.close()
    assert take(channel, dead)[0].body == "m"


def test_a_message_within_the_limit_stays_in_its_place(
    channel: Channel, queue: Callable[[int], tuple[str, str]]
) -> None:
    limited, _ = queue(5)
    for body in "abc":
        channel.publish(body, limited)
    channel.consume(limited)
    a, b, c = receive(channel, 3)
    assert [a.body, b.body, c.body] == ["a", "b", "c"]
    channel.reject(b.tag, requeue=True)
    (again,) = receive(channel)
    assert (again.body, again.headers) == ("b", {"x-delivery-count": 1})


def test_without_dead_letters_a_message_beyond_the_limit_is_dropped(
    channel: Channel, name: Callable[[str], str]
) -> None:
    queue = name("q")
    channel.declare_queue(queue, durable=True, arguments={**QUORUM, "x-delivery-limit": 0})
    channel.publish("m", queue)
    channel.reject(hold(channel, queue).tag, requeue=True)
    expect(channel, queue)
