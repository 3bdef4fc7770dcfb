"""SimpleQueue beside other consumers."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

import pytest
from brokers import Inbox, publish

from kombu import Connection, Queue

if TYPE_CHECKING:
    from kombu.message import Message


def test_a_busy_neighbour_does_not_stretch_the_timeout(connection: Connection) -> None:
    """Each message of the neighbour ends a wait; together they end in time all the same."""
    simple = connection.SimpleQueue("mine")
    queue = Queue("busy")

    def again(message: Message) -> None:
        message.ack()
        publish(connection, queue, message.payload + 1)

    inbox = Inbox(connection, queue)
    inbox.consumer.on_message = again
    publish(connection, queue, 0)
    begun = monotonic()
    with pytest.raises(simple.Empty):
        simple.get(timeout=0.1)
    assert 0.1 <= monotonic() - begun < 2


def test_a_message_for_the_queue_is_kept_while_another_is_waited_for(
    connection: Connection,
) -> None:
    first, second = connection.SimpleQueue("first"), connection.SimpleQueue("second")
    with pytest.raises(first.Empty):
        first.get(timeout=0)
    first.put(1)
    second.put(2)
    assert second.get(timeout=5).payload == 2
    assert first.get(timeout=5).payload == 1
    first.put(3)
    with pytest.raises(second.Empty):
        second.get(timeout=0.05)
    assert first.get_nowait().payload == 3
    first.put(4)
    with pytest.raises(second.Empty):
        second.get(timeout=0.05)
    assert first.get(timeout=0).payload == 4
