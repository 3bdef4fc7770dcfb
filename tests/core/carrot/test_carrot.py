"""Programs written for Carrot go on working."""

from __future__ import annotations

from typing import Any

import pytest
from brokers import fresh_name

from kombu import Connection, Exchange
from kombu.compat import Consumer, ConsumerSet, Publisher


@pytest.fixture
def connection() -> Any:
    with Connection(f"memory://{fresh_name()}") as connection:
        yield connection


def pair(connection: Connection) -> tuple[Publisher, Consumer]:
    consumer = Consumer(connection, queue="q", exchange="e", routing_key="k")
    return Publisher(connection, exchange="e", routing_key="k"), consumer


def test_what_is_sent_is_fetched(connection: Connection) -> None:
    publisher, consumer = pair(connection)
    publisher.send({"a": 1})
    publisher.publish({"a": 2})
    first = consumer.fetch()
    assert first.payload == {"a": 1}
    first.ack()
    assert consumer.fetch(no_ack=True).payload == {"a": 2}
    assert consumer.fetch() is None


def test_fetching_may_call_the_callbacks(connection: Connection) -> None:
    publisher, consumer = pair(connection)
    seen: list[Any] = []
    consumer.register_callback(lambda body, message: (seen.append(body), message.ack()))
    publisher.send(1)
    consumer.fetch(enable_callbacks=True)
    assert seen == [1]


def test_waiting_consumes_so_many_messages(connection: Connection) -> None:
    publisher, consumer = pair(connection)
    seen: list[Any] = []
    consumer.register_callback(lambda body, message: (seen.append(body), message.ack()))
    for number in range(4):
        publisher.send(number)
    consumer.wait(limit=2)
    assert len(list(consumer.iterconsume(limit=1))) == 1
    assert seen == [0, 1, 2]


def test_the_messages_that_are_ready_are_iterated_over(connection: Connection) -> None:
    publisher, consumer = pair(connection)
    for number in range(4):
        publisher.send(number)
    assert [message.payload for message in consumer.iterqueue(limit=2)] == [0, 1]
    assert [message.payload for message in consumer.iterqueue()] == [2, 3]
    endless = iter(consumer)
    assert next(endless) is None
    publisher.send(5)
    assert next(endless).payload == 5


def test_everything_is_discarded(connection: Connection) -> None:
    publisher, consumer = pair(connection)
    publisher.send(1)
    publisher.send(2)
    with pytest.raises(NotImplementedError):
        consumer.discard_all(lambda message: True)
    with pytest.raises(NotImplementedError):
        consumer.process_next()
    assert consumer.discard_all() == 2


def test_declarations_are_made_of_the_arguments(connection: Connection) -> None:
    publisher = Publisher(
        connection, exchange="t", exchange_type="topic", durable=False, auto_delete=True
    )
    exchange = publisher.exchange
    assert (exchange.name, exchange.type, exchange.durable, exchange.auto_delete) == (
        "t",
        "topic",
        False,
        True,
    )
    own = Publisher(connection, exchange=Exchange("own", "fanout"), durable=False).exchange
    assert (own.type, own.durable) == ("fanout", True)
    consumer = Consumer(
        connection,
        queue="tq",
        exchange="t",
        routing_key="a.#",
        exchange_type="topic",
        durable=False,
        auto_delete=True,
        exclusive=True,
    )
    (queue,) = consumer.queues
    assert (queue.name, queue.routing_key, queue.durable, queue.exclusive, queue.auto_delete) == (
        "tq",
        "a.#",
        False,
        True,
        True,
    )
    publisher.send("x", routing_key="a.b.c")
    assert consumer.fetch().payload == "x"


def test_class_attributes_are_the_defaults(connection: Connection) -> None:
    class Mine(Consumer):
        queue, exchange, routing_key, durable = "mine", "mine", "m", False

    (queue,) = Mine(connection).queues
    assert (queue.name, queue.exchange.name, queue.routing_key) == ("mine", "mine", "m")
    assert not queue.durable


def test_each_has_a_channel_that_it_closes(connection: Connection) -> None:
    publisher, consumer = pair(connection)
    given = connection.channel()
    with publisher, consumer, ConsumerSet(connection, channel=given):
        channels = [publisher.channel, consumer.channel]
        assert publisher.backend is publisher.channel
        assert len({*map(id, [*channels, given])}) == 3
    assert all(channel.closed for channel in channels)
    assert not given.closed


def test_a_consumer_goes_on_with_another_channel(connection: Connection) -> None:
    publisher, consumer = pair(connection)
    channel = connection.channel()
    consumer.revive(channel)
    publisher.send(1)
    assert consumer.fetch().payload == 1
    consumer.close()
    # It was given: it is not ours to close.
    assert not channel.closed


def test_a_set_consumes_from_several_queues(connection: Connection) -> None:
    consumer = Consumer(connection, queue="one", exchange="e", routing_key="1")
    consumers = ConsumerSet(
        connection,
        from_dict={"two": {"exchange": "e", "routing_key": "2"}},
        consumers=[consumer],
    )
    consumers.add_consumer_from_dict("three", exchange="e", binding_key="3")
    consumers.add_consumer(Consumer(connection, queue="four", exchange="e", routing_key="4"))
    assert {queue.name for queue in consumers.queues} == {"one", "two", "three", "four"}
    seen: list[Any] = []
    consumers.register_callback(lambda body, message: seen.append(body))
    publisher = Publisher(connection, exchange="e")
    for key in "1234":
        publisher.send(key, routing_key=key)
    assert len(list(consumers.iterconsume(limit=4, no_ack=True))) == 4
    assert sorted(seen) == list("1234")
    assert consumers.discard_all() == 0
    consumers.close()
