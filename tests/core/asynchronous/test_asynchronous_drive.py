"""A connection under an event loop: fetching elsewhere, everything else on the loop's thread."""

from __future__ import annotations

import contextlib
import gc
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from brokers import publish, waiting
from leased_store import Server

from kombu import Connection, Consumer, Queue
from kombu.exceptions import ConsumerCancelled, RecoverableConnectionError
from kombu.virtual import drive as drives

if TYPE_CHECKING:
    from collections.abc import Callable

    from driven_loop import Loop
    from driven_store import Behaviour

    Dial = Callable[..., Connection]


class Worker:
    """A consumer whose connection is registered with a loop."""

    def __init__(
        self, loop: Loop, connection: Connection, *queues: str, prefetch: int = 0, **options: Any
    ) -> None:
        self.loop = loop
        self.connection = connection
        self.messages: list[Any] = []
        self.threads: set[str] = set()
        self.channel = connection.channel()
        self.consumer = Consumer(
            self.channel,
            [Queue(name) for name in queues or ("q",)],
            on_message=self.receive,
            prefetch_count=prefetch or None,
            **options,
        )
        connection.transport.register_with_event_loop(connection.connection, loop.hub)
        self.consumer.consume()

    def receive(self, message: Any) -> None:
        self.threads.add(threading.current_thread().name)
        self.messages.append(message)

    @property
    def payloads(self) -> list[Any]:
        return [message.payload for message in self.messages]

    def wait(self, count: int) -> list[Any]:
        self.loop.until(lambda: len(self.messages) >= count)
        return self.messages


class TestDelivery:
    def test_the_loops_thread_calls_the_callbacks(self, loop: Loop, dial: Dial) -> None:
        worker = Worker(loop, dial())
        publish(dial(), "q", *range(30))
        worker.wait(30)
        assert worker.payloads == list(range(30))
        assert worker.threads == {threading.current_thread().name}

    def test_a_message_comes_at_once(self, loop: Loop, dial: Dial) -> None:
        worker, other = Worker(loop, dial()), dial()
        loop.run(0.1)
        began = time.monotonic()
        publish(other, "q", 1)
        worker.wait(1)
        assert time.monotonic() - began < 0.5

    def test_no_more_than_a_few_are_handed_out_a_turn(
        self, loop: Loop, dial: Dial, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(drives, "AT_MOST", 2)
        publish(dial(), "q", *range(20))
        worker = Worker(loop, dial(), prefetch=20)
        while len(worker.messages) < 20:
            before = len(worker.messages)
            loop.hub.run_once()
            # One call for what was posted, one for what was left of before.
            assert len(worker.messages) - before <= 4

    def test_a_callback_that_raises_does_not_hold_up_the_others(
        self, loop: Loop, dial: Dial
    ) -> None:
        publish(dial(), "q", *range(8))
        worker = Worker(loop, dial())
        receive, failures = worker.receive, []

        def broken(message: Any) -> None:
            receive(message)
            if message.payload == 2:
                raise ValueError("broken")

        worker.consumer.on_message = broken
        while len(worker.messages) < 8:
            try:
                worker.wait(8)
            except ValueError as exc:
                failures.append(exc)
        assert worker.payloads == list(range(8))
        assert len(failures) == 1

    def test_a_callback_that_raises_does_not_delay_what_follows(
        self, loop: Loop, dial: Dial
    ) -> None:
        worker, other = Worker(loop, dial(), prefetch=1), dial()

        def broken(message: Any) -> None:
            worker.receive(message)
            message.ack()
            raise ValueError("broken")

        worker.consumer.on_message = broken
        publish(other, "q", *range(5))
        began = time.monotonic()
        while len(worker.messages) < 5:
            with contextlib.suppress(ValueError):
                worker.wait(5)
        assert time.monotonic() - began < 3

    def test_a_store_waits_for_nobody_else(self, loop: Loop, dial: Dial) -> None:
        """Publishing and settling go on while a fetch waits."""
        worker = Worker(loop, dial())
        loop.run(0.05)
        producer = worker.connection.Producer()
        producer.publish(1, routing_key="q")
        worker.wait(1)[0].ack()
        assert Server.named["store"].claims == {}

    def test_a_consumer_that_comes_later_is_served(self, loop: Loop, dial: Dial) -> None:
        worker, other = Worker(loop, dial(), "a"), dial()
        loop.run(0.05)
        worker.consumer.add_queue(Queue("b"))
        worker.consumer.consume()
        publish(other, "b", 1)
        worker.wait(1)

    def test_a_consumer_that_goes_gets_nothing(self, loop: Loop, dial: Dial) -> None:
        worker, other = Worker(loop, dial(), "a", "b"), dial()
        loop.run(0.05)
        worker.consumer.cancel_by_queue("a")
        publish(other, "a", 1)
        publish(other, "b", 2)
        worker.wait(1)
        loop.run(0.05)
        assert worker.payloads == [2]
        assert waiting(other, "a") == [1]

    def test_a_queue_that_is_deleted_tells_its_consumer(self, loop: Loop, dial: Dial) -> None:
        worker = Worker(loop, dial())
        loop.run(0.05)
        Queue("q")(worker.connection.channel()).delete()
        with pytest.raises(ConsumerCancelled):
            loop.run(1)

    def test_what_comes_back_comes_again(self, loop: Loop, dial: Dial) -> None:
        worker = Worker(loop, dial(), prefetch=1)
        publish(dial(), "q", 1)
        worker.wait(1)[0].requeue()
        worker.wait(2)
        assert worker.messages[1].delivery_info["redelivered"]
        worker.channel.basic_recover(requeue=False)
        worker.wait(3)


class TestCredit:
    def test_no_more_are_claimed_than_there_is_room_for(
        self, loop: Loop, dial: Dial, behaviour: Behaviour
    ) -> None:
        publish(dial(), "q", *range(200))
        worker = Worker(loop, dial(), prefetch=5)
        worker.wait(5)
        loop.run(0.05)
        done = 0
        while done < 200:
            worker.wait(done + 1)
            assert len(worker.messages) - done <= 5
            worker.messages[done].ack()
            done += 1
        assert behaviour.most == 5
        assert worker.payloads == list(range(200))

    def test_one_limit_for_all_consumers_of_a_channel(
        self, loop: Loop, dial: Dial, behaviour: Behaviour
    ) -> None:
        publish(dial(), "a", *range(20))
        publish(dial(), "b", *range(20))
        worker = Worker(loop, dial(), "a", "b")
        worker.consumer.cancel()
        worker.channel.basic_qos(0, 4, True)
        loop.run(0.05)
        for message in worker.messages:
            message.ack()
        before = len(worker.messages)
        behaviour.most = 0
        worker.consumer.consume()
        done = before
        while done < 40:
            worker.wait(done + 1)
            worker.messages[done].ack()
            done += 1
        assert behaviour.most <= 4

    def test_a_queue_without_room_gets_it_back(self, loop: Loop, dial: Dial) -> None:
        """Where another one waits for messages all the time."""
        publish(dial(), "a", 1, 2)
        worker = Worker(loop, dial(), "a", "b", prefetch=1)
        worker.wait(1)
        loop.run(0.05)
        assert worker.payloads == [1]
        worker.messages[0].ack()
        worker.wait(2)

    def test_a_higher_limit_counts_at_once(self, loop: Loop, dial: Dial) -> None:
        publish(dial(), "q", *range(6))
        worker = Worker(loop, dial(), prefetch=1)
        worker.wait(1)
        worker.consumer.qos(prefetch_count=4)
        worker.wait(4)
        loop.run(0.05)
        assert len(worker.messages) == 4

    def test_a_lower_limit_counts_for_a_fetch_that_is_under_way(
        self, loop: Loop, dial: Dial, behaviour: Behaviour
    ) -> None:
        worker, other = Worker(loop, dial(), prefetch=4), dial()
        loop.run(0.05)
        worker.consumer.qos(prefetch_count=1)
        publish(other, "q", *range(4))
        worker.wait(1)
        loop.run(0.05)
        assert worker.payloads == [0]
        assert waiting(other, "q") == [1, 2, 3]

    def test_a_gate_is_asked_again(self, loop: Loop, dial: Dial) -> None:
        worker = Worker(loop, dial(), prefetch=4)
        worker.channel.qos.can_consume = lambda: False
        publish(dial(), "q", 1, 2)
        loop.run(0.3)
        count = len(worker.messages)
        assert count <= 1
        worker.channel.qos.can_consume = lambda: True
        worker.wait(2)

    def test_flow_stops_and_goes_on(self, loop: Loop, dial: Dial) -> None:
        worker = Worker(loop, dial(), prefetch=4)
        worker.channel.flow(False)
        publish(dial(), "q", 1)
        loop.run(0.05)
        assert not worker.messages
        worker.channel.flow(True)
        worker.wait(1)


class TestRegistering:
    def test_only_asynchronous_transports_are_registered(self, loop: Loop) -> None:
        with Connection("memory://undriven") as connection:
            assert not connection.transport.implements.asynchronous
            connection.register_with_event_loop(loop.hub)
            assert not loop.hub.readers
        options = {"asynchronous": True}
        with Connection("memory://driven", transport_options=options) as connection:
            assert connection.transport.implements.asynchronous
            assert connection.transport.supports_ev
            worker = Worker(loop, connection)
            publish(connection, "q", 1)
            worker.wait(1)[0].ack()

    @pytest.mark.parametrize("patched", ["gevent", "eventlet"])
    def test_waits_that_stop_every_greenlet_are_refused(
        self, loop: Loop, dial: Dial, monkeypatch: pytest.MonkeyPatch, patched: str
    ) -> None:
        monkeypatch.setattr("kombu.virtual.transport.detect_environment", lambda: patched)
        connection = dial()
        connection.register_with_event_loop(loop.hub)
        transport = connection.transport
        assert loop.hub.readers
        transport.unregister_from_event_loop(connection.connection, loop.hub)
        backend = transport._backend
        backend.capabilities = replace(backend.capabilities, waits_natively=True)
        with pytest.raises(NotImplementedError, match=rf"under {patched}.*without these patches"):
            connection.register_with_event_loop(loop.hub)
        assert not loop.hub.readers

    def test_it_can_be_switched_off(self, scheme: str) -> None:
        assert Connection(f"{scheme}://store").transport.implements.asynchronous
        connection = Connection(f"{scheme}://store", transport_options={"asynchronous": False})
        assert not connection.transport.implements.asynchronous

    def test_registering_again_replaces_everything(self, loop: Loop, dial: Dial) -> None:
        worker, other = Worker(loop, dial()), dial()
        for number in range(20):
            publish(other, "q", number)
            worker.wait(number + 1)
            worker.connection.register_with_event_loop(loop.hub)
            assert len(loop.hub.readers) <= 2
        loop.run(0.1)
        assert worker.payloads == list(range(20))

    def test_unregistering_leaves_nothing_and_gives_the_messages_back(
        self, loop: Loop, dial: Dial
    ) -> None:
        worker = Worker(loop, dial(), prefetch=2)
        other = dial()
        loop.run(0.1)
        transport = worker.connection.transport
        transport.unregister_from_event_loop(worker.connection.connection, loop.hub)
        assert not loop.hub.readers
        publish(other, "q", 1, 2, 3)
        loop.run(0.05)
        assert not worker.messages
        worker.connection.drain_events(timeout=5)
        assert worker.payloads == [1]
        transport.unregister_from_event_loop(worker.connection.connection, loop.hub)

    def test_waiting_for_messages_works_meanwhile(self, loop: Loop, dial: Dial) -> None:
        worker, other = Worker(loop, dial()), dial()
        publish(other, "q", 1)
        worker.connection.drain_events(timeout=5)
        loop.run(0.05)
        publish(other, "q", 2)
        worker.connection.drain_events(timeout=5)
        assert worker.payloads == [1, 2]
        with pytest.raises(TimeoutError):
            worker.connection.drain_events(timeout=0.05)
        publish(other, "q", 3)
        worker.wait(3)

    def test_a_thread_that_waits_when_it_begins_goes_on(self, loop: Loop, dial: Dial) -> None:
        connection, other = dial(), dial()
        got: list[Any] = []
        consumer = connection.Consumer(Queue("q"), on_message=got.append)
        consumer.consume()
        waiter = threading.Thread(target=lambda: connection.drain_events(timeout=10))
        waiter.start()
        time.sleep(0.1)
        connection.register_with_event_loop(loop.hub)
        publish(other, "q", 1)
        loop.until(lambda: got)
        connection.transport.unregister_from_event_loop(connection.connection, loop.hub)
        publish(other, "q", 2)
        waiter.join(10)
        assert not waiter.is_alive()

    def test_on_readable_delivers(self, loop: Loop, dial: Dial) -> None:
        worker = Worker(loop, dial())
        publish(dial(), "q", 1)
        deadline = time.monotonic() + 10
        transport = worker.connection.transport
        while not worker.messages and time.monotonic() < deadline:
            transport.on_readable(worker.connection.connection, loop.hub)
            for callback, args in list(loop.hub.readers.values()):
                callback(*args)
            time.sleep(0.01)
        assert worker.payloads == [1]

    def test_a_number_that_is_somebody_elses_by_now_is_left_alone(
        self, loop: Loop, dial: Dial
    ) -> None:
        """What made workers catatonic: the old connection removed the new one's callback."""
        worker = Worker(loop, dial())
        loop.run(0.05)
        fds = list(loop.hub.readers)
        loop.hub.reset()
        for fd in fds:
            loop.hub.readers[fd] = (print, ())
        worker.connection.close()
        assert list(loop.hub.readers) == fds
        loop.hub.readers.clear()

    def test_what_is_due_in_the_store_is_done(self, loop: Loop, dial: Dial) -> None:
        worker = Worker(loop, dial())
        loop.run(0.05)
        upkeep = worker.connection.transport.upkeep
        before = upkeep.schedule.next_due
        loop.until(lambda: upkeep.schedule.next_due > before, 5)


class TestSeveral:
    """A worker has a connection for its events beside the one for its tasks, on one loop."""

    def test_each_is_served(self, loop: Loop, dial: Dial) -> None:
        one, other, publisher = Worker(loop, dial(), "a"), Worker(loop, dial(), "b"), dial()
        for number in range(5):
            publish(publisher, "a", number)
            publish(publisher, "b", number)
        one.wait(5)
        other.wait(5)
        assert one.payloads == other.payloads == list(range(5))

    @pytest.mark.parametrize("way", ["close", "again", "let_go"])
    def test_what_becomes_of_one_is_nothing_to_the_other(
        self, loop: Loop, dial: Dial, way: str
    ) -> None:
        one, other, publisher = Worker(loop, dial(), "a"), Worker(loop, dial(), "b"), dial()
        loop.run(0.05)
        transport, connection = one.connection.transport, one.connection.connection
        if way == "close":
            one.connection.close()
        elif way == "again":
            transport.register_with_event_loop(connection, loop.hub)
        else:
            transport.unregister_from_event_loop(connection, loop.hub)
        publish(publisher, "b", 1)
        other.wait(1)
        other.connection.close()
        one.connection.close()
        assert not loop.hub.readers

    def test_a_worker_connects_again_on_the_same_loop(
        self, loop: Loop, dial: Dial, behaviour: Behaviour
    ) -> None:
        """Though the lost connection is still there, closed late or never."""
        publisher = dial()
        lost: list[Worker] = []
        for number in range(10):
            worker = Worker(loop, dial())
            publish(publisher, "q", number)
            worker.wait(1)[0].ack()
            behaviour.error = OSError("gone")
            with pytest.raises(OSError, match="gone"):
                loop.run(2)
            behaviour.error = None
            worker.connection.collect()
            lost.append(worker)
            assert not loop.hub.readers
        assert [worker.payloads for worker in lost] == [[number] for number in range(10)]
        worker = Worker(loop, dial())
        for old in lost:
            # The garbage collector may come at any time.
            old.connection.transport.unregister_from_event_loop(None, loop.hub)
            old.connection.close()
        publish(publisher, "q", 10)
        worker.wait(1)
        assert worker.payloads == [10]

    def test_cancelling_its_timers_takes_nothing_from_others(self, loop: Loop, dial: Dial) -> None:
        """As Celery does where it could not connect: whatever was added meanwhile is cancelled."""
        hub = loop.hub
        mine = hub.call_repeatedly(0.01, lambda: None)
        one = Worker(loop, dial(), "a")
        loop.run(0.05)
        before = {scheduled.entry for scheduled in hub.timer.queue}
        failed = Worker(loop, dial(), "b")
        loop.run(0.2)
        for entry in {scheduled.entry for scheduled in hub.timer.queue} - before:
            hub.timer.cancel(entry)
        failed.connection.close()
        assert not mine.canceled
        publish(dial(), "a", 1)
        one.wait(1)
        mine.cancel()


class TestFailures:
    @pytest.mark.parametrize("error", [OSError("gone"), RecoverableConnectionError("gone")])
    def test_what_a_fetch_raises_leaves_the_loop(
        self, loop: Loop, dial: Dial, behaviour: Behaviour, error: Exception
    ) -> None:
        worker = Worker(loop, dial())
        loop.run(0.05)
        behaviour.error = error
        publish(dial(), "q", 1)
        with pytest.raises(type(error), match="gone"):
            loop.run(2)
        assert isinstance(error, worker.connection.connection_errors)

    def test_whatever_it_is_the_worker_connects_again(
        self, loop: Loop, dial: Dial, behaviour: Behaviour
    ) -> None:
        worker = Worker(loop, dial())
        loop.run(0.05)
        behaviour.error = ValueError("a mistake of a driver")
        publish(dial(), "q", 1)
        with pytest.raises(worker.connection.connection_errors, match="a mistake") as caught:
            loop.run(2)
        assert isinstance(caught.value.__cause__, ValueError)

    def test_who_stays_with_the_connection_is_served_again(
        self, loop: Loop, dial: Dial, behaviour: Behaviour, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(drives, "RETRY", 0.1)
        worker = Worker(loop, dial())
        loop.run(0.05)
        behaviour.error = OSError("gone")
        publish(dial(), "q", 1)
        for _ in range(2):
            with pytest.raises(OSError, match="gone"):
                loop.run(2)
        behaviour.error = None
        worker.wait(1)

    def test_a_frozen_process_delivers_nothing_that_others_have(
        self, loop: Loop, dial: Dial
    ) -> None:
        worker, other = Worker(loop, dial(lease=0.1, lease_limit=0)), dial()
        transport = worker.connection.transport
        loop.run(0.05)
        publish(other, "q", 1)
        fetched = Server.named["store"].claims
        deadline = time.monotonic() + 5
        while not fetched:
            assert time.monotonic() < deadline
            for fd in list(loop.hub.readers):
                if fd in transport.receiver._drive._watched:
                    transport.receiver._drive._fetcher.readable(fd)
            time.sleep(0.005)
        # The loop sees what came when its claim has run out, and others may have it.
        time.sleep(0.2)
        stolen = Queue("q")(other.channel()).get()
        loop.run(0.1)
        assert (stolen is None) is bool(worker.messages)


class TestEnd:
    def test_closing_leaves_nothing(self, loop: Loop, dial: Dial) -> None:
        worker = Worker(loop, dial(), prefetch=2)
        worker.channel.qos.can_consume = lambda: False
        loop.run(0.15)
        worker.connection.close()
        assert not loop.hub.readers
        assert not [item for item in loop.hub.timer.queue if not item.entry.canceled]
        loop.run(0.05)

    def test_what_was_fetched_comes_back_first_and_uncounted(
        self, loop: Loop, dial: Dial, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        publish(dial(), "q", *range(6))
        worker = Worker(loop, dial(), prefetch=4)
        monkeypatch.setattr(drives, "AT_MOST", 1)
        worker.wait(1)
        worker.connection.close()
        other = dial()
        queue = Queue("q")(other.channel())
        found = [queue.get() for _ in range(6)]
        assert [message.payload for message in found] == list(range(6))
        assert [message.delivery_info.get("redelivered") for message in found[1:]] == [False] * 5

    def test_a_connection_that_is_dropped_leaves_nothing(
        self, loop: Loop, scheme: str, dial: Dial
    ) -> None:
        connection = Connection(f"{scheme}://store")
        worker = Worker(loop, connection)
        loop.run(0.05)
        assert loop.hub.readers
        if scheme == "descriptors":
            connection.close()
            return
        del worker, connection
        gc.collect()
        loop.until(lambda: not loop.hub.readers)
        deadline = time.monotonic() + 5
        while [t for t in threading.enumerate() if t.name == "kombu-fetch"]:
            assert time.monotonic() < deadline
            time.sleep(0.01)


class TestSilentDescriptors:
    """A fetch by descriptors that is not answered."""

    @pytest.fixture
    def scheme(self, stores: None, behaviour: Behaviour) -> str:
        return "descriptors"

    def test_its_session_is_closed_and_another_one_opened(self, loop: Loop, dial: Dial) -> None:
        worker, other = Worker(loop, dial()), dial()
        loop.run(0.05)
        transport = worker.connection.transport
        silent = transport.receiver._session
        silent.looking.clear()
        began = time.monotonic()
        worker.connection.register_with_event_loop(loop.hub)
        assert time.monotonic() - began < 1.5
        assert silent not in transport._backend.open_sessions
        publish(other, "q", 1)
        worker.wait(1)


class TestBlockedFetch:
    """Only threads can hang."""

    @pytest.fixture
    def scheme(self, stores: None, behaviour: Behaviour) -> str:
        return "blocking"

    def test_closing_waits_half_a_second_and_what_comes_late_goes_back(
        self, loop: Loop, dial: Dial, behaviour: Behaviour
    ) -> None:
        worker, other = Worker(loop, dial()), dial()
        loop.run(0.05)
        behaviour.free.clear()
        server = Server.named["store"]
        # The store answers, and the answer is on its way for long.
        publish(other, "q", 1)
        deadline = time.monotonic() + 5
        while not server.claims:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        backend = worker.connection.transport._backend
        began = time.monotonic()
        worker.connection.close()
        assert time.monotonic() - began < 1.5
        assert not loop.hub.readers
        behaviour.free.set()
        deadline = time.monotonic() + 5
        while server.claims or backend.open_sessions:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        message = Queue("q")(other.channel()).get()
        assert message.payload == 1
        assert not message.delivery_info.get("redelivered")

    def test_registering_again_does_not_wait_for_it(
        self, loop: Loop, dial: Dial, behaviour: Behaviour
    ) -> None:
        worker, other = Worker(loop, dial()), dial()
        loop.run(0.05)
        behaviour.free.clear()
        publish(other, "q", 1)
        time.sleep(0.1)
        worker.connection.register_with_event_loop(loop.hub)
        behaviour.free.set()
        publish(other, "q", 2)
        worker.wait(2)
        assert sorted(worker.payloads) == [1, 2]
        assert not behaviour.crowded

    def test_claims_that_wait_for_the_loop_are_renewed(
        self, loop: Loop, dial: Dial, behaviour: Behaviour
    ) -> None:
        worker, other = Worker(loop, dial(lease=0.3)), dial()
        loop.run(0.05)
        publish(other, "q", 1)
        # A callback takes long; the message is posted meanwhile.
        time.sleep(1.0)
        assert Queue("q")(other.channel()).get() is None
        worker.wait(1)
        assert not worker.messages[0].delivery_info.get("redelivered")
        worker.messages[0].ack()
        assert behaviour.renewals
