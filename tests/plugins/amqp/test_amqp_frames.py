"""What a broker sends in pieces, out of line or wrong: read, or a typed error; never a hang."""

from __future__ import annotations

import random
import struct
import time
from typing import TYPE_CHECKING, Any

import pytest
from amqp import spec
from broker_double import BrokerDouble, delivery, frame, method

from kombu import Connection, exceptions
from kombu.testing.checks import returns_within
from kombu.testing.kit import wait_until
from kombu_amqp.connection.probing import forget_probes
from kombu_amqp.consume.arrived import Arrived

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kombu.testing.runs import Run

LOST = (exceptions.ConnectionError, OSError)


@pytest.fixture
def double() -> Iterator[BrokerDouble]:
    with BrokerDouble() as double:
        yield double


def consuming(double: BrokerDouble, got: list[Any]) -> Any:
    """A connection with a consumer "t" on its channel 1."""
    connection = Connection(double.url, heartbeat=0)
    channel = connection.channel()
    channel.basic_consume("q", "t", callback=got.append)
    return connection


def drain(connection: Any, got: list[Any], count: int, within: float = 5.0) -> None:
    deadline = time.monotonic() + within
    while len(got) < count:
        connection.drain_events(timeout=max(deadline - time.monotonic(), 0.01))


def test_messages_are_whole_however_they_are_split(double: BrokerDouble) -> None:
    got: list[Any] = []
    connection = consuming(double, got)
    bodies = [b"", b"a", b"b" * 300, b"", b"c" * 70_000]
    data = b"".join(delivery(1, "t", n, body) for n, body in enumerate(bodies, 1))
    data = data[:-70_000] + data[-70_000:]
    splits = random.Random(7)
    for repetition in range(30):
        at = 0
        while at < len(data):
            size = splits.choice([1, 3, 7, 11, 40, 500, 30_000])
            double.push(data[at : at + size])
            at += size
            if size < 50:
                with_events(connection)
        drain(connection, got, len(bodies) * (repetition + 1))
        assert [message.body for message in got[-len(bodies) :]] == [b or b"" for b in bodies]
    assert any(message.__class__ is Arrived for message in got)
    connection.close()


def with_events(connection: Any) -> None:
    try:
        connection.drain_events(timeout=0)
    except TimeoutError:
        pass


def test_a_body_of_many_frames_between_those_of_another_channel(double: BrokerDouble) -> None:
    got: list[Any] = []
    connection = consuming(double, got)
    connection.channel().basic_consume("q", "t", callback=got.append)
    large = b"x" * 900
    first = method(1, spec.Basic.Deliver, "sLbss", "t", 1, False, "x", "key")
    first += frame(2, 1, struct.pack(">HHQ", 60, 0, len(large)) + b"\0\0")
    double.push(first + frame(3, 1, large[:300]) + delivery(2, "t", 1, b"small"))
    double.push(frame(3, 1, large[300:600]) + frame(8, 0, b"") + frame(3, 1, large[600:]))
    drain(connection, got, 2)
    assert [message.body for message in got] == [b"small", large]
    connection.close()


def test_a_close_between_deliveries_is_told(double: BrokerDouble) -> None:
    got: list[Any] = []
    connection = consuming(double, got)
    double.push(
        delivery(1, "t", 1, b"m")
        + method(0, spec.Connection.Close, "BsBB", 320, "CONNECTION_FORCED - gone", 0, 0)
    )
    with pytest.raises(connection.recoverable_connection_errors, match="CONNECTION_FORCED"):
        drain(connection, got, 2)
    wait_until(lambda: (0, spec.Connection.CloseOk) in double.heard, "it is answered")


def test_a_close_is_told_by_the_next_publish(double: BrokerDouble) -> None:
    connection = Connection(double.url, heartbeat=0, transport_options={"confirm_publish": False})
    producer = connection.Producer(connection.channel())
    producer.publish("m", routing_key="q")
    double.push(method(1, spec.Channel.Close, "BsBB", 404, "NOT_FOUND - no exchange 'x'", 60, 40))
    time.sleep(0.1)
    with pytest.raises(exceptions.ChannelError, match="NOT_FOUND"):
        producer.publish("m", routing_key="q")
    producer.publish("m", routing_key="q")
    connection.close()


def test_an_alarm_between_publishes_is_told(double: BrokerDouble) -> None:
    connection = Connection(double.url, heartbeat=0, transport_options={"confirm_publish": False})
    producer = connection.Producer(connection.channel())
    producer.publish("m", routing_key="q")
    double.push(method(0, spec.Connection.Blocked, "s", "low on memory"))
    time.sleep(0.1)
    with pytest.raises(exceptions.RecoverableConnectionError, match="low on memory"):
        returns_within(0.2, lambda: producer.publish("m", routing_key="q", timeout=0.2))
    double.push(method(0, spec.Connection.Unblocked))
    producer.publish("m", routing_key="q", timeout=2)
    connection.close()


def test_flow_is_answered(double: BrokerDouble) -> None:
    connection = consuming(double, [])
    double.push(method(1, spec.Channel.Flow, "b", False))
    time.sleep(0.1)
    with_events(connection)
    connection.channel(timeout=2)
    wait_until(lambda: (1, spec.Channel.FlowOk) in double.heard, "it is answered")
    connection.close()


def test_a16_a_broker_without_a_limit_of_the_channel_is_found_out_at_no_cost() -> None:
    """As RabbitMQ 4 answers, which was not there to be tried."""

    def refuse(number: int) -> bytes:
        # Class, method, size, count, flag.
        if not double.payload[10]:
            return method(number, spec.Basic.QosOk)
        return method(0, spec.Connection.Close, "BsBB", 540, "NOT_IMPLEMENTED - global qos", 60, 10)

    forget_probes()
    with BrokerDouble({spec.Basic.Qos: refuse}) as double:
        connection = Connection(double.url, heartbeat=0)
        channel = connection.channel()
        channel.basic_qos(0, 5, True)
        assert connection.connected
        assert channel.reopening.limits == [(0, 5, False)]
        channel.basic_qos(0, 6, True)
        assert [sig for _, sig in double.heard].count(spec.Connection.Open) == 2
        connection.close()


PIECES = [
    delivery(1, "t", 1, b"body"),
    delivery(
        1, "t", 2, b"b" * 400, b"\xe0\x00\x01a\x05utf-8\x00\x00\x00\x06\x01kS\x00\x00\x00\x00"
    ),
    delivery(1, "other", 3, b"body"),
    method(1, spec.Basic.Ack, "Lb", 7, False),
    method(1, spec.Basic.Cancel, "sb", "t", True),
    frame(8, 0, b""),
]


def mutated(chance: random.Random) -> bytes:
    """Frames of which one is truncated, over-long, of a wrong type, or has wrong bytes."""
    data = bytearray(b"".join(chance.choice(PIECES) for _ in range(4)))
    how = chance.randrange(5)
    at = chance.randrange(len(data))
    if how == 0:
        del data[at:]
    elif how == 1:
        data[3:7] = struct.pack(">I", chance.randrange(2**32))
    elif how == 2:
        data[0] = chance.randrange(256)
    elif how == 3:
        data[at : at + 4] = chance.randbytes(4)
    else:
        data[at:at] = chance.randbytes(chance.randrange(1, 200))
    return bytes(data)


@pytest.mark.timeout(120)
def test_wrong_frames_are_a_typed_error_and_no_hang(run: Run) -> None:
    """Truncated, over-long, of the wrong type, random."""
    with BrokerDouble() as double:
        for _ in range(run.count(ci=150, full=3_000)):
            got: list[Any] = []
            connection = consuming(double, got)
            double.push(mutated(run.random))
            double.hang_up()

            def read(connection: Any = connection) -> None:
                while True:
                    connection.drain_events(timeout=2)

            with pytest.raises((*LOST, exceptions.ChannelError)):
                returns_within(2, read)
            for message in got:
                try:
                    assert message.delivery_info["consumer_tag"] == "t"
                    assert isinstance(message.headers, dict)
                except exceptions.ConnectionError:
                    pass  # typed, where its headers are what is wrong
            connection.collect(socket_timeout=1)
