"""What a channel does beyond what every transport does."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

import amqp
import pytest

from kombu import Consumer, Exchange, Queue, exceptions
from kombu.testing.kit import Broker, Inbox, wait_until

if TYPE_CHECKING:
    from kombu.testing.servers import RabbitMQ


def drain(connection: Any, seconds: float = 0.2) -> None:
    deadline = time.monotonic() + seconds
    with contextlib.suppress(TimeoutError):
        while (left := deadline - time.monotonic()) > 0:
            connection.drain_events(timeout=left)


# -- what belongs to what ---------------------------------------------------------------------


def test_the_connection_is_one_of_py_amqp(connection: Any) -> None:
    channel = connection.channel()
    assert isinstance(connection.connection, amqp.Connection)
    assert connection.connection is channel.connection
    assert channel.connection.client is connection is connection.transport.client
    assert isinstance(channel, amqp.Channel)
    assert connection.transport.driver_type == "amqp"
    assert not connection.qos_semantics_matches_spec
    channel.close()
    assert channel.connection is None
    assert channel.closed


# -- errors -----------------------------------------------------------------------------------


def test_a11_an_error_closes_its_channel_only(broker: Broker, connection: Any) -> None:
    queue = broker.queue()
    one, other = connection.channel(), connection.channel()
    inbox: list[Any] = []
    Consumer(other, broker.seen_by(other, queue), on_message=inbox.append).consume()
    with pytest.raises(amqp.NotFound) as caught:
        one.queue_declare("kit-is-not-there", passive=True)
    assert isinstance(caught.value, exceptions.ChannelError)
    assert caught.value.reply_code == 404
    broker.send(queue, "m")
    connection.drain_events(timeout=5)
    assert [message.payload for message in inbox] == ["m"]


def test_a_channel_is_opened_again_when_it_is_used(broker: Broker, connection: Any) -> None:
    queue, channel = broker.queue(), connection.channel()
    with pytest.raises(exceptions.ChannelError):
        channel.queue_declare("kit-is-not-there", passive=True)
    assert channel.queue_declare(queue.name, passive=True).queue == queue.name


def test_what_nobody_waited_for_is_told_by_the_next_call(plain: Any) -> None:
    channel = plain.channel()
    message = channel.prepare_message("m")
    channel.basic_publish(message, exchange="kit-is-not-there")
    with pytest.raises(amqp.NotFound):
        wait_until(lambda: channel.basic_publish(message, exchange="") is not None, "it is told")
    channel.basic_publish(message, exchange="", routing_key="kit-nowhere")


def test_what_nobody_waited_for_is_told_by_drain_events(plain: Any) -> None:
    channel = plain.channel()
    channel.basic_publish(channel.prepare_message("m"), exchange="kit-is-not-there")
    with pytest.raises(amqp.NotFound):
        drain(plain, 5)
    drain(plain, 0.05)


def test_a_confirmed_publish_to_nowhere_says_so_itself(connection: Any) -> None:
    channel = connection.channel()
    with pytest.raises(amqp.NotFound):
        channel.basic_publish(channel.prepare_message("m"), exchange="kit-is-not-there")


def test_consumers_and_limits_are_there_again(broker: Broker, connection: Any) -> None:
    queue = broker.queue()
    inbox = Inbox(connection, queue, prefetch=2)
    with pytest.raises(exceptions.ChannelError):
        inbox.channel.queue_declare("kit-is-not-there", passive=True)
    broker.send(queue, *range(4))
    inbox.wait(2)
    inbox.quiet()
    for message in inbox.messages:
        message.ack()
    inbox.wait(4)


def test_a_consumer_of_a_channel_that_was_closed_is_one_consumer(
    broker: Broker, connection: Any
) -> None:
    queue, channel = broker.queue(), connection.channel()
    with pytest.raises(exceptions.ChannelError):
        channel.queue_declare("kit-is-not-there", passive=True)
    broker.seen_by(channel, queue).consume("tag")
    assert broker.connection.channel().queue_declare(queue.name, passive=True).consumer_count == 1


def test_a07_an_old_delivery_is_answered_by_nobody(broker: Broker, connection: Any) -> None:
    queue = broker.queue()
    broker.send(queue, "m")
    inbox = Inbox(connection, queue)
    (old,) = inbox.wait(1)
    with pytest.raises(exceptions.ChannelError):
        inbox.channel.queue_declare("kit-is-not-there", passive=True)
    (_, again) = inbox.wait(2)
    for answer in (old.ack, old.reject, old.requeue):
        with pytest.raises(exceptions.RecoverableChannelError, match="gives the message out again"):
            answer()
    again.ack()
    connection.close()
    broker.quiet(queue)


def test_an_answer_after_the_connection_was_lost_is_a_connection_error(
    broker: Broker, connection: Any
) -> None:
    queue = broker.queue()
    broker.send(queue, "m")
    (old,) = Inbox(connection, queue).wait(1)
    connection.collect()
    with pytest.raises(connection.recoverable_connection_errors):
        old.ack()


def test_a_redeclaration_that_differs_is_an_error_406(broker: Broker, connection: Any) -> None:
    queue = broker.queue()
    with pytest.raises(amqp.PreconditionFailed) as caught:
        Queue(queue.name, max_length=7)(connection.channel()).declare()
    assert isinstance(caught.value, exceptions.NotEquivalentError)


# -- publishing -------------------------------------------------------------------------------


@pytest.mark.parametrize("confirm", [True, False])
def test_a_mandatory_message_that_fits_no_queue_is_that_publishs_error(
    broker: Broker, confirm: bool
) -> None:
    producer = broker.connect(confirm_publish=confirm).Producer()
    with pytest.raises(exceptions.UndeliverableError) as caught:
        producer.publish("m", routing_key="kit-nowhere", mandatory=True)
    assert caught.value.reply_code == 312
    assert caught.value.routing_key == "kit-nowhere"
    queue = broker.queue()
    producer.publish("m", routing_key=queue.name, mandatory=True)
    broker.holds(queue, "m")


def test_or_it_is_for_on_return(broker: Broker, connection: Any) -> None:
    returned: list[Any] = []
    producer = connection.Producer(on_return=lambda *args: returned.append(args))
    producer.publish("m", routing_key="kit-nowhere", mandatory=True)
    ((error, exchange, key, message),) = returned
    assert isinstance(error, amqp.ChannelError)
    assert (exchange, key, message.body) == ("", "kit-nowhere", b"m")


def test_a_message_that_is_refused_says_so(broker: Broker, connection: Any) -> None:
    queue = broker.queue(max_length=0, queue_arguments={"x-overflow": "reject-publish"})
    with pytest.raises(amqp.exceptions.MessageNacked, match=queue.name) as caught:
        connection.Producer().publish("m", routing_key=queue.name)
    assert isinstance(caught.value, exceptions.PublishRefused)
    # The channel is as it was.
    other = broker.queue()
    connection.Producer().publish("m", routing_key=other.name)
    broker.holds(other, "m")


def test_confirms_and_what_is_not_waited_for_may_be_mixed(broker: Broker, plain: Any) -> None:
    queue, producer = broker.queue(), plain.Producer()
    for number in range(30):
        producer.publish(number, routing_key=queue.name, mandatory=number % 3 == 0)
    broker.holds(queue, *range(30))


def test_a_transaction_counts_when_it_is_committed(broker: Broker, plain: Any) -> None:
    queue, channel = broker.queue(), plain.channel()
    channel.tx_select()
    producer = plain.Producer(channel)
    producer.publish("undone", routing_key=queue.name)
    channel.tx_rollback()
    producer.publish("done", routing_key=queue.name)
    broker.quiet(queue)
    channel.tx_commit()
    broker.holds(queue, "done")


def test_a_transaction_after_a_confirm_is_refused(broker: Broker, connection: Any) -> None:
    channel = connection.channel()
    connection.Producer(channel).publish("m", routing_key=broker.queue().name)
    with pytest.raises(amqp.PreconditionFailed, match="confirm_publish"):
        channel.tx_select()


def test_immediate_is_ignored(broker: Broker, connection: Any) -> None:
    queue = broker.queue()
    connection.Producer().publish("m", routing_key=queue.name, immediate=True)
    broker.holds(queue, "m")


def test_a_delayed_message_is_routed_when_it_comes(broker: Broker) -> None:
    exchange = broker.exchange("topic")
    queue = broker.queue(exchange=exchange, routing_key="a.*")
    broker.send(exchange, "later", key="a.b", delay=0.2, headers={"mine": 1}, expiration=0.1)
    broker.quiet(queue)
    (message,) = broker.hold(queue)
    assert message.delivery_info["exchange"] == exchange.name
    assert message.delivery_info["routing_key"] == "a.b"
    assert message.headers == {"mine": 1}
    message.ack()


# -- receiving --------------------------------------------------------------------------------


def test_a_queue_without_a_name_gets_one(connection: Any) -> None:
    queue = Queue("", exclusive=True)(connection.channel())
    queue.declare()
    assert queue.name.startswith("amq.gen")
    connection.Producer().publish("m", routing_key=queue.name)
    message = queue.get()
    assert message is not None
    message.ack()


def test_a09_a_deleted_queue_cancels_its_consumer(broker: Broker, connection: Any) -> None:
    queue = broker.queue()
    Inbox(connection, queue)
    queue.delete()
    with pytest.raises(amqp.ConsumerCancelled) as caught:
        drain(connection, 5)
    assert isinstance(caught.value, exceptions.ConsumerCancelled)
    assert caught.value.queue == queue.name


def test_a09_or_its_on_cancel_is_called(broker: Broker, connection: Any) -> None:
    queue, cancelled = broker.queue(), []
    broker.seen_by(connection.channel(), queue).consume("tag", on_cancel=cancelled.append)
    queue.delete()
    wait_until(lambda: bool(drain(connection, 0.05) or cancelled), "on_cancel is called")
    assert cancelled == ["tag"]


def test_a_callback_is_not_called_within_another_call(broker: Broker, connection: Any) -> None:
    queue, channel = broker.queue(), connection.channel()
    broker.send(queue, *range(3))
    seen: list[Any] = []

    def have(message: Any) -> None:
        depth.append(1)
        channel.queue_declare(queue.name, passive=True)
        connection.Producer(channel).publish("x", routing_key="kit-nowhere")
        seen.append((message.payload, len(depth)))
        depth.pop()

    depth: list[int] = []
    Consumer(channel, broker.seen_by(channel, queue), on_message=have).consume()
    channel.queue_declare(queue.name, passive=True)
    assert not seen
    for _ in range(3):
        connection.drain_events(timeout=5)
    assert seen == [(0, 1), (1, 1), (2, 1)]


def test_a10_what_was_not_handed_out_goes_back_when_its_consumer_is_cancelled(
    broker: Broker, connection: Any
) -> None:
    queue = broker.queue()
    broker.send(queue, *range(5))
    inbox = Inbox(connection, queue)
    inbox.wait(1)
    inbox.channel.queue_declare(queue.name, passive=True)
    inbox.consumer.cancel()
    broker.holds_all(queue, range(1, 5))
    inbox.quiet()


def test_what_was_not_handed_out_is_not_acknowledged(broker: Broker, connection: Any) -> None:
    queue, other = broker.queue(), broker.queue()
    broker.send(queue, *range(5))
    broker.send(other, "got")
    inbox = Inbox(connection, queue)
    inbox.channel.queue_declare(queue.name, passive=True)
    got = broker.seen_by(inbox.channel, other).get()
    assert got is not None
    got.ack(multiple=True)
    connection.close()
    broker.holds_all(queue, range(5))
    broker.quiet(other)


def test_without_acknowledgement_nothing_is_lost_to_a_cancel(
    broker: Broker, connection: Any
) -> None:
    queue = broker.queue()
    broker.send(queue, *range(5))
    inbox = Inbox(connection, queue, no_ack=True)
    wait_until(lambda: queue.queue_declare(passive=True).message_count == 0, "all are sent")
    inbox.consumer.cancel()
    drain(connection)
    assert inbox.bodies == list(range(5))


def test_the_more_important_consumer_is_served_first(broker: Broker, connection: Any) -> None:
    queue = broker.queue()
    got: dict[int, list[Any]] = {0: [], 9: []}
    for priority, inbox in got.items():
        bound = Queue(queue.name, no_declare=True, consumer_arguments={"x-priority": priority})(
            connection.channel()
        )
        Consumer(bound.channel, bound, on_message=inbox.append).consume()
    broker.send(queue, *range(3))
    drain(connection)
    assert [len(inbox) for inbox in got.values()] == [0, 3]


def test_an_exclusive_queue_is_for_its_connection_only(broker: Broker, connection: Any) -> None:
    name = broker.name()
    Queue(name, exclusive=True)(connection.channel()).declare()
    with pytest.raises(amqp.exceptions.ResourceLocked):
        Queue(name, no_declare=True)(broker.connection.channel()).get()


def test_a_limit_can_change_on_a_queue_that_goes_with_its_last_consumer(
    broker: Broker, connection: Any
) -> None:
    queue = broker.queue(auto_delete=True)
    inbox = Inbox(connection, queue, prefetch=1)
    inbox.consumer.qos(prefetch_count=3)
    broker.send(queue, *range(5))
    inbox.wait(3)
    inbox.quiet()
    inbox.consumer.cancel()


def test_recover_without_requeue_is_refused_here(connection: Any) -> None:
    channel = connection.channel()
    with pytest.raises(exceptions.ChannelError, match="requeue=True") as caught:
        channel.basic_recover(requeue=False)
    assert caught.value.reply_code == 540
    assert connection.connected


def test_an_alternate_exchange_takes_what_fits_no_queue(broker: Broker) -> None:
    rest = broker.exchange("fanout")
    queue = broker.queue(exchange=rest)
    exchange = Exchange(broker.name("x"), "direct", arguments={"alternate-exchange": rest.name})(
        broker.connection
    )
    exchange.declare()
    broker.send(exchange, "m", key="nobody")
    broker.holds(queue, "m")


@pytest.mark.parametrize("frame_max", [4096, 131072])
def test_a_body_of_any_size_comes_through(broker: Broker, frame_max: int) -> None:
    connection = broker.connect(frame_max=frame_max)
    queue, producer = broker.queue(), connection.Producer()
    room = frame_max - 8
    sizes = [0, 1, room - 1, room, room + 1, 2 * room, 3_000_000]
    for size in sizes:
        producer.publish(
            b"x" * size,
            routing_key=queue.name,
            content_type="application/data",
            content_encoding="binary",
        )
    assert connection.connection.frame_max == frame_max
    inbox = Inbox(connection, queue)
    inbox.wait(len(sizes), within=20)
    assert [len(message.body) for message in inbox.messages] == sizes


def test_an_answer_that_comes_late_is_not_the_next_ones(
    broker: Broker, connection: Any, rabbitmq: RabbitMQ
) -> None:
    queue, other = broker.queue(), broker.queue()
    broker.send(queue, "m")
    channel = connection.channel()
    rabbitmq.pause()
    try:
        with pytest.raises(TimeoutError, match=r"Basic\.get"):
            broker.seen_by(channel, queue).get(timeout=0.2)
        with pytest.raises(TimeoutError, match=r"Queue\.declare"):
            broker.seen_by(channel, queue).bind(channel)
            Queue(queue.name)(channel).queue_declare(timeout=0.2, passive=True)
    finally:
        rabbitmq.resume()
    assert channel.queue_declare(other.name, passive=True).queue == other.name
    # What it brought went back.
    broker.holds(queue, "m")
