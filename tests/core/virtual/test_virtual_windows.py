"""Prefetch windows under random use: never exceeded, nothing lost or doubled, order kept."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from brokers import fresh_name, waiting
from hypothesis import given, settings
from hypothesis import strategies as st

from kombu import Connection, Producer

if TYPE_CHECKING:
    from kombu.message import Message

QUEUES = ["q0", "q1"]
CHANNELS = [0, 1]

STEPS = st.one_of(
    st.tuples(st.just("publish"), st.sampled_from(QUEUES), st.integers(1, 6)),
    st.tuples(st.just("consume"), st.sampled_from(CHANNELS), st.sampled_from(QUEUES)),
    st.tuples(st.just("cancel"), st.sampled_from(CHANNELS), st.integers(0, 3)),
    st.tuples(st.just("drain"), st.integers(1, 8), st.none()),
    st.tuples(st.just("ack"), st.sampled_from(CHANNELS), st.integers(0, 5)),
    st.tuples(st.just("ack_up_to"), st.sampled_from(CHANNELS), st.integers(0, 5)),
    st.tuples(st.just("requeue"), st.sampled_from(CHANNELS), st.integers(0, 5)),
    st.tuples(st.just("reject"), st.sampled_from(CHANNELS), st.integers(0, 5)),
    st.tuples(st.just("qos_each"), st.sampled_from(CHANNELS), st.integers(0, 3)),
    st.tuples(st.just("qos_all"), st.sampled_from(CHANNELS), st.integers(0, 3)),
    st.tuples(st.just("get"), st.sampled_from(CHANNELS), st.sampled_from(QUEUES)),
    st.tuples(st.just("recover"), st.sampled_from(CHANNELS), st.booleans()),
    st.tuples(st.just("flow"), st.sampled_from(CHANNELS), st.booleans()),
    st.tuples(st.just("reopen"), st.sampled_from(CHANNELS), st.none()),
)


class Line:
    """One channel, its consumers, and what they hold."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.open()

    def open(self) -> None:
        self.channel = self.connection.channel()
        #: Unsettled messages in the order of delivery, each with its consumer's tag.
        self.held: list[tuple[str | None, Message]] = []
        self.consumers: list[str] = []
        #: What `qos` without ``global`` said, by consumer: it binds those that are there.
        self.each: dict[str, int] = {}
        self.new_each = 0
        self.all = 0
        self.flowing = True


class Broker:
    """Everything that the steps act on, and what must always hold."""

    def __init__(self) -> None:
        self.connection = Connection(f"memory://{fresh_name('window')}//")
        self.producer = Producer(self.connection.channel())
        for queue in QUEUES:
            self.producer.channel.queue_declare(queue)
        self.lines = [Line(self.connection) for _ in CHANNELS]
        self.published: Counter[str] = Counter()
        self.done: Counter[str] = Counter()

    def step(self, name: str, first: Any, second: Any) -> None:
        act = getattr(self, name)
        if name in ("publish", "drain"):
            act(first, second)
        else:
            act(self.lines[first], second)

    def publish(self, queue: str, count: int) -> None:
        for _ in range(count):
            body = f"{queue}-{sum(self.published.values())}"
            self.producer.publish(body, routing_key=queue)
            self.published[body] += 1

    def consume(self, line: Line, queue: str) -> None:
        tag = fresh_name("tag")

        def received(message: Message) -> None:
            assert line.flowing
            assert tag in line.consumers
            line.held.append((tag, message))
            mine = sum(1 for owner, _ in line.held if owner == tag)
            assert mine <= (line.each[tag] or mine), "more than the consumer's window"
            by_consumers = sum(1 for owner, _ in line.held if owner is not None)
            assert by_consumers <= (line.all or by_consumers), "more than the channel's window"

        line.consumers.append(tag)
        line.each[tag] = line.new_each
        line.channel.basic_consume(queue, callback=received, consumer_tag=tag)

    def cancel(self, line: Line, number: int) -> None:
        if number < len(line.consumers):
            line.channel.basic_cancel(line.consumers.pop(number))

    def drain(self, count: int, _: None) -> None:
        for _ in range(count):
            try:
                self.connection.drain_events(timeout=0)
            except TimeoutError:
                return

    def ack(self, line: Line, number: int) -> None:
        if number < len(line.held):
            _, message = line.held.pop(number)
            message.ack()
            self.done[message.payload] += 1

    def ack_up_to(self, line: Line, number: int) -> None:
        if number < len(line.held):
            line.held[number][1].ack(multiple=True)
            self.done.update(message.payload for _, message in line.held[: number + 1])
            del line.held[: number + 1]

    def requeue(self, line: Line, number: int) -> None:
        if number < len(line.held):
            line.held.pop(number)[1].requeue()

    def reject(self, line: Line, number: int) -> None:
        if number < len(line.held):
            _, message = line.held.pop(number)
            message.reject()
            self.done[message.payload] += 1

    def qos_each(self, line: Line, count: int) -> None:
        line.channel.basic_qos(0, count, False)
        line.new_each = count
        line.each.update(dict.fromkeys(line.consumers, count))

    def qos_all(self, line: Line, count: int) -> None:
        line.channel.basic_qos(0, count, True)
        line.all = count

    def get(self, line: Line, queue: str) -> None:
        message = line.channel.basic_get(queue)
        if message is not None:
            line.held.append((None, message))

    def recover(self, line: Line, requeue: bool) -> None:
        line.held = []
        line.channel.basic_recover(requeue=requeue)
        if not requeue:
            # Redelivered to the consumers that had them, cancelled or not.
            self.drain_recovered(line)

    def drain_recovered(self, line: Line) -> None:
        self.drain(50, None)

    def flow(self, line: Line, active: bool) -> None:
        line.channel.flow(active)
        line.flowing = active

    def reopen(self, line: Line, _: None) -> None:
        line.channel.close()
        line.open()

    def check_the_end(self) -> None:
        for line in self.lines:
            line.channel.close()
        left = Counter(body for queue in QUEUES for body in waiting(self.connection, queue))
        assert left + self.done == self.published
        self.connection.release()


@settings(max_examples=400, deadline=None)
@given(st.lists(STEPS, max_size=40))
def test_windows_hold_and_nothing_is_lost_or_doubled(steps: list[tuple[str, Any, Any]]) -> None:
    broker = Broker()
    for step in steps:
        broker.step(*step)
    broker.check_the_end()


ONE_CONSUMER_STEPS = st.one_of(
    st.tuples(st.just("drain"), st.integers(1, 8)),
    st.tuples(st.just("ack"), st.integers(0, 5)),
    st.tuples(st.just("requeue"), st.integers(0, 5)),
    st.tuples(st.just("qos"), st.integers(0, 4)),
    st.tuples(st.just("restart"), st.booleans()),
    st.tuples(st.just("get"), st.none()),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(ONE_CONSUMER_STEPS, max_size=40))
def test_messages_are_first_delivered_in_the_order_of_publishing(
    steps: list[tuple[str, Any]],
) -> None:
    """Whatever is requeued, cancelled or bounded: the first sight of each message is in order."""
    with Connection(f"memory://{fresh_name('order')}//") as connection:
        producer = Producer(connection.channel())
        producer.channel.queue_declare("q")
        for number in range(40):
            producer.publish(number, routing_key="q")
        first_seen: list[int] = []
        held: list[Message] = []

        def received(message: Message) -> None:
            held.append(message)
            if not message.delivery_info["redelivered"]:
                first_seen.append(message.payload)

        channel = connection.channel()
        channel.basic_consume("q", callback=received, consumer_tag="t")
        for name, argument in steps:
            if name == "drain":
                for _ in range(argument):
                    try:
                        connection.drain_events(timeout=0)
                    except TimeoutError:
                        break
            elif name == "qos":
                channel.basic_qos(0, argument, False)
            elif name == "get":
                message = channel.basic_get("q")
                if message is not None:
                    received(message)
            elif name == "restart":
                channel.basic_cancel("t")
                if argument:
                    channel.close()
                    held.clear()
                    channel = connection.channel()
                channel.basic_consume("q", callback=received, consumer_tag="t")
            elif argument < len(held):
                message = held.pop(argument)
                message.ack() if name == "ack" else message.requeue()
        assert first_seen == list(range(len(first_seen)))
