"""Under an event loop, as Celery's workers run one."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from kombu import Consumer, Queue
from kombu.asynchronous import Hub
from kombu.testing.faults.proxies import Proxies
from kombu.testing.kit import PATIENCE, Broker, promise
from kombu.testing.runs import patient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ("TestEventLoop",)


#: How long to look whether something happens that must not (seconds).
QUIET = 0.06


class Loop:
    """An event loop that a test runs for as long as it needs."""

    def __init__(self) -> None:
        self.hub = Hub()

    def until(self, happened: Callable[[], Any], what: str, within: float = PATIENCE) -> None:
        """Run until something has happened.

        Raises:
            AssertionError: It did not within so many seconds.
        """
        deadline = time.monotonic() + patient(within)
        # The loop waits a second where it has nothing to do.
        ticking = self.hub.call_repeatedly(0.01, lambda: None)
        try:
            while not happened():
                if time.monotonic() > deadline:
                    raise AssertionError(f"did not happen within {within} s: {what}")
                self.hub.run_once()
        finally:
            ticking.cancel()

    def run(self, seconds: float = QUIET) -> None:
        """Run for so long."""
        end = time.monotonic() + seconds
        self.until(lambda: time.monotonic() >= end, "time passes", seconds + PATIENCE)


class Worker:
    """A consumer on a connection that a loop drives."""

    def __init__(
        self,
        broker: Broker,
        loop: Loop,
        *queues: Any,
        prefetch: int = 0,
        url: str | None = None,
        **options: Any,
    ) -> None:
        connection = broker.connect(url, **options)
        if not connection.transport.implements.asynchronous:
            # One that is driven only where it is asked for.
            connection = broker.connect(url, asynchronous=True, **options)
        self.connection = connection
        self.loop = loop
        self.messages: list[Any] = []
        self.threads: set[int] = set()
        self.channel = connection.channel()
        connection.transport.register_with_event_loop(connection.connection, loop.hub)
        self.consumer = Consumer(
            self.channel,
            [Queue(queue.name, no_declare=True) for queue in queues],
            auto_declare=False,
            prefetch_count=prefetch or None,
            on_message=self.receive,
        )
        self.consumer.consume()

    def receive(self, message: Any) -> None:
        """Take a message."""
        self.threads.add(threading.get_ident())
        self.messages.append(message)

    @property
    def bodies(self) -> list[Any]:
        """What came, in order."""
        return [message.payload for message in self.messages]

    def wait(self, count: int, within: float = PATIENCE) -> list[Any]:
        """Run the loop until so many came altogether."""
        self.loop.until(lambda: len(self.messages) >= count, f"{count} messages come", within)
        return self.messages


@promise("event_loop")
class TestEventLoop:
    """The loop delivers; nobody waits for messages."""

    @pytest.fixture
    def loop(self) -> Iterator[Loop]:
        loop = Loop()
        yield loop
        loop.hub.close()

    def test_its_thread_delivers(self, broker: Broker, loop: Loop) -> None:
        queue = broker.queue()
        worker = Worker(broker, loop, queue)
        broker.send(queue, *range(10))
        worker.wait(10)
        assert sorted(worker.bodies) == list(range(10))
        assert worker.threads == {threading.get_ident()}

    def test_the_loop_goes_on_while_nothing_comes(self, broker: Broker, loop: Loop) -> None:
        Worker(broker, loop, broker.queue())
        loop.run()
        ticks: list[float] = []
        ticking = loop.hub.call_repeatedly(0.02, lambda: ticks.append(time.monotonic()))
        loop.run(0.5)
        ticking.cancel()
        assert max(later - sooner for sooner, later in itertools.pairwise(ticks)) < patient(0.4)

    def test_no_more_come_than_the_limit(self, broker: Broker, loop: Loop) -> None:
        queue = broker.queue()
        broker.send(queue, *range(6))
        worker = Worker(broker, loop, queue, prefetch=2)
        worker.wait(2)
        loop.run()
        assert len(worker.messages) == 2
        for number in range(4):
            worker.messages[number].ack()
            worker.wait(number + 3)
            loop.run()
            assert len(worker.messages) == number + 3
        worker.messages[4].ack()
        worker.messages[5].ack()
        worker.connection.close()
        broker.quiet(queue)

    def test_each_queue_has_room_of_its_own(self, broker: Broker, loop: Loop) -> None:
        one, other = broker.queue(), broker.queue()
        worker = Worker(broker, loop, one, other, prefetch=1)
        broker.send(one, 1, 2)
        worker.wait(1)
        broker.send(other, 3)
        worker.wait(2)
        assert worker.bodies[1] == 3
        worker.messages[0].ack()
        worker.wait(3)

    def test_the_consumer_can_publish_and_settle(self, broker: Broker, loop: Loop) -> None:
        queue, results = broker.queue(), broker.queue()
        worker = Worker(broker, loop, queue, prefetch=1)
        producer = worker.connection.Producer()

        def work(message: Any) -> None:
            worker.receive(message)
            producer.publish(message.payload * 2, routing_key=results.name)
            message.ack()

        worker.consumer.on_message = work
        broker.send(queue, *range(5))
        worker.wait(5)
        broker.holds_all(results, [0, 2, 4, 6, 8])

    def test_a_consumer_that_is_cancelled_gets_nothing_more(
        self, broker: Broker, loop: Loop
    ) -> None:
        queue = broker.queue()
        worker = Worker(broker, loop, queue)
        loop.run()
        worker.consumer.cancel()
        broker.send(queue, 1)
        loop.run()
        # What a fetch brings that was on its way is given back as the loop runs.
        found: list[Any] = []

        def is_there() -> bool:
            message = queue.get()
            if message is not None:
                found.append(message)
            return bool(found)

        loop.until(is_there, "the message is in its queue")
        found[0].ack()
        broker.quiet(queue)
        assert found[0].payload == 1
        assert not worker.messages

    def test_registering_again_leaves_one_registration(self, broker: Broker, loop: Loop) -> None:
        queue = broker.queue()
        worker = Worker(broker, loop, queue)
        loop.run()
        watched = len(loop.hub.readers)
        for _ in range(3):
            worker.connection.register_with_event_loop(loop.hub)
            loop.run(0.02)
        assert len(loop.hub.readers) <= watched
        broker.send(queue, *range(5))
        worker.wait(5)
        assert sorted(worker.bodies) == list(range(5))

    def test_closing_leaves_nothing_in_the_loop(self, broker: Broker, loop: Loop) -> None:
        queue = broker.queue()
        broker.send(queue, *range(4))
        worker = Worker(broker, loop, queue, prefetch=3)
        worker.wait(3)
        worker.connection.close()
        assert not loop.hub.readers
        assert not loop.hub.writers
        loop.run()
        broker.holds_all(queue, range(4))

    def test_reconnections_lose_nothing(self, broker: Broker, loop: Loop) -> None:
        queue = broker.queue()
        done: list[int] = []
        for number in range(10):
            broker.send(queue, number)
            worker = Worker(broker, loop, queue, prefetch=1)
            worker.wait(1)
            if number % 2:
                for message in worker.messages[:1]:
                    message.ack()
                    done.append(message.payload)
            worker.connection.close()
            assert not loop.hub.readers
        broker.holds_all(queue, sorted(set(range(10)) - set(done)))

    @promise("reconnection")
    @pytest.mark.parametrize("way", ["reset", "finish"])
    def test_a_worker_whose_line_breaks_works_again(
        self,
        broker: Broker,
        loop: Loop,
        needed_server: Any,
        shortest_lease: float,
        way: str,
    ) -> None:
        """On the same loop, as often as that happens."""
        queue = broker.queue()
        # What was on its way when the line broke may come back by the end of its claim only.
        leases = broker.capabilities.leases is True
        options: dict[str, Any] = {"lease": shortest_lease} if leases else {}
        done: list[Any] = []

        def work(message: Any) -> None:
            done.append(message.payload)
            message.ack()

        with Proxies(needed_server) as proxy:

            def connected() -> Worker:
                given = {**options, **proxy.options}
                worker = Worker(broker, loop, queue, url=proxy.url, **given)
                worker.consumer.on_message = work
                return worker

            worker = connected()
            for number in range(2):
                loop.run()
                getattr(proxy, way)()
                broker.send(queue, number)
                deadline = time.monotonic() + PATIENCE + (shortest_lease if leases else 0)
                while number not in done:
                    left = deadline - time.monotonic()
                    try:
                        loop.until(partial(done.count, number), f"{number} comes", left)
                    except worker.connection.connection_errors:
                        worker.connection.collect()
                        worker = connected()
            worker.connection.close()
            assert not loop.hub.readers

    def test_two_connections_share_a_loop(self, broker: Broker, loop: Loop) -> None:
        one, other = broker.queue(), broker.queue()
        worker, lost = Worker(broker, loop, one), Worker(broker, loop, other)
        broker.send(one, 1)
        broker.send(other, 2)
        worker.wait(1)
        lost.wait(1)
        assert (worker.bodies, lost.bodies) == ([1], [2])
        lost.messages[0].ack()
        lost.connection.close()
        broker.send(one, 3)
        worker.wait(2)
        worker.connection.close()
        assert not loop.hub.readers

    def test_it_lets_go_of_a_connection(self, broker: Broker, loop: Loop) -> None:
        queue = broker.queue()
        worker = Worker(broker, loop, queue)
        loop.run()
        transport = worker.connection.transport
        transport.unregister_from_event_loop(worker.connection.connection, loop.hub)
        assert not loop.hub.readers
        broker.send(queue, 1)
        deadline = time.monotonic() + PATIENCE
        while not worker.messages and time.monotonic() < deadline:
            with contextlib.suppress(TimeoutError):
                worker.connection.drain_events(timeout=0.5)
        assert worker.bodies == [1]
