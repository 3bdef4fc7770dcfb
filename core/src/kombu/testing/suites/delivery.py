"""What is published is delivered: once, whole, and to one consumer."""

from __future__ import annotations

from queue import Empty
from typing import Any

import pytest

from kombu import Consumer
from kombu.testing.kit import Broker, Inbox, promise

__all__ = ("TestDelivery",)


@promise("delivery")
class TestDelivery:
    """Publish, get, consume."""

    def test_what_is_published_can_be_got(self, broker: Broker) -> None:
        queue = broker.queue()
        broker.send(queue, {"hello": "world"})
        broker.holds(queue, {"hello": "world"})

    def test_an_empty_queue_gives_none(self, broker: Broker) -> None:
        assert broker.queue().get() is None

    def test_a_consumer_gets_what_was_there_and_what_comes(self, broker: Broker) -> None:
        queue = broker.queue()
        broker.send(queue, "before")
        inbox = Inbox(broker.connect(), queue)
        inbox.wait(1)
        broker.send(queue, "after")
        inbox.wait(2)
        assert inbox.bodies == ["before", "after"]

    def test_each_message_goes_to_one_consumer(self, broker: Broker) -> None:
        queue = broker.queue()
        one = Inbox(broker.connect(), queue, prefetch=1)
        two = Inbox(broker.connect(), queue, prefetch=1)
        broker.send(queue, 1, 2)
        one.wait(1)
        two.wait(1)
        one.quiet()
        two.quiet()
        assert sorted(one.bodies + two.bodies) == [1, 2]

    def test_many_messages_come_once_each(self, broker: Broker, many: int) -> None:
        queue, numbers = broker.queue(), list(range(many // 5))
        broker.send(queue, *numbers)
        inbox = Inbox(broker.connect(), queue)
        for message in inbox.wait(len(numbers)):
            message.ack()
        inbox.quiet()
        assert sorted(inbox.bodies) == numbers

    def test_a_batch_is_stored_to_its_last_message(self, broker: Broker) -> None:
        queue = broker.queue()
        producer = broker.connection.Producer()
        with producer.batch():
            for number in range(25):
                producer.publish(number, routing_key=queue.name)
            producer.flush()
        broker.holds_all(queue, range(25))

    def test_headers_and_properties_come_along(self, broker: Broker) -> None:
        queue = broker.queue()
        broker.send(
            queue,
            "m",
            headers={"text": "ü", "number": 7, "nested": {"list": [1, None, True]}},
            correlation_id="c-1",
            reply_to="answers",
            content_type="application/json",
        )
        (message,) = broker.hold(queue)
        assert message.headers["text"] == "ü"
        assert message.headers["number"] == 7
        assert message.headers["nested"] == {"list": [1, None, True]}
        assert message.properties["correlation_id"] == "c-1"
        assert message.properties["reply_to"] == "answers"
        assert message.content_type == "application/json"
        message.ack()

    def test_a_delivery_tells_where_it_came_from(self, broker: Broker) -> None:
        exchange = broker.exchange()
        queue = broker.queue(exchange=exchange, routing_key="the.key")
        broker.send(exchange, "m", key="the.key")
        (message,) = broker.hold(queue)
        assert message.delivery_info["exchange"] == exchange.name
        assert message.delivery_info["routing_key"] == "the.key"
        assert not message.delivery_info["redelivered"]
        message.ack()

    def test_without_acknowledgement_a_message_is_gone_when_it_came(self, broker: Broker) -> None:
        queue = broker.queue()
        broker.send(queue, "m")
        connection = broker.connect()
        Inbox(connection, queue, no_ack=True).wait(1)
        connection.close()
        broker.quiet(queue)

    def test_a_consumer_of_several_queues_gets_all_of_them(self, broker: Broker) -> None:
        queues = [broker.queue() for _ in range(3)]
        inbox = Inbox(broker.connect(), *queues)
        for number, queue in enumerate(queues):
            broker.send(queue, number)
        inbox.wait(3)
        assert sorted(inbox.bodies) == [0, 1, 2]

    def test_a_busy_queue_does_not_starve_another(self, broker: Broker) -> None:
        busy, other = broker.queue(), broker.queue()
        broker.send(busy, *(["busy"] * 60))
        broker.send(other, "other")
        inbox = Inbox(broker.connect(), busy, other, prefetch=1)
        for count in range(1, 11):
            inbox.wait(count)[-1].ack()
        assert "other" in inbox.bodies

    def test_a_cancelled_consumer_gets_nothing_more(self, broker: Broker) -> None:
        queue = broker.queue()
        inbox = Inbox(broker.connect(), queue)
        inbox.consumer.cancel()
        broker.send(queue, "m")
        inbox.quiet()
        broker.holds(queue, "m")

    def test_a_simple_queue_works(self, broker: Broker) -> None:
        with broker.connect().SimpleQueue(broker.name()) as queue:
            queue.put({"n": 1})
            message = queue.get(timeout=5)
            assert message.payload == {"n": 1}
            message.ack()
            with pytest.raises(Empty):
                queue.get(timeout=0.05)

    def test_callbacks_get_body_and_message(self, broker: Broker) -> None:
        queue, got = broker.queue(), []

        def callback(body: Any, message: Any) -> None:
            got.append(body)
            message.ack()

        connection = broker.connect()
        broker.send(queue, "m")
        with Consumer(connection, broker.seen_by(connection, queue), callbacks=[callback]):
            connection.drain_events(timeout=5)
        assert got == ["m"]

    def test_two_queues_are_two_queues(self, broker: Broker) -> None:
        one, two = broker.queue(), broker.queue()
        broker.send(one, 1)
        broker.quiet(two)
        broker.holds(one, 1)
