"""Consuming programs come back after each loss, and end when they are told to."""

from __future__ import annotations

import errno
import logging
import threading
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest
from brokers import PATIENCE, fresh_name

from kombu import Connection, Consumer, Exchange, Producer, Queue, mixins
from kombu.exceptions import OperationalError, RecoverableConnectionError
from kombu.mixins import ConsumerMixin, ConsumerProducerMixin
from kombu.utils.limits import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Iterator

QUEUE = Queue("work", Exchange("work"), "work")


@pytest.fixture
def connection() -> Any:
    with Connection(f"memory://{fresh_name()}") as connection:
        QUEUE(connection.default_channel).declare()
        yield connection


def send(connection: Connection, *bodies: Any) -> None:
    for body in bodies:
        Producer(connection, QUEUE.exchange, "work").publish(body, declare=[QUEUE])


class Worker(ConsumerMixin):
    """Notes what happens; ends after so many messages."""

    def __init__(self, connection: Connection, count: int = 1) -> None:
        self.connection = connection
        self.count = count
        self.received: list[Any] = []
        self.told: list[str] = []
        self.live: Any = None
        # Tests do not wait a second for each start.
        self.restart_limit = TokenBucket(1_000, capacity=1_000)

    def get_consumers(self, Consumer: Any, channel: Any) -> list[Consumer]:
        self.told.append("get_consumers")
        return [Consumer([QUEUE], callbacks=[self.on_task], accept=["json"], prefetch_count=1)]

    def on_task(self, body: Any, message: Any) -> None:
        self.received.append(body)
        message.ack()
        if len(self.received) >= self.count:
            self.should_stop = True

    def on_connection_revived(self) -> None:
        self.told.append("revived")

    def on_consume_ready(
        self, connection: Any, channel: Any, consumers: Any, **kwargs: Any
    ) -> None:
        self.live = connection
        self.told.append(f"ready {len(consumers)} {kwargs}")

    def on_consume_end(self, connection: Any, channel: Any) -> None:
        super().on_consume_end(connection, channel)
        self.told.append("end")

    def on_connection_error(self, exc: BaseException, interval: float) -> None:
        self.told.append(f"error {interval}")

    def lose(self) -> None:
        """Cut the connection that is in use."""
        self.live.transport.close_connection(self.live.connection)


@contextmanager
def running(worker: ConsumerMixin, **kwargs: Any) -> Iterator[threading.Thread]:
    errors: list[BaseException] = []

    def run() -> None:
        try:
            worker.run(**kwargs)
        except BaseException as exc:
            errors.append(exc)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield thread
    finally:
        worker.should_stop = True
        thread.join(PATIENCE)
    assert not thread.is_alive()
    assert errors == []


def wait_for(condition: Any) -> None:
    until = monotonic() + PATIENCE
    while not condition():
        assert monotonic() < until
        threading.Event().wait(0.01)


def test_a_program_receives_and_ends_when_it_is_told_to(connection: Connection) -> None:
    send(connection, 1, 2, 3)
    worker = Worker(connection, 2)
    worker.run(color="red")
    assert worker.received == [1, 2]
    assert worker.told == ["revived", "get_consumers", "ready 1 {'color': 'red'}", "end"]
    # It used a copy, which it closed.
    assert connection.connected
    assert not worker.live.connected


def test_should_stop_is_noticed_while_nothing_comes(connection: Connection) -> None:
    worker = Worker(connection)
    with running(worker, safety_interval=0.05) as thread:
        wait_for(lambda: worker.live)
        worker.should_stop = True
        thread.join(1)
        assert not thread.is_alive()


@pytest.mark.parametrize(
    "error",
    [
        RecoverableConnectionError("gone"),
        ConnectionResetError("gone"),
        TimeoutError(errno.ETIMEDOUT, "Connection timed out"),
        Connection("memory://").channel_errors[0]("the channel is gone"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_program_begins_again_after_a_loss(connection: Connection, error: Exception) -> None:
    send(connection, 1, 2)
    worker = Worker(connection, 2)
    losses = [error]
    worker.on_iteration = lambda: _raise_first(losses) if worker.received else None  # type: ignore[method-assign]
    worker.run(safety_interval=0.05)
    assert worker.received == [1, 2]
    assert worker.told.count("revived") == worker.told.count("get_consumers") == 2


def _raise_first(losses: list[Exception]) -> None:
    if losses:
        raise losses.pop()


def test_a_program_survives_many_cut_connections(connection: Connection) -> None:
    worker = Worker(connection, 1_000)
    with running(worker, safety_interval=0.05):
        for number in range(20):
            wait_for(lambda: worker.live is not None and worker.live.connected)
            send(connection, number)
            wait_for(lambda number=number: number in worker.received)
            worker.lose()
            wait_for(lambda number=number: worker.told.count("revived") > number + 1)
    assert sorted({*worker.received}) == list(range(20))


def test_what_was_not_acknowledged_comes_again(connection: Connection) -> None:
    send(connection, 1)
    worker = Worker(connection, 2)
    plain = worker.on_task

    def on_task(body: Any, message: Any) -> None:
        if not worker.received:
            worker.received.append(f"{body} lost")
            worker.lose()
            raise ConnectionResetError("while it worked")
        assert message.delivery_info["redelivered"]
        plain(body, message)

    worker.on_task = on_task  # type: ignore[method-assign]
    worker.run(safety_interval=0.05)
    assert worker.received == ["1 lost", 1]


def test_connecting_is_tried_again_with_pauses(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(connection, 1)
    refused = _refuse(monkeypatch, 3)
    monkeypatch.setattr("kombu.utils.functional.sleep", lambda seconds: None)
    worker = Worker(connection)
    worker.run()
    assert worker.received == [1]
    assert refused == [0, 0, 0]
    assert worker.told[:4] == ["error 2.0", "error 4.0", "error 6.0", "revived"]


def _refuse(monkeypatch: pytest.MonkeyPatch, times: float) -> list[int]:
    plain = Connection._establish_connection
    refused: list[int] = []

    def establish(self: Connection) -> Any:
        if len(refused) < times:
            refused.append(0)
            raise ConnectionRefusedError("refused")
        return plain(self)

    monkeypatch.setattr(Connection, "_establish_connection", establish)
    return refused


def test_a_program_ends_while_it_waits_for_the_broker(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = _refuse(monkeypatch, float("inf"))
    worker = Worker(connection)
    with running(worker) as thread:
        wait_for(lambda: refused)
        worker.should_stop = True
        thread.join(3)
        assert not thread.is_alive()
    assert "revived" not in worker.told


def test_a_program_gives_up_after_connect_max_retries(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = _refuse(monkeypatch, float("inf"))
    monkeypatch.setattr("kombu.utils.functional.sleep", lambda seconds: None)
    worker = Worker(connection)
    worker.connect_max_retries = 2
    with pytest.raises(OperationalError, match="refused"):
        worker.run()
    assert len(refused) == 3


def test_a_loss_before_anything_came_is_waited_for_longer_each_time(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    worker = Worker(connection)
    losses: list[Exception] = [ConnectionResetError() for _ in range(8)]
    worker.on_iteration = lambda: _raise_first(losses)  # type: ignore[method-assign]
    send(connection, 1)
    monkeypatch.setattr(worker, "_pause", pauses.append)
    worker.run()
    # The bucket of the worker is never empty: the pauses are those between losses.
    for pause, longest in zip(pauses, [2, 4, 8, 16, 30, 30, 30], strict=True):
        assert 0.85 * longest <= pause <= longest
    assert worker.received == [1]


def test_a_program_starts_no_more_often_than_its_limit(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("kombu.utils.limits.monotonic", lambda: now[0])
    worker = Worker(connection)
    worker.restart_limit = TokenBucket(1)
    waits: list[float] = []

    def pause(seconds: float) -> None:
        waits.append(seconds)
        now[0] += seconds

    monkeypatch.setattr(worker, "_pause", pause)
    worker._wait_to_restart(1)
    worker._wait_to_restart(1)
    worker._wait_to_restart(1)
    assert waits == [1.0, 1.0]
    assert isinstance(ConsumerMixin.restart_limit.__get__(Worker(connection)), TokenBucket)


def test_a_timeout_ends_it_when_nothing_came_for_so_long(connection: Connection) -> None:
    send(connection, 1)
    worker = Worker(connection, 99)
    began = monotonic()
    with pytest.raises(TimeoutError, match="nothing came"):
        worker.run(timeout=0.1, safety_interval=0.02)
    assert 0.1 <= monotonic() - began < 1
    assert worker.received == [1]
    assert worker.told.count("revived") == 1


def test_an_error_of_a_callback_leaves_the_program(connection: Connection) -> None:
    send(connection, 1)
    worker = Worker(connection)
    worker.on_task = lambda body, message: [][1]  # type: ignore[method-assign]
    with pytest.raises(IndexError):
        worker.run()
    # The message is not lost.
    assert QUEUE(connection.channel()).get().payload == 1


def test_consume_counts_its_waits(connection: Connection) -> None:
    send(connection, 1, 2, 3)
    worker = Worker(connection, 99)
    assert list(worker.consume(limit=2)) == [None, None]
    assert worker.received == [1, 2]
    assert len(list(worker.consume(limit=2, safety_interval=0.01))) == 1


def test_consumers_may_have_channels_of_their_own(connection: Connection) -> None:
    other = Queue("other")

    class Two(Worker):
        def get_consumers(self, _: Any, channel: Any) -> list[Consumer]:
            self.second = channel.connection.client.channel()
            callbacks = [self.on_task]
            return [
                Consumer(channel, [QUEUE], callbacks=callbacks),
                Consumer(self.second, [other], callbacks=callbacks),
            ]

    worker = Two(connection, 2)
    with running(worker):
        wait_for(lambda: worker.live)
        send(connection, 1)
        Producer(connection).publish(2, routing_key="other")
        wait_for(lambda: len(worker.received) == 2)
    assert sorted(worker.received) == [1, 2]


def test_extra_context_is_entered_once_the_consumers_are_there(connection: Connection) -> None:
    class Extra(Worker):
        @contextmanager
        def extra_context(self, connection: Any, channel: Any) -> Iterator[None]:
            self.told.append("enter")
            yield
            self.told.append("exit")

    worker = Extra(connection)
    with worker.consumer_context(a=1) as (live, channel, consumers):
        assert live.connected
        assert consumers[0].channel is channel
    assert worker.told[1:] == ["get_consumers", "enter", "ready 1 {'a': 1}", "exit", "end"]


def test_what_cannot_be_decoded_is_acknowledged_and_logged(
    connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    Producer(connection, QUEUE.exchange, "work").publish(
        b"{", content_type="application/json", content_encoding="utf-8"
    )
    send(connection, 2)
    worker = Worker(connection)
    worker.run()
    assert worker.received == [2]
    assert "Can't decode message body" in caplog.text
    assert QUEUE(connection.channel()).get() is None


def test_a_loss_is_logged_with_its_cause(
    connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    send(connection, 1)
    worker = Worker(connection)
    losses: list[Exception] = [ConnectionResetError("by peer")]
    worker.on_iteration = lambda: _raise_first(losses)  # type: ignore[method-assign]
    with caplog.at_level(logging.WARNING, "kombu.mixins"):
        worker.run()
    (record,) = caplog.records
    assert "re-establish" in record.message
    assert "by peer" in caplog.text


def test_heartbeats_are_checked_even_while_messages_come(connection: Connection) -> None:
    class Beating(Worker):
        beats = 0

        def on_consume_ready(self, connection: Any, *args: Any, **kwargs: Any) -> None:
            super().on_consume_ready(connection, *args, **kwargs)
            connection.heartbeat_check = self.beat

        def beat(self) -> None:
            self.beats += 1

    send(connection, *range(30))
    worker = Beating(connection, 30)
    plain = worker.on_task

    def slow(body: Any, message: Any) -> None:
        threading.Event().wait(0.005)
        plain(body, message)

    worker.on_task = slow  # type: ignore[method-assign]
    worker.run(safety_interval=0.03)
    assert worker.beats >= 3


def test_a_class_that_consumes_nothing_is_told_what_to_define(connection: Connection) -> None:
    class Empty(ConsumerMixin):
        def __init__(self) -> None:
            self.connection = connection

    with pytest.raises(NotImplementedError, match="Empty does not say what to consume"):
        Empty().run()


def test_maybe_conn_error_ignores_errors_of_the_connection(connection: Connection) -> None:
    worker = Worker(connection)

    def lost() -> None:
        raise ConnectionResetError

    assert worker.maybe_conn_error(lambda: 1) == 1
    assert worker.maybe_conn_error(lost) is None


def test_letting_go_of_a_lost_connection_takes_no_farewell(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[float | None] = []
    plain = Connection.collect
    monkeypatch.setattr(
        Connection,
        "collect",
        lambda self, socket_timeout=None: (given.append(socket_timeout), plain(self))[1],
    )
    send(connection, 1)
    worker = Worker(connection)
    losses: list[Exception] = [ConnectionResetError()]
    worker.on_iteration = lambda: _raise_first(losses)  # type: ignore[method-assign]
    worker.run()
    assert {*given} == {mixins.LETTING_GO}


class Echo(ConsumerProducerMixin, Worker):
    def on_task(self, body: Any, message: Any) -> None:
        self.producer.publish(body * 2, routing_key="answers", retry=True)
        self.used = self.producer_connection
        super().on_task(body, message)


def test_a_program_that_is_dropped_does_not_ask_for_its_connection(connection: Connection) -> None:
    class ByItsChannel(Worker):
        """Knows its connection as Celery's receiver of events does."""

        @property
        def connection(self) -> Any:
            return self.channel.connection.client

        @connection.setter
        def connection(self, connection: Connection) -> None:
            self.channel = connection.channel()

    worker = ByItsChannel(connection)
    send(connection, 1)
    events = worker.consume(limit=None)
    next(events)
    worker.channel.close()
    events.close()
    assert worker.received == [1]


def test_a_program_publishes_on_a_connection_of_its_own(connection: Connection) -> None:
    answers = Queue("answers")(connection.channel())
    answers.declare()
    send(connection, 1, 2)
    worker = Echo(connection, 2)
    worker.run()
    assert [answers.get().payload, answers.get().payload] == [2, 4]
    assert worker.used not in (connection, worker.live)
    # Closed with the consumers.
    assert not worker.used.connected
    assert worker._producer_connection is None


def test_the_publishing_connection_is_closed_after_an_error_too(connection: Connection) -> None:
    send(connection, 1)
    worker = Echo(connection)
    worker.on_iteration = lambda: worker.received[0] if worker.received else None  # type: ignore[method-assign]
    worker.count = 99
    kept: list[Connection] = []

    def fail() -> None:
        if worker.received:
            kept.append(worker.producer_connection)
            raise KeyError("stop")

    worker.on_iteration = fail  # type: ignore[method-assign]
    with pytest.raises(KeyError):
        worker.run()
    assert not kept[0].connected
