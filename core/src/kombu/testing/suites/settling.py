"""Acknowledge, reject, requeue, recover."""

from __future__ import annotations

import pytest

from kombu.exceptions import MessageStateError
from kombu.testing.kit import Broker, Inbox, promise

__all__ = ("TestMultiple", "TestReturnOnClose", "TestSettling")


@promise("acknowledgement")
class TestSettling:
    """What becomes of one message."""

    def test_what_is_acknowledged_never_comes_again(self, broker: Broker) -> None:
        queue, connection = broker.queue(), broker.connect()
        broker.send(queue, "m")
        Inbox(connection, queue).wait(1)[0].ack()
        connection.close()
        broker.quiet(queue)

    def test_what_is_held_is_nobody_elses(self, broker: Broker) -> None:
        queue = broker.queue()
        broker.send(queue, "m")
        (held,) = broker.hold(queue)
        other = broker.seen_by(broker.connect(), queue)
        broker.quiet(other)
        held.ack()

    def test_what_is_rejected_is_gone(self, broker: Broker) -> None:
        queue, connection = broker.queue(), broker.connect()
        broker.send(queue, "m")
        Inbox(connection, queue).wait(1)[0].reject()
        connection.close()
        broker.quiet(queue)

    @pytest.mark.parametrize("way", ["requeue", "reject"])
    def test_what_is_requeued_comes_again_and_says_so(self, broker: Broker, way: str) -> None:
        queue = broker.queue()
        broker.send(queue, "m")
        (first,) = broker.hold(queue)
        assert not first.delivery_info["redelivered"]
        first.requeue() if way == "requeue" else first.reject(requeue=True)
        (again,) = broker.hold(queue)
        assert again.payload == "m"
        assert again.delivery_info["redelivered"]
        again.ack()
        broker.quiet(queue)

    def test_what_is_requeued_is_for_others_too(self, broker: Broker) -> None:
        queue = broker.queue()
        broker.send(queue, "m")
        broker.hold(queue)[0].requeue()
        other = broker.seen_by(broker.connect(), queue)
        broker.holds(other, "m")

    @promise("delivery_count", tells=False)
    def test_each_return_is_counted(self, broker: Broker) -> None:
        queue = broker.queue()
        broker.send(queue, "m")
        for returned in range(4):
            (message,) = broker.hold(queue)
            assert message.headers.get("x-delivery-count", 0) == returned
            message.requeue()

    def test_a_message_is_settled_once(self, broker: Broker) -> None:
        queue = broker.queue()
        broker.send(queue, "m")
        (message,) = broker.hold(queue)
        message.ack()
        for again in (message.ack, message.reject, message.requeue):
            with pytest.raises(MessageStateError):
                again()

    def test_recover_has_what_is_unsettled_delivered_again(self, broker: Broker) -> None:
        queue = broker.queue()
        broker.send(queue, 1, 2)
        inbox = Inbox(broker.connect(), queue)
        inbox.wait(2)[0].ack()
        settled, unsettled = inbox.bodies
        inbox.consumer.recover(requeue=True)
        inbox.wait(3)
        inbox.quiet()
        assert inbox.bodies == [settled, unsettled, unsettled]
        assert inbox.messages[2].delivery_info["redelivered"]


@promise("multiple_acknowledgement")
class TestMultiple:
    """All messages up to one."""

    def test_what_came_before_is_acknowledged_too(self, broker: Broker) -> None:
        queue, connection = broker.queue(), broker.connect()
        broker.send(queue, *range(5))
        inbox = Inbox(connection, queue)
        inbox.wait(5)[2].ack(multiple=True)
        left = inbox.bodies[3:]
        connection.close()
        broker.holds_all(queue, left)

    def test_what_came_before_is_given_back_too(self, broker: Broker) -> None:
        queue, connection = broker.queue(), broker.connect()
        broker.send(queue, *range(4))
        inbox = Inbox(connection, queue, prefetch=4)
        tag = inbox.wait(4)[3].delivery_tag
        inbox.consumer.cancel()
        inbox.channel.basic_nack(tag, multiple=True, requeue=True)
        broker.holds_all(queue, range(4))

    def test_another_channels_messages_are_spared(self, broker: Broker) -> None:
        queue, connection = broker.queue(), broker.connect()
        broker.send(queue, 1, 2)
        one = broker.seen_by(connection.channel(), queue)
        two = broker.seen_by(connection.channel(), queue)
        (spared,) = broker.hold(one)
        (taken,) = broker.hold(two)
        taken.ack(multiple=True)
        connection.close()
        broker.holds(queue, spared.payload)


@promise("return_on_close")
class TestReturnOnClose:
    """What a consumer holds comes back when it goes in order."""

    @pytest.mark.parametrize("closing", ["connection", "channel"])
    def test_what_is_unsettled_comes_back(self, broker: Broker, closing: str) -> None:
        queue, connection = broker.queue(), broker.connect()
        broker.send(queue, *range(5))
        inbox = Inbox(connection, queue)
        inbox.wait(5)[0].ack()
        left = inbox.bodies[1:]
        (connection if closing == "connection" else inbox.channel).close()
        broker.holds_all(queue, left)

    def test_what_came_back_says_so(self, broker: Broker) -> None:
        queue, connection = broker.queue(), broker.connect()
        broker.send(queue, "m")
        Inbox(connection, queue).wait(1)
        connection.close()
        (again,) = broker.hold(queue)
        assert again.delivery_info["redelivered"]
        again.ack()

    def test_what_was_fetched_ahead_comes_back(self, broker: Broker) -> None:
        queue, connection = broker.queue(), broker.connect()
        broker.send(queue, *range(30))
        inbox = Inbox(connection, queue)
        inbox.wait(1)[0].ack()
        settled = inbox.bodies[0]
        connection.close()
        broker.holds_all(queue, [number for number in range(30) if number != settled])

    def test_a_waiting_consumer_gets_it(self, broker: Broker) -> None:
        queue, connection = broker.queue(), broker.connect()
        broker.send(queue, "m")
        Inbox(connection, queue).wait(1)
        waiting = Inbox(broker.connect(), queue)
        connection.close()
        waiting.wait(1)
        assert waiting.bodies == ["m"]
