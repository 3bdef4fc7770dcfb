"""A batch is stored in one step, in order, and tells what became of each message."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kombu import Exchange, Queue
from kombu.exceptions import BatchPublishError, PublishRefused, ResourceError
from kombu.testing.kit import Inbox
from kombu.transport.backend import Envelope
from kombu_redis.wire.messages import _beginning, beginning, ended, read


def bodies_in(connection: Any, name: str) -> list[Any]:
    queue = Queue(name)(connection.channel())
    found = []
    while (message := queue.get(no_ack=True)) is not None:
        found.append(message.payload)
    return found


def test_the_order_in_a_queue_is_that_of_publishing(connect: Any, name: str) -> None:
    connection = connect()
    channel = connection.channel()
    for exchange in ("a", "b"):
        Queue(name, Exchange(f"{name}-{exchange}"), routing_key="k")(channel).declare()
    producer = connection.Producer()
    with producer.batch(max_size=1000):
        for number in range(600):
            exchange = f"{name}-{'ab'[number % 3 == 0]}" if number % 5 else ""
            producer.publish(number, exchange=exchange, routing_key="k" if exchange else name)
    assert bodies_in(connection, name) == list(range(600))


def test_each_queue_of_an_exchange_gets_each_message(connect: Any, name: str) -> None:
    connection = connect()
    names = [f"{name}-{number}" for number in range(3)]
    for each in names:
        Queue(each, Exchange(name), routing_key="k")(connection.channel()).declare()
    producer = connection.Producer()
    with producer.batch(max_size=10):
        for number in range(25):
            producer.publish(number, exchange=name, routing_key="k")
    assert [bodies_in(connection, each) for each in names] == [list(range(25))] * 3


def test_those_that_were_refused_are_told_by_their_places(connect: Any, name: str) -> None:
    connection = connect()
    short = Queue(f"{name}-short", max_length=2, queue_arguments={"x-overflow": "reject-publish"})
    for queue in (short, Queue(f"{name}-long")):
        queue(connection.channel()).declare()
    producer = connection.Producer()
    with pytest.raises(BatchPublishError) as caught, producer.batch(max_size=100):
        for number in range(8):
            where = "short" if number % 2 else "long"
            producer.publish(number, routing_key=f"{name}-{where}")
    assert [place for place, _ in caught.value.refused] == [5, 7]
    assert all(isinstance(error, PublishRefused) for _, error in caught.value.refused)
    assert bodies_in(connection, f"{name}-short") == [1, 3]
    assert bodies_in(connection, f"{name}-long") == [0, 2, 4, 6]


def test_a_full_server_refuses_each(connect: Any, look: Any, name: str) -> None:
    connection = connect()
    producer = connection.Producer()
    producer.publish("m", routing_key=name)
    look.config_set("maxmemory", 1)
    try:
        with pytest.raises(BatchPublishError) as caught, producer.batch(max_size=100):
            for number in range(300):
                producer.publish(number, routing_key=name)
        assert [place for place, _ in caught.value.refused] == list(range(100))
        assert all(isinstance(error, ResourceError) for _, error in caught.value.refused)
        producer.publish
        with pytest.raises(ResourceError):
            producer.publish("m", routing_key=name)
    finally:
        look.config_set("maxmemory", 0)
    producer.publish("after", routing_key=name)
    assert bodies_in(connection, name) == ["m", "after"]


def test_forgotten_scripts_do_not_stop_a_batch(connect: Any, look: Any, name: str) -> None:
    connection = connect()
    producer = connection.Producer()
    for number in range(3):
        look.script_flush()
        with producer.batch(max_size=100):
            producer.publish(number, routing_key=name)
            producer.publish(-number, routing_key=f"{name}-other")
        look.script_flush()
        producer.publish(f"{number} alone", routing_key=name)
    assert bodies_in(connection, name) == [0, "0 alone", 1, "1 alone", 2, "2 alone"]


def test_delays_and_priorities_hold_in_a_batch(connect: Any, name: str) -> None:
    connection = connect()
    inbox = Inbox(connection, *_declared(connection, name))
    producer = connect().Producer()
    with producer.batch(max_size=100):
        producer.publish("late", routing_key=name, headers={"x-delay": 300})
        producer.publish("slow", routing_key=name, priority=9)
        producer.publish("fast", routing_key=name, priority=0)
        producer.publish("also late", routing_key=name, headers={"x-delay": 300})
    inbox.wait(4)
    assert inbox.bodies[:2] == ["fast", "slow"]
    assert set(inbox.bodies[2:]) == {"late", "also late"}


def _declared(connection: Any, name: str) -> list[Queue]:
    queue = Queue(name)
    queue(connection.channel()).declare()
    return [queue]


def test_a_binding_that_another_process_made_counts_from_the_next_batch(
    connect: Any, name: str
) -> None:
    connection = connect()
    exchange = Exchange(name)
    Queue(f"{name}-a", exchange, routing_key="k")(connection.channel()).declare()
    producer = connection.Producer()
    with producer.batch(max_size=10):
        producer.publish("one", exchange=name, routing_key="k")
    Queue(f"{name}-b", exchange, routing_key="k")(connect().channel()).declare()
    with producer.batch(max_size=10):
        producer.publish("two", exchange=name, routing_key="k")
    assert bodies_in(connection, f"{name}-b") == ["two"]


plain = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=9)
words = st.text(max_size=6) | st.none()
fields = st.dictionaries(st.text(max_size=9), plain | st.lists(plain, max_size=3), max_size=4)
known = st.fixed_dictionaries({}, optional={"delivery_mode": st.sampled_from([1, 2, True, 1.0])})


@settings(deadline=None)
@given(
    st.binary(max_size=30) | st.text(max_size=30),
    words,
    words,
    fields,
    fields,
    known,
    st.text(max_size=6),
    st.text(max_size=6),
    st.integers(0, 255) | st.booleans(),
)
def test_the_quick_way_to_write_a_message_writes_the_same(
    body: Any,
    content_type: Any,
    encoding: Any,
    headers: Any,
    properties: Any,
    mode: Any,
    exchange: str,
    key: str,
    priority: Any,
) -> None:
    own = {**properties, **mode}
    args = body, content_type, encoding, headers, own, exchange, key, priority
    raw = ended(beginning(Envelope(*args)), "tag")
    assert raw == ended(_beginning(Envelope(*args), "base64"), "tag")
    json.loads(raw)
    again = read(raw)
    assert (again.headers, again.exchange, again.routing_key) == (headers, exchange, key)
