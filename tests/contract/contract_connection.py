"""A `kombu.Connection` over the store does what AMQP says."""

from __future__ import annotations

import threading
import uuid
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest

from kombu import Connection, Consumer, Exchange, Producer, Queue
from kombu.exceptions import RecoverableConnectionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from contract_store import Store

    from kombu.message import Message


class Inbox:
    """Consumes a queue and keeps the messages."""

    def __init__(self, connection: Any, *queues: Any, prefetch: int = 0, no_ack: bool = False):
        self.messages: list[Message] = []
        self._connection = connection
        self.channel = connection.channel()
        self.consumer = Consumer(
            self.channel,
            list(queues),
            on_message=self.messages.append,
            prefetch_count=prefetch or None,
            no_ack=no_ack,
        )
        self.consumer.consume()

    def drain(self, count: int, within: float = 10.0) -> list[Message]:
        """Wait until there are `count` messages, or the time is over."""
        deadline = monotonic() + within
        while len(self.messages) < count and monotonic() < deadline:
            try:
                self._connection.drain_events(timeout=max(deadline - monotonic(), 0.01))
            except TimeoutError:
                break
        return self.messages

    @property
    def payloads(self) -> list[Any]:
        return [message.payload for message in self.messages]


def publish(connection: Any, queue: Queue, *payloads: Any) -> None:
    producer = Producer(connection.channel())
    for payload in payloads:
        producer.publish(
            payload, exchange=queue.exchange, routing_key=queue.routing_key, declare=[queue]
        )


class TestConnection:
    """What a program sees of a store through `kombu.Connection`."""

    @pytest.fixture
    def connect(self, store: Store) -> Iterator[Callable[[], Connection]]:
        """Opens connections to one store."""
        opened: list[Connection] = []

        def connect() -> Connection:
            connection = store.connection()
            opened.append(connection)
            connection.connect()
            return connection

        yield connect
        for connection in opened:
            connection.release()

    @pytest.fixture
    def queue(self) -> Queue:
        name = f"c-{uuid.uuid4().hex[:12]}"
        return Queue(name, Exchange(f"e-{name}", type="direct"), routing_key=name)

    def test_a_published_message_arrives_and_is_acknowledged(
        self, connect: Callable[[], Connection], queue: Queue
    ) -> None:
        here, there = connect(), connect()
        publish(here, queue, {"n": 1, "ü": "队列"})
        inbox = Inbox(there, queue)
        (message,) = inbox.drain(1)
        assert message.payload == {"n": 1, "ü": "队列"}
        assert message.delivery_info["routing_key"] == queue.routing_key
        assert not message.delivery_info["redelivered"]
        message.ack()
        there.release()
        assert Inbox(here, queue).drain(1, within=0.5) == []

    def test_a_requeued_message_comes_back_as_redelivered(
        self, connect: Callable[[], Connection], queue: Queue
    ) -> None:
        connection = connect()
        publish(connection, queue, 1)
        inbox = Inbox(connection, queue)
        inbox.drain(1)[0].requeue()
        first, second = inbox.drain(2)
        assert (first.payload, second.payload) == (1, 1)
        assert second.delivery_info["redelivered"]
        second.ack()

    def test_a_rejected_message_is_dropped(
        self, connect: Callable[[], Connection], queue: Queue
    ) -> None:
        connection = connect()
        publish(connection, queue, 1, 2)
        inbox = Inbox(connection, queue)
        for message in inbox.drain(2):
            message.reject()
        assert sorted(inbox.payloads) == [1, 2]
        assert len(inbox.drain(3, within=0.5)) == 2

    def test_a_closed_connection_returns_what_was_not_acknowledged(
        self, connect: Callable[[], Connection], queue: Queue
    ) -> None:
        here, there = connect(), connect()
        publish(here, queue, 1, 2, 3)
        inbox = Inbox(there, queue)
        inbox.drain(3)[0].ack()
        assert len(inbox.messages) == 3
        acknowledged = inbox.payloads[0]
        there.release()
        begun = monotonic()
        again = Inbox(here, queue)
        again.drain(2)
        assert monotonic() - begun < 3
        assert sorted(again.payloads) == sorted({1, 2, 3} - {acknowledged})
        assert all(message.delivery_info["redelivered"] for message in again.messages)

    def test_a_connection_closed_elsewhere_ends_the_wait(
        self, connect: Callable[[], Connection], queue: Queue
    ) -> None:
        connection = connect()
        Inbox(connection, queue)
        raised: list[BaseException] = []

        def wait() -> None:
            try:
                connection.drain_events()
            except BaseException as exc:
                raised.append(exc)

        waiting = threading.Thread(target=wait, daemon=True)
        waiting.start()
        waiting.join(0.3)
        assert waiting.is_alive()
        begun = monotonic()
        connection.release()
        waiting.join(3)
        assert not waiting.is_alive()
        assert monotonic() - begun < 2
        assert isinstance(raised[0], RecoverableConnectionError)

    def test_no_more_arrive_than_the_prefetch_count(
        self, connect: Callable[[], Connection], queue: Queue
    ) -> None:
        here, there = connect(), connect()
        publish(here, queue, *range(6))
        first = Inbox(here, queue, prefetch=2)
        assert len(first.drain(3, within=0.7)) == 2
        second = Inbox(there, queue, prefetch=1)
        assert len(second.drain(2, within=0.7)) == 1
        first.messages[0].ack()
        assert len(first.drain(3)) == 3
        assert len(first.drain(4, within=0.5)) == 3
        assert len({*first.payloads, *second.payloads}) == 4

    def test_a_waiting_consumer_is_woken_at_once(
        self, connect: Callable[[], Connection], queue: Queue
    ) -> None:
        here, there = connect(), connect()
        inbox = Inbox(there, queue)
        with pytest.raises(TimeoutError):
            there.drain_events(timeout=0.1)
        sent: list[float] = []

        def send() -> None:
            sent.append(monotonic())
            publish(here, queue, "now")

        timer = threading.Timer(0.3, send)
        timer.start()
        inbox.drain(1)
        timer.join()
        assert inbox.payloads == ["now"]
        assert monotonic() - sent[0] < 0.7

    def test_a_consumer_without_acknowledgement_takes(
        self, connect: Callable[[], Connection], queue: Queue
    ) -> None:
        here, there = connect(), connect()
        publish(here, queue, 1, 2)
        inbox = Inbox(there, queue, no_ack=True)
        inbox.drain(2)
        there.release()
        assert sorted(inbox.payloads) == [1, 2]
        assert Inbox(here, queue).drain(1, within=0.5) == []

    def test_a_consumer_added_or_cancelled_while_waiting_counts(
        self, connect: Callable[[], Connection], queue: Queue
    ) -> None:
        here, there = connect(), connect()
        other = Queue(f"{queue.name}-2", queue.exchange, routing_key=f"{queue.name}-2")
        first = Inbox(there, queue)
        added: list[Inbox] = []
        timer = threading.Timer(0.3, lambda: added.append(Inbox(there, other)))
        timer.start()
        threading.Timer(0.6, publish, (here, other, "second")).start()
        deadline = monotonic() + 5
        while not (added and added[0].messages) and monotonic() < deadline:
            try:
                there.drain_events(timeout=5)
            except TimeoutError:
                break
        timer.join()
        assert added[0].payloads == ["second"]
        first.consumer.cancel()
        publish(here, queue, "third")
        with pytest.raises(TimeoutError):
            there.drain_events(timeout=0.5)
        assert Inbox(here, queue).drain(1)[0].payload == "third"

    def test_a_simple_queue_gets_and_puts(self, connect: Callable[[], Connection]) -> None:
        connection = connect()
        name = f"simple-{uuid.uuid4().hex[:8]}"
        simple = connection.SimpleQueue(name)
        for n in range(3):
            simple.put({"n": n})
        got = []
        for _ in range(3):
            message = simple.get(timeout=5)
            got.append(message.payload["n"])
            message.ack()
        assert sorted(got) == [0, 1, 2]
        with pytest.raises(simple.Empty):
            simple.get_nowait()
        simple.close()

    def test_a_message_fetched_one_by_one_is_acknowledged(
        self, connect: Callable[[], Connection], queue: Queue
    ) -> None:
        connection = connect()
        publish(connection, queue, 1)
        bound = queue(connection.channel())
        message = bound.get()
        assert message is not None
        assert message.payload == 1
        message.requeue()
        again = bound.get()
        assert again is not None
        assert again.delivery_info["redelivered"]
        again.ack()
        assert bound.get() is None
        assert bound.get(no_ack=True) is None

    def test_a_topic_exchange_fans_out_to_its_queues(
        self, connect: Callable[[], Connection]
    ) -> None:
        connection = connect()
        exchange = Exchange(f"topic-{uuid.uuid4().hex[:8]}", type="topic")
        queues = [
            Queue(f"{exchange.name}-{n}", exchange, routing_key=key)
            for n, key in enumerate(["a.*", "a.#", "b.#"])
        ]
        inboxes = [Inbox(connection, queue) for queue in queues]
        Producer(connection.channel()).publish("x", exchange=exchange, routing_key="a.b")
        inboxes[0].drain(1)
        inboxes[1].drain(1)
        assert [inbox.payloads for inbox in inboxes] == [["x"], ["x"], []]

    def test_a_passive_declaration_of_an_absent_queue_fails(
        self, connect: Callable[[], Connection]
    ) -> None:
        connection = connect()
        with pytest.raises(connection.channel_errors, match="NOT_FOUND"):
            connection.channel().queue_declare(f"none-{uuid.uuid4().hex}", passive=True)

    @pytest.mark.capability("shared_topology")
    def test_a_binding_made_elsewhere_routes_the_next_message(
        self, connect: Callable[[], Connection]
    ) -> None:
        """A publish that begins after a bind of another process has returned follows it."""
        here, there = connect(), connect()
        exchange = Exchange(f"shared-{uuid.uuid4().hex[:8]}", type="direct")
        producer = Producer(here.channel(), exchange=exchange.bind(here.channel()))
        exchange.bind(here.channel()).declare()
        producer.publish("nobody", routing_key="k")
        queues = [Queue(f"{exchange.name}-{n}", exchange, routing_key="k") for n in range(3)]
        for n, queue in enumerate(queues):
            queue(there.channel()).declare()
            producer.publish(n, routing_key="k")
        inboxes = [Inbox(there, queue) for queue in queues]
        for n, inbox in enumerate(inboxes):
            inbox.drain(3 - n)
        assert [sorted(inbox.payloads) for inbox in inboxes] == [[0, 1, 2], [1, 2], [2]]
        queues[0](there.channel()).unbind_from(exchange, routing_key="k")
        producer.publish("later", routing_key="k")
        producer.publish("last", routing_key="k")
        inboxes[1].drain(4)
        assert inboxes[1].payloads[-2:] == ["later", "last"]
        inboxes[0].drain(5, within=0.5)
        assert "last" not in inboxes[0].payloads
