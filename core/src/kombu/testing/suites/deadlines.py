"""Every call that can wait returns in time."""

from __future__ import annotations

from functools import partial
from queue import Empty
from typing import TYPE_CHECKING, Any

import pytest

from kombu.testing.checks import returns_within
from kombu.testing.kit import Broker, Inbox, promise

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("TestDeadlines",)


def calls(broker: Broker) -> dict[str, Callable[[float], Any]]:
    """Calls that wait for the broker, by their names; each takes its timeout in seconds."""
    queue = broker.queue()
    exchange = broker.exchange()
    connection = broker.connect()
    channel = connection.channel()
    producer = connection.Producer(channel)
    there = broker.seen_by(channel, queue)
    return {
        "publish": lambda s: producer.publish("m", routing_key=queue.name, timeout=s),
        "declare": lambda s: queue.bind(channel).queue_declare(timeout=s),
        "declare an exchange": lambda s: exchange.bind(channel).declare(timeout=s),
        "get": lambda s: there.get(timeout=s),
        "purge": lambda s: there.purge(timeout=s),
        "delete": lambda s: there.delete(timeout=s),
        "connect": lambda s: broker.connect().connect(timeout=s),
        "a channel": lambda s: connection.channel(timeout=s),
        "close": lambda s: connection.close(timeout=s),
    }


@promise("deadlines")
class TestDeadlines:
    """The deadline, and half a second."""

    def test_waiting_for_an_event_ends_in_time(self, broker: Broker) -> None:
        inbox = Inbox(broker.connect(), broker.queue())
        with pytest.raises(TimeoutError):
            returns_within(0.2, partial(inbox.connection.drain_events, timeout=0.2))

    def test_looking_for_an_event_does_not_wait(self, broker: Broker) -> None:
        inbox = Inbox(broker.connect(), broker.queue())
        with pytest.raises(TimeoutError):
            returns_within(0, partial(inbox.connection.drain_events, timeout=0))

    def test_waiting_for_a_message_ends_in_time(self, broker: Broker) -> None:
        simple = broker.connect().SimpleQueue(broker.name())
        with pytest.raises(Empty):
            returns_within(0.2, partial(simple.get, timeout=0.2))
        simple.close()

    def test_a_message_ends_the_waiting_at_once(self, broker: Broker) -> None:
        queue = broker.queue()
        inbox = Inbox(broker.connect(), queue)
        broker.send(queue, "m")
        returns_within(1, partial(inbox.connection.drain_events, timeout=30))
        assert inbox.bodies == ["m"]

    def test_calls_return_in_time(self, broker: Broker) -> None:
        for call in calls(broker).values():
            returns_within(3, partial(call, 3))

    def test_calls_return_in_time_where_the_broker_is_frozen(
        self, broker: Broker, needed_server: Any
    ) -> None:
        waiting = calls(broker)
        needed_server.pause()
        try:
            for name, call in waiting.items():
                try:
                    returns_within(0.5, partial(call, 0.5))
                except AssertionError as error:
                    raise AssertionError(f"{name}: {error}") from None
                # Not every call needs the broker; one that does says that it did not answer.
                except (OSError, *broker.connection.recoverable_connection_errors):
                    continue
        finally:
            needed_server.resume()
