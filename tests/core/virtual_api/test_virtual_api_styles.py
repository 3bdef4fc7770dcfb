"""What every subclass of the documented channel can count on, whatever it overrides."""

from __future__ import annotations

import threading
from time import monotonic, sleep

import pytest

from kombu import Connection, Consumer, Exchange, Producer, Queue
from kombu.exceptions import (
    ChannelError,
    MessageStateError,
    RecoverableConnectionError,
    UndeliverableError,
)
from kombu.transport import virtual


def declared(channel, name="q", exchange=None, **options):
    queue = Queue(name, exchange or Exchange("e"), **options)(channel)
    queue.declare()
    return queue


def receive(channel, *queues, limit=10, **options):
    got = []
    with Consumer(channel, list(queues), callbacks=[lambda _, m: got.append(m)], **options):
        for _ in range(limit):
            try:
                channel.connection.drain_events(channel.connection, timeout=0.05)
            except TimeoutError:
                break
    return got


def test_channels_are_instances_of_the_class_that_the_transport_names(connection, channel):
    assert isinstance(channel, connection.transport.Channel)
    assert type(channel).__name__ == connection.transport.Channel.__name__
    assert channel.connection is connection.transport
    assert channel in connection.transport.channels


def test_published_messages_arrive_with_all_they_carry(connection, channel):
    queue = declared(channel, routing_key="k")
    Producer(channel).publish(
        {"a": 1}, exchange="e", routing_key="k", headers={"h": 1}, priority=3, correlation_id="c"
    )
    (message,) = receive(channel, queue)
    assert message.payload == {"a": 1}
    assert message.headers["h"] == 1
    assert message.properties["correlation_id"] == "c"
    assert message.properties["priority"] == 3
    assert message.delivery_info["exchange"] == "e"
    assert message.delivery_info["routing_key"] == "k"
    assert not message.delivery_info["redelivered"]
    assert isinstance(message, virtual.Message)
    assert isinstance(message, channel.Message)


def test_acknowledged_messages_do_not_come_again(connection, channel):
    queue = declared(channel, routing_key="k")
    Producer(channel).publish("x", exchange="e", routing_key="k")
    (message,) = receive(channel, queue)
    assert channel.qos.get(message.delivery_tag).payload == "x"
    message.ack()
    assert message.acknowledged
    with pytest.raises(MessageStateError):
        message.ack()
    channel.close()
    assert not receive(connection.channel(), queue)


def test_acknowledging_several_acknowledges_everything_before(connection, channel):
    queue = declared(channel, routing_key="k")
    for number in range(3):
        Producer(channel).publish(number, exchange="e", routing_key="k")
    messages = receive(channel, queue)
    assert [m.payload for m in messages] == [0, 1, 2]
    messages[1].ack(multiple=True)
    channel.close()
    second = connection.channel()
    assert [m.payload for m in receive(second, queue)] == [2]


def test_an_unknown_delivery_tag_is_an_error(channel):
    with pytest.raises((ChannelError, KeyError)):
        channel.basic_ack("nobody knows it")


def test_requeued_messages_come_again_and_say_so(connection, channel):
    queue = declared(channel, routing_key="k")
    Producer(channel).publish("x", exchange="e", routing_key="k")
    (first,) = receive(channel, queue)
    first.requeue()
    (again,) = receive(channel, queue)
    assert again.payload == "x"
    assert again.delivery_info["redelivered"]
    again.reject()
    assert not receive(channel, queue)


def test_a_prefetch_limit_bounds_what_is_unsettled(connection, channel):
    queue = declared(channel, routing_key="k")
    for number in range(4):
        Producer(channel).publish(number, exchange="e", routing_key="k")
    messages = receive(channel, queue, prefetch_count=2)
    assert len(messages) == 2
    assert channel.qos.prefetch_count == 2
    assert not channel.qos.can_consume()
    assert channel.qos.can_consume_max_estimate() == 0
    for message in messages:
        message.ack()
    assert channel.qos.can_consume()
    assert [m.payload for m in receive(channel, queue, prefetch_count=2)] == [2, 3]


def test_a_fanout_exchange_reaches_every_queue(connection, channel):
    everybody = Exchange("all", "fanout")
    queues = [declared(channel, f"f{n}", everybody) for n in range(2)]
    Producer(channel).publish("x", exchange="all")
    messages = receive(channel, *queues)
    assert [m.payload for m in messages] == ["x", "x"]
    assert len({m.delivery_tag for m in messages}) == 2
    for message in messages:
        message.ack()


def test_a_topic_exchange_routes_by_words(connection, channel):
    news = Exchange("news", "topic")
    stock = declared(channel, "stock", news, routing_key="*.stock.#")
    other = declared(channel, "other", news, routing_key="usd.*")
    Producer(channel).publish("x", exchange="news", routing_key="usd.stock")
    Producer(channel).publish("y", exchange="news", routing_key="eur.stock.db")
    assert sorted(m.payload for m in receive(channel, stock, no_ack=True)) == ["x", "y"]
    assert [m.payload for m in receive(channel, other, no_ack=True)] == ["x"]


def test_closing_a_channel_gives_unsettled_messages_back_in_order(connection, channel):
    queue = declared(channel, routing_key="k")
    for number in range(3):
        Producer(channel).publish(number, exchange="e", routing_key="k")
    assert len(receive(channel, queue)) == 3
    channel.close()
    assert channel.closed
    assert channel.connection is None
    again = receive(connection.channel(), queue)
    assert [m.payload for m in again] == [0, 1, 2]
    assert all(m.delivery_info["redelivered"] for m in again)


def test_recovered_messages_come_again(connection, channel):
    queue = declared(channel, routing_key="k")
    Producer(channel).publish("x", exchange="e", routing_key="k")
    assert receive(channel, queue)
    channel.basic_recover(requeue=True)
    assert [m.payload for m in receive(channel, queue)] == ["x"]


def test_messages_without_acknowledgement_are_done_with(connection, channel):
    queue = declared(channel, routing_key="k")
    Producer(channel).publish("x", exchange="e", routing_key="k")
    (message,) = receive(channel, queue, no_ack=True)
    message.ack()  # nothing waits for it
    channel.close()
    assert not receive(connection.channel(), queue)


def test_messages_are_taken_one_by_one_without_a_consumer(connection, channel):
    queue = declared(channel, routing_key="k")
    assert queue.get() is None
    Producer(channel).publish("x", exchange="e", routing_key="k")
    Producer(channel).publish("y", exchange="e", routing_key="k")
    first = queue.get()
    assert first.payload == "x"
    first.ack()
    assert queue.get(no_ack=True).payload == "y"
    assert queue.get() is None


def test_queues_are_sized_purged_and_deleted(connection, channel):
    queue = declared(channel, routing_key="k")
    for _ in range(2):
        Producer(channel).publish("x", exchange="e", routing_key="k")
    assert channel.queue_declare("q", passive=True).message_count == 2
    assert queue.purge() == 2
    assert queue.delete() == 0
    assert not channel.list_bindings()


def test_what_fits_no_queue_is_dropped_returned_or_kept(connection, channel):
    Exchange("e")(channel).declare()
    producer = Producer(channel)
    producer.publish("x", exchange="e", routing_key="nobody")
    with pytest.raises(UndeliverableError):
        producer.publish("x", exchange="e", routing_key="nobody", mandatory=True)
    channel.deadletter_queue = "lost"
    with pytest.warns(virtual.UndeliverableWarning, match="nobody"):
        producer.publish("x", exchange="e", routing_key="nobody")
    assert Queue("lost")(channel).get(no_ack=True).payload == "x"


def test_two_channels_of_a_connection_take_turns(connection):
    channels = [connection.channel() for _ in range(2)]
    got = []
    for number, channel in enumerate(channels):
        queue = declared(channel, f"t{number}", routing_key=f"k{number}")
        Consumer(channel, [queue], callbacks=[lambda b, m: got.append(b)], no_ack=True).consume()
    for _ in range(3):
        for number in range(2):
            Producer(channels[0]).publish(number, exchange="e", routing_key=f"k{number}")
    for _ in range(6):
        connection.drain_events(timeout=2)
    assert sorted(got) == [0, 0, 0, 1, 1, 1]
    with pytest.raises(TimeoutError):
        connection.drain_events(timeout=0.03)


def test_simple_queues_work(connection):
    with connection.SimpleQueue("simple") as queue:
        queue.put({"n": 1})
        message = queue.get(timeout=2)
        assert message.payload == {"n": 1}
        message.ack()
        with pytest.raises(queue.Empty):
            queue.get(timeout=0.02)


def test_can_consume_replaced_on_the_instance_is_asked_before_each_fetch(connection, channel):
    queue = declared(channel, routing_key="k")
    for number in range(3):
        Producer(channel).publish(number, exchange="e", routing_key="k")
    allowed = [True, False]
    asked = []

    def can_consume():
        asked.append(1)
        return allowed[0] if len(asked) == 1 else allowed[1]

    channel.qos.can_consume = can_consume
    assert [m.payload for m in receive(channel, queue)] == [0]
    del channel.qos.can_consume
    assert [m.payload for m in receive(channel, queue)] == [1, 2]


def test_a_connection_that_closes_loses_nothing(transport):
    connection = Connection(transport=transport)
    channel = connection.channel()
    queue = declared(channel, routing_key="k")
    Producer(channel).publish("x", exchange="e", routing_key="k")
    assert receive(channel, queue)
    size = type(channel)._size
    store = getattr(channel.connection, "store", None)
    connection.release()
    if store is not None:  # this one keeps its messages in the transport
        assert len(store["q"]) == 1
        return
    with Connection(transport=transport) as other:
        assert size(other.channel(), "q") == 1


def test_a_thread_that_waits_gets_what_another_publishes(connection, channel):
    queue = declared(channel, routing_key="k")
    got = []
    Consumer(channel, [queue], callbacks=[lambda b, m: got.append(b)], no_ack=True).consume()
    waiter = threading.Thread(target=connection.drain_events, kwargs={"timeout": 5})
    waiter.start()
    sleep(0.05)
    Producer(connection.channel()).publish("x", exchange="e", routing_key="k")
    waiter.join(timeout=4)
    assert got == ["x"]


def test_a_thread_that_waits_is_told_that_the_connection_was_closed(transport):
    connection = Connection(transport=transport)
    channel = connection.channel()
    queue = declared(channel, routing_key="k")
    Consumer(channel, [queue], no_ack=True).consume()
    raised = []

    def wait():
        try:
            connection.drain_events()
        except RecoverableConnectionError as exc:
            raised.append(exc)

    waiter = threading.Thread(target=wait, daemon=True)
    waiter.start()
    sleep(0.05)
    started = monotonic()
    connection.transport.close_connection(connection.connection)
    waiter.join(timeout=5)
    assert raised
    assert monotonic() - started < 3


def test_compressed_messages_arrive(connection, channel):
    queue = declared(channel, routing_key="k")
    Producer(channel).publish({"a": 1}, exchange="e", routing_key="k", compression="gzip")
    message = queue.get()
    assert message.payload == {"a": 1}
    message.requeue()
    assert queue.get().payload == {"a": 1}


def test_several_deliveries_are_refused_at_once(connection, channel):
    queue = declared(channel, routing_key="k")
    for number in range(3):
        Producer(channel).publish(number, exchange="e", routing_key="k")
    _, second, third = receive(channel, queue)
    channel.basic_nack(second.delivery_tag, multiple=True, requeue=True)
    channel.basic_nack(third.delivery_tag, requeue=False)
    assert [m.payload for m in receive(channel, queue)] in ([0, 1], [1, 0])
    channel.basic_ack(0, multiple=True)
    assert not channel.qos._delivered


def test_what_is_not_requeued_is_delivered_to_the_same_consumer_again(connection, channel):
    queue = declared(channel, routing_key="k")
    Producer(channel).publish("x", exchange="e", routing_key="k")
    got = []
    with Consumer(channel, [queue], callbacks=[lambda b, m: got.append(m)]):
        connection.drain_events(timeout=2)
        channel.basic_recover(requeue=False)
        connection.drain_events(timeout=2)
    assert [m.payload for m in got] == ["x", "x"]
    assert got[1].delivery_info["redelivered"]
    got[1].ack()
    channel.close()
    assert not receive(connection.channel(), queue)
