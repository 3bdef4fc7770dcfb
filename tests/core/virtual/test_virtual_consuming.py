"""Receiving: who gets what, when, and what goes back."""

from __future__ import annotations

import threading
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

import pytest
from brokers import GLANCE, PATIENCE, Inbox, drain_all, drain_until, fresh_name, publish, waiting

from kombu import Connection, Consumer, Exchange, Queue
from kombu.exceptions import ChannelError, ConsumerCancelled, RecoverableConnectionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from kombu.message import Message

Connect = Any


# -- settling --------------------------------------------------------------------------------


def test_requeued_messages_come_back_in_order(connection: Connection, queue: Queue) -> None:
    publish(connection, queue, *range(5))
    inbox = Inbox(connection, queue, prefetch=3).drain()
    assert inbox.payloads == [0, 1, 2]
    for message in reversed(inbox.messages):
        message.requeue()
    inbox.messages.clear()
    inbox.drain()
    assert inbox.payloads == [0, 1, 2]


def test_nack_of_several_puts_them_back_in_order(connection: Connection, queue: Queue) -> None:
    publish(connection, queue, *range(5))
    inbox = Inbox(connection, queue, prefetch=3).drain()
    inbox.channel.basic_cancel(next(iter(inbox.consumer._active_tags.values())))
    inbox.channel.basic_nack(inbox.messages[2].delivery_tag, multiple=True, requeue=True)
    assert waiting(connection, queue) == [0, 1, 2, 3, 4]


def test_nack_without_requeue_drops(connection: Connection, queue: Queue) -> None:
    publish(connection, queue, 1, 2)
    first = queue.get()
    queue.channel.basic_nack(first.delivery_tag, requeue=False)
    assert waiting(connection, queue) == [2]


def test_multiple_acknowledges_all_up_to_the_message_and_no_other(
    connect: Connect, queue: Queue
) -> None:
    connection = connect()
    publish(connection, queue, *range(5))
    inbox = Inbox(connection, queue).drain(5)
    inbox.messages[2].ack(multiple=True)
    inbox.channel.close()
    assert waiting(connection, queue) == [3, 4]


def test_tag_zero_acknowledges_everything(connection: Connection, queue: Queue) -> None:
    publish(connection, queue, *range(3))
    inbox = Inbox(connection, queue).drain(3)
    inbox.channel.basic_ack(0, multiple=True)
    inbox.channel.basic_ack(0, multiple=True)
    inbox.channel.close()
    assert waiting(connection, queue) == []


@pytest.mark.parametrize("settle", ["basic_ack", "basic_reject", "basic_nack"])
def test_an_unknown_tag_is_refused(connection: Connection, queue: Queue, settle: str) -> None:
    publish(connection, queue, 1)
    message = queue.get()
    with pytest.raises(ChannelError, match="unknown delivery tag 99") as caught:
        getattr(queue.channel, settle)(99)
    assert caught.value.reply_code == 406
    queue.channel.basic_ack(message.delivery_tag)
    with pytest.raises(ChannelError, match="settled before"):
        getattr(queue.channel, settle)(message.delivery_tag)


def test_a_message_of_a_closed_channel_says_that_it_comes_again(
    connection: Connection, queue: Queue
) -> None:
    publish(connection, queue, 1)
    inbox = Inbox(connection, queue).drain(1)
    inbox.channel.close()
    with pytest.raises(RecoverableConnectionError, match="will be delivered again"):
        inbox.messages[0].ack()
    assert not inbox.messages[0].acknowledged
    assert waiting(connection, queue) == [1]


def test_the_redelivered_flag_and_the_count_are_true(connection: Connection, queue: Queue) -> None:
    publish(connection, queue, "again")
    seen = []
    for _ in range(4):
        message = queue.get()
        seen.append((message.delivery_info["redelivered"], message.headers.get("x-delivery-count")))
        message.requeue()
    assert seen == [(False, None), (True, 1), (True, 2), (True, 3)]


def test_what_no_callback_saw_does_not_count_as_delivered(
    connection: Connection, queue: Queue
) -> None:
    publish(connection, queue, *range(40))
    inbox = Inbox(connection, queue)
    inbox.drain(10)
    assert connection.transport.receiver.arrived, "nothing was fetched ahead: this tests nothing"
    inbox.channel.close()
    counts = {}
    while (message := queue.get()) is not None:
        counts[message.payload] = message.headers.get("x-delivery-count", 0)
        message.ack()
    assert list(counts) == list(range(40))
    assert counts == {n: int(n < 10) for n in range(40)}


def test_a_message_published_again_with_its_old_headers_counts_anew(
    connection: Connection, queue: Queue
) -> None:
    publish(connection, queue, 1)
    queue.get().requeue()
    again = queue.get()
    assert again.headers["x-delivery-count"] == 1
    publish(connection, queue, 2, headers=again.headers)
    fresh = queue.get()
    assert not fresh.delivery_info["redelivered"]
    assert "x-delivery-count" not in fresh.headers


def test_recover_with_requeue_gives_to_whoever_comes_first(connect: Connect, queue: Queue) -> None:
    first, second = connect(), connect()
    publish(first, queue, 1, 2)
    inbox = Inbox(first, queue).drain(2)
    inbox.consumer.cancel()
    inbox.consumer.recover(requeue=True)
    other = Inbox(second, queue).drain(2)
    assert other.payloads == [1, 2]
    assert all(message.delivery_info["redelivered"] for message in other.messages)


def test_recover_without_requeue_gives_to_the_same_consumer(connect: Connect, queue: Queue) -> None:
    first, second = connect(), connect()
    publish(first, queue, 1, 2)
    inbox = Inbox(first, queue).drain(2)
    other = Inbox(second, queue)
    inbox.take()
    inbox.consumer.recover(requeue=False)
    assert inbox.drain(2).payloads == [1, 2]
    assert [m.headers["x-delivery-count"] for m in inbox.messages] == [1, 1]
    assert other.drain().payloads == []
    for message in inbox.messages:
        message.ack()
    inbox.channel.close()
    assert waiting(first, queue) == []


def test_recover_returns_what_a_cancelled_consumer_or_get_holds(
    connection: Connection, queue: Queue
) -> None:
    publish(connection, queue, 1, 2)
    inbox = Inbox(connection, queue, prefetch=1).drain(1)
    inbox.consumer.cancel()
    taken = inbox.channel.basic_get(queue.name)
    assert taken.payload == 2
    inbox.take()
    inbox.channel.basic_recover(requeue=False)
    assert drain_all(connection) == 0
    assert waiting(connection, queue) == [1, 2]


# -- closing ---------------------------------------------------------------------------------


def test_a_closed_channel_returns_what_it_held_in_order(connect: Connect, queue: Queue) -> None:
    connection = connect()
    publish(connection, queue, *range(30))
    inbox = Inbox(connection, queue).drain(12)
    inbox.messages[3].ack()
    inbox.channel.close()
    assert waiting(connection, queue) == [n for n in range(30) if n != 3]


def test_a_closed_connection_returns_what_its_channels_held_in_order(
    connect: Connect, queue: Queue
) -> None:
    connection, other = connect(), connect()
    publish(other, queue, *range(20))
    inboxes = [Inbox(connection, queue) for _ in range(3)]
    drain_until(connection, lambda: sum(len(inbox.messages) for inbox in inboxes) >= 12)
    assert all(inbox.messages for inbox in inboxes)
    connection.close()
    assert waiting(other, queue) == list(range(20))


def test_a_closed_channel_says_so(connection: Connection, queue: Queue) -> None:
    channel = queue.channel
    channel.close()
    channel.close()
    assert channel.closed
    assert channel.connection is None
    for verb in (
        lambda: channel.basic_get(queue.name),
        lambda: channel.basic_consume(queue.name, callback=print),
        lambda: channel.basic_cancel("tag"),
        lambda: channel.basic_qos(0, 1, False),
        lambda: channel.basic_recover(requeue=True),
        lambda: channel.flow(False),
        lambda: channel.queue_declare("q"),
        lambda: channel.queue_delete("q"),
        lambda: channel.queue_purge("q"),
        lambda: channel.queue_bind("q", "e"),
        lambda: channel.queue_unbind("q", "e"),
        lambda: channel.exchange_declare("e"),
        lambda: channel.exchange_delete("e"),
        lambda: channel.exchange_bind("e", "f"),
        lambda: channel.exchange_unbind("e", "f"),
        lambda: channel.drain_events(timeout=0),
        lambda: channel.basic_publish(channel.prepare_message("x"), routing_key="q"),
    ):
        with pytest.raises(RecoverableConnectionError, match="is closed: open a new one"):
            verb()


def test_a_channel_is_a_context(connection: Connection) -> None:
    with connection.channel() as channel:
        assert channel in connection.transport.channels
    assert channel.closed
    assert channel not in connection.transport.channels


# -- prefetch --------------------------------------------------------------------------------


def test_prefetch_bounds_each_consumer(connection: Connection, queue: Queue) -> None:
    publish(connection, queue, *range(10))
    channel = connection.channel()
    inboxes = [Inbox(connection, queue, channel=channel, prefetch=2) for _ in range(2)]
    drain_all(connection)
    assert [len(inbox.messages) for inbox in inboxes] == [2, 2]
    inboxes[0].messages[0].ack()
    drain_all(connection)
    assert [len(inbox.messages) for inbox in inboxes] == [3, 2]


def test_global_prefetch_bounds_the_channel(connection: Connection) -> None:
    queues = [Queue(fresh_name("queue")) for _ in range(2)]
    channel = connection.channel()
    inboxes = [Inbox(connection, queue, channel=channel) for queue in queues]
    inboxes[0].consumer.qos(prefetch_count=3, apply_global=True)
    for queue in queues:
        publish(connection, queue, *range(5))
    drain_all(connection)
    assert sum(len(inbox.messages) for inbox in inboxes) == 3
    inboxes[0].messages[0].ack()
    drain_all(connection)
    assert sum(len(inbox.messages) for inbox in inboxes) == 4


def test_prefetch_leaves_the_rest_to_others(connect: Connect, queue: Queue) -> None:
    first, second = connect(), connect()
    publish(first, queue, *range(6))
    one = Inbox(first, queue, prefetch=2).drain()
    two = Inbox(second, queue, prefetch=2).drain()
    assert (one.payloads, two.payloads) == ([0, 1], [2, 3])
    assert queue.queue_declare(passive=True).message_count == 2


def test_a_lowered_limit_holds_for_what_was_fetched_ahead(
    connection: Connection, queue: Queue
) -> None:
    publish(connection, queue, *range(60))
    inbox = Inbox(connection, queue).drain(10)
    assert connection.transport.receiver.arrived
    inbox.consumer.qos(prefetch_count=12)
    drain_all(connection)
    assert inbox.payloads == list(range(12))
    inbox.consumer.qos(prefetch_count=0)
    assert inbox.drain(60).payloads == list(range(60))


def test_a_full_window_does_not_hold_up_a_consumer_without_acknowledgement(
    connection: Connection,
) -> None:
    bounded, free = Queue(fresh_name("queue")), Queue(fresh_name("queue"))
    channel = connection.channel()
    channel.basic_qos(0, 1, True)
    acking = Inbox(connection, bounded, channel=channel)
    taking = Inbox(connection, free, channel=channel, no_ack=True)
    publish(connection, bounded, *range(5))
    publish(connection, free, *range(5))
    drain_all(connection)
    assert acking.payloads == [0]
    assert taking.payloads == list(range(5))


def test_consumers_with_and_without_acknowledgement_share_a_queue(
    connection: Connection, queue: Queue
) -> None:
    acking = Inbox(connection, queue, prefetch=1)
    taking = Inbox(connection, queue, no_ack=True)
    publish(connection, queue, *range(10))
    drain_all(connection)
    assert len(acking.messages) == 1
    assert sorted(acking.payloads + taking.payloads) == list(range(10))
    for message in taking.messages:
        message.ack()  # nobody waits for it
    connection.close()
    with Connection(connection.as_uri()) as other:
        assert waiting(other, queue) == acking.payloads


def test_get_does_not_count_against_the_windows(connection: Connection, queue: Queue) -> None:
    publish(connection, queue, *range(4))
    channel = connection.channel()
    channel.basic_qos(0, 1, True)
    held = [channel.basic_get(queue.name) for _ in range(2)]
    inbox = Inbox(connection, queue, channel=channel).drain()
    assert inbox.payloads == [2]
    held[0].ack()
    assert inbox.drain().payloads == [2]


# -- flow and cancel -------------------------------------------------------------------------


def test_nothing_arrives_while_the_flow_is_stopped(connection: Connection, queue: Queue) -> None:
    publish(connection, queue, *range(40))
    inbox = Inbox(connection, queue).drain(10)
    inbox.consumer.flow(False)
    assert inbox.drain().payloads == list(range(10))
    inbox.consumer.flow(True)
    assert inbox.drain(40).payloads == list(range(40))


def test_flow_is_of_one_channel(connection: Connection, queue: Queue) -> None:
    stopped, running = Inbox(connection, queue), Inbox(connection, queue)
    stopped.consumer.flow(False)
    publish(connection, queue, *range(6))
    assert running.drain().payloads == list(range(6))
    assert stopped.payloads == []


def test_cancel_returns_what_was_fetched_and_keeps_what_was_delivered(
    connect: Connect, queue: Queue
) -> None:
    connection, other = connect(), connect()
    publish(connection, queue, *range(40))
    inbox = Inbox(connection, queue).drain(10)
    assert connection.transport.receiver.arrived
    inbox.consumer.cancel()
    assert waiting(other, queue) == list(range(10, 40))
    for message in inbox.messages:
        message.ack()
    connection.close()
    assert waiting(other, queue) == []


def test_cancel_from_a_callback_is_the_last_that_the_consumer_sees(
    connection: Connection, queue: Queue
) -> None:
    publish(connection, queue, *range(40))
    seen: list[Any] = []

    def once(message: Message) -> None:
        message.ack()
        seen.append(message.payload)
        if len(seen) == 10:
            consumer.cancel()

    consumer = Consumer(connection.channel(), queue, on_message=once)
    consumer.consume()
    drain_all(connection)
    assert seen == list(range(10))
    assert waiting(connection, queue) == list(range(10, 40))


def test_an_unknown_consumer_tag_is_cancelled_already(connection: Connection) -> None:
    connection.channel().basic_cancel("nobody")


def test_a_consumer_tag_is_used_once(connection: Connection, queue: Queue) -> None:
    channel = queue.channel
    assert channel.basic_consume(queue.name, callback=print, consumer_tag="one") == "one"
    with pytest.raises(ChannelError, match="reuse consumer tag 'one'") as caught:
        channel.basic_consume(queue.name, callback=print, consumer_tag="one")
    assert caught.value.reply_code == 530
    made_up = channel.basic_consume(queue.name, callback=print)
    assert made_up not in ("", "one")


def test_consuming_needs_a_callback_and_a_queue(connection: Connection, queue: Queue) -> None:
    with pytest.raises(ChannelError, match="needs a callback"):
        queue.channel.basic_consume(queue.name)
    with pytest.raises(ChannelError, match="no queue 'absent'") as caught:
        queue.channel.basic_consume("absent", callback=print)
    assert caught.value.reply_code == 404
    with pytest.raises(ChannelError, match="no queue 'absent'"):
        queue.channel.basic_get("absent")


# -- sharing ---------------------------------------------------------------------------------


def test_consumers_of_several_channels_take_turns(connection: Connection, queue: Queue) -> None:
    inboxes = [Inbox(connection, queue) for _ in range(3)]
    publish(connection, queue, *range(30))
    drain_all(connection)
    assert [len(inbox.messages) for inbox in inboxes] == [10, 10, 10]


def test_two_connections_share_a_queue(connect: Connect, queue: Queue) -> None:
    connections = [connect(), connect()]
    inboxes = [Inbox(c, queue, prefetch=1) for c in connections]
    publish(connections[0], queue, *range(20))
    for _ in range(20):
        for inbox in inboxes:
            inbox.drain(within=0)
            for message in inbox.messages[-1:]:
                if not message.acknowledged:
                    message.ack()
    assert [len(inbox.messages) for inbox in inboxes] == [10, 10]
    assert sorted(inboxes[0].payloads + inboxes[1].payloads) == list(range(20))


def test_a_slow_consumer_leaves_messages_to_another_connection(
    connect: Connect, queue: Queue
) -> None:
    """Without a prefetch limit, too: at most one more than it works on is fetched ahead."""
    slow, quick = connect(), connect()
    started, finish = threading.Event(), threading.Event()

    def work_long(message: Message) -> None:
        started.set()
        assert finish.wait(PATIENCE)
        message.ack()

    consumer = Consumer(slow.channel(), queue, on_message=work_long)
    consumer.consume()
    publish(quick, queue, *range(10))
    thread = threading.Thread(target=slow.drain_events, kwargs={"timeout": PATIENCE})
    thread.start()
    try:
        assert started.wait(PATIENCE)
        inbox = Inbox(quick, queue).drain(within=0.1)
        assert inbox.payloads == list(range(1, 10))
    finally:
        finish.set()
        thread.join()


def test_a_busy_queue_does_not_starve_the_others(connection: Connection) -> None:
    busy, quiet = Queue(fresh_name("queue")), Queue(fresh_name("queue"))
    inbox = Inbox(connection, busy, quiet)
    publish(connection, busy, *(["busy"] * 500))
    publish(connection, quiet, "quiet")
    inbox.drain(20)
    assert "quiet" in inbox.payloads


# -- waiting ---------------------------------------------------------------------------------


def test_a_waiting_consumer_is_woken_at_once(connect: Connect, queue: Queue) -> None:
    """Far below any polling interval: the median of several times."""
    here, there = connect(), connect()
    inbox = Inbox(there, queue)
    producer = here.Producer()
    producer.publish("warm up", routing_key=queue.name)
    inbox.drain(1)
    delays = []
    for _ in range(9):
        inbox.take()
        sent: list[float] = []

        def send(sent: list[float] = sent) -> None:
            sent.append(monotonic())
            producer.publish("now", routing_key=queue.name)

        timer = threading.Timer(0.03, send)
        timer.start()
        there.drain_events(timeout=PATIENCE)
        delays.append(monotonic() - sent[0])
        timer.join()
        assert inbox.payloads == ["now"]
    assert sorted(delays)[4] < 0.05


@pytest.mark.parametrize("change", ["consume", "ack", "flow", "qos"])
def test_a_waiting_thread_notices_what_gives_it_room(
    connect: Connect, queue: Queue, change: str
) -> None:
    """A thread in drain_events wakes up when another one makes room or adds a consumer."""
    connection = connect()
    received: list[Message] = []
    consumer = Consumer(connection.channel(), queue, on_message=received.append)
    publish(connection, queue, *range(2))
    wanted = 2
    if change == "consume":
        act: Callable[[], Any] = consumer.consume
        wanted = 1
    else:
        consumer.qos(prefetch_count=1)
        consumer.consume()
        connection.drain_events(timeout=PATIENCE)
        act = {
            "ack": lambda: received[0].ack(),
            "qos": lambda: consumer.qos(prefetch_count=2),
            "flow": lambda: consumer.flow(True),
        }[change]
        if change == "flow":
            consumer.qos(prefetch_count=2)
            consumer.flow(False)
    timer = threading.Timer(0.05, act)
    begun = monotonic()
    timer.start()
    connection.drain_events(timeout=PATIENCE)
    timer.join()
    assert monotonic() - begun < PATIENCE / 2
    assert len(received) == wanted


def test_several_threads_receive_on_one_connection(connect: Connect, queue: Queue) -> None:
    connection = connect()
    lock = threading.Lock()
    got: list[int] = []

    def received(message: Message) -> None:
        with lock:
            got.append(message.payload)
        message.ack()

    consumer = Consumer(connection.channel(), queue, on_message=received)
    consumer.consume()

    def work() -> None:
        while len(got) < 400:
            try:
                connection.drain_events(timeout=0.2)
            except TimeoutError:
                if len(got) >= 400:
                    return

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    publish(connect(), queue, *range(400))
    for thread in threads:
        thread.join(PATIENCE)
    assert sorted(got) == list(range(400))


def test_drain_events_times_out_as_the_builtin_error(connection: Connection, queue: Queue) -> None:
    Inbox(connection, queue)
    for timeout in (0, 0.05):
        begun = monotonic()
        with pytest.raises(TimeoutError):
            connection.drain_events(timeout=timeout)
        assert timeout <= monotonic() - begun < timeout + 0.5


def test_drain_events_without_consumers_times_out(connection: Connection) -> None:
    connection.connect()
    with pytest.raises(TimeoutError):
        connection.drain_events(timeout=GLANCE)


def test_closing_the_connection_ends_a_wait(connect: Connect, queue: Queue) -> None:
    connection = connect()
    Inbox(connection, queue)
    errors: list[BaseException] = []

    def wait() -> None:
        try:
            connection.drain_events()
        except BaseException as exc:
            errors.append(exc)

    thread = threading.Thread(target=wait)
    thread.start()
    sleep(GLANCE)
    connection.close()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert isinstance(errors[0], connection.connection_errors)


def test_draining_a_connection_that_was_closed_is_a_connection_error(url: str) -> None:
    never_opened = Connection(url)
    never_opened.close()
    opened = Connection(url)
    opened.connect()
    opened.close()
    for connection in (never_opened, opened):
        with pytest.raises(connection.connection_errors):
            connection.drain_events(timeout=1)


# -- messages fetched ahead ------------------------------------------------------------------


def test_messages_fetched_ahead_are_still_ready(connection: Connection, queue: Queue) -> None:
    """They count, and get, purge and delete find them."""
    publish(connection, queue, *range(40))
    inbox = Inbox(connection, queue).drain(10)
    assert connection.transport.receiver.arrived
    assert queue.queue_declare(passive=True).message_count == 30
    assert queue.get().payload == 10
    inbox.drain(20)
    assert queue.queue_declare(passive=True).message_count == 19
    assert queue.purge() == 19
    assert drain_all(connection) == 0


def test_messages_fetched_ahead_keep_a_queue_from_being_empty(
    connection: Connection, queue: Queue
) -> None:
    publish(connection, queue, *range(5))
    inbox = Inbox(connection, queue)
    while not connection.transport.receiver.arrived:
        connection.drain_events(timeout=1)
    with pytest.raises(ChannelError, match="not empty"):
        queue.delete(if_empty=True)
    assert queue.delete() == 5 - len(inbox.messages)
    with pytest.raises(ConsumerCancelled, match="was deleted under consumer"):
        connection.drain_events(timeout=1)
    assert drain_all(connection) == 0


def test_an_exchange_delivers_to_a_consumer_that_waits_on_another_queue(
    connection: Connection,
) -> None:
    exchange = Exchange(fresh_name("logs"), "fanout")
    inboxes = [Inbox(connection, Queue(fresh_name("queue"), exchange)) for _ in range(2)]
    connection.Producer(exchange=exchange).publish("all")
    drain_all(connection)
    assert [inbox.payloads for inbox in inboxes] == [["all"], ["all"]]
