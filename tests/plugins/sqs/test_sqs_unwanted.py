"""What a long poll brings for nobody goes back at once."""

from __future__ import annotations

import threading
import time
import uuid
from typing import TYPE_CHECKING, Any, cast

import pytest

from kombu import Queue
from kombu.asynchronous import Hub
from kombu.transport.backend import Delivery, Envelope, Want, Wants
from kombu_sqs.polls import Polls

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: A claim holds for ten times as long.
SOON = 3.0


class Claims:
    """All of them stand."""

    def stands(self, delivery: Delivery) -> bool:
        return True

    def take(self, delivery: Delivery) -> bool:
        return True


class Receiving:
    """A server that answers when it is told to."""

    dead = ()

    def __init__(self) -> None:
        self.answers = threading.Event()
        self.asked: list[str] = []
        self.given_back: list[Delivery] = []

    def receive(self, name: str, count: int, seconds: int) -> list[Delivery]:
        self.asked.append(name)
        self.answers.wait(10)
        envelope = Envelope("", None, None, {}, {}, "", name)
        return [Delivery(name, uuid.uuid4().hex, envelope)]

    def give_back(self, deliveries: Sequence[Delivery]) -> None:
        self.given_back += deliveries


def wait_until(happened: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 5
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.fixture
def receiving() -> Receiving:
    return Receiving()


@pytest.fixture
def polls(receiving: Receiving) -> Polls:
    return Polls(cast("Any", receiving), cast("Any", Claims()), 10, 1.0)


def test_an_answer_after_its_consumer_goes_back(polls: Polls, receiving: Receiving) -> None:
    wants = Wants(q=Want(1))
    assert polls.fetch(wants, 1, time.monotonic() + 0.05) == []
    wants["q"].over = True
    receiving.answers.set()
    wait_until(lambda: receiving.given_back)


def test_an_answer_before_that_goes_back_when_it_is_told(
    polls: Polls, receiving: Receiving
) -> None:
    wants = Wants(q=Want(1), other=Want(1))
    assert polls.fetch(wants, 2, time.monotonic() + 0.05) == []
    receiving.answers.set()
    wait_until(lambda: len(polls._arrived) == 2)
    assert not receiving.given_back
    wants["q"].over = True
    polls.interrupt()
    assert [delivery.queue for delivery in receiving.given_back] == ["q"]
    (kept,) = polls.fetch(wants, 2, time.monotonic() + 5)
    assert kept.queue == "other"


def test_a_queue_is_not_asked_any_more(polls: Polls, receiving: Receiving) -> None:
    wants = Wants(q=Want(1))
    wants["q"].over = True
    assert polls.fetch(wants, 1, time.monotonic() + 0.05) == []
    assert not receiving.asked


@pytest.mark.parametrize("driven", [False, True])
def test_a_consumer_that_went_keeps_nothing_from_others(
    connect: Callable[..., Any], driven: bool
) -> None:
    connection, other = connect(), connect()
    queue = Queue(f"unwanted-{uuid.uuid4().hex[:8]}")(other.channel())
    queue.declare()
    got: list[Any] = []
    consumer = connection.Consumer(Queue(queue.name, no_declare=True), on_message=got.append)
    consumer.consume()
    hub = Hub()
    if driven:
        connection.register_with_event_loop(hub)
        hub.call_later(0.2, hub.stop)
        hub.run_forever()
    else:
        with pytest.raises(TimeoutError):
            connection.drain_events(timeout=0.2)
    consumer.cancel()
    other.Producer().publish("m", routing_key=queue.name)
    deadline = time.monotonic() + SOON
    while (message := queue.get()) is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    message.ack()
    assert not got
    connection.close()
    hub.close()
