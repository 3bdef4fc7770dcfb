"""Many threads, and forks."""

from __future__ import annotations

import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

from kombu.testing.faults.processes import forked
from kombu.testing.kit import Broker, Inbox, promise

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("TestFork", "TestThreads")


def at_once(works: list[Callable[[], Any]]) -> list[Any]:
    """Do all of it at the same time, each in a thread of its own; raises what one raised."""
    start = threading.Barrier(len(works))

    def begin(work: Callable[[], Any]) -> Any:
        start.wait()
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        return [future.result() for future in [pool.submit(begin, work) for work in works]]


@promise("threads")
class TestThreads:
    """Connections of threads, and a pool that they share."""

    def test_sixteen_threads_lose_and_double_nothing(self, broker: Broker, many: int) -> None:
        queue, each = broker.queue(), many // 16 + 1

        def send(thread: int) -> None:
            with broker.connect().Producer() as producer:
                for number in range(each):
                    producer.publish([thread, number], routing_key=queue.name)
                producer.flush()

        at_once([partial(send, thread) for thread in range(16)])
        inbox = Inbox(broker.connect(), queue)
        inbox.wait(16 * each, within=60)
        inbox.quiet()
        assert sorted(inbox.bodies) == [[t, n] for t in range(16) for n in range(each)]

    def test_consumers_in_threads_share_the_work(self, broker: Broker, many: int) -> None:
        queue, numbers = broker.queue(), list(range(many // 5))
        broker.send(queue, *numbers)

        def work() -> list[int]:
            got: list[int] = []
            taken = broker.seen_by(broker.connect(), queue)
            while (message := taken.get()) is not None:
                got.append(message.payload)
                message.ack()
            return got

        parts = at_once([work] * 4)
        assert sorted(number for part in parts for number in part) == numbers

    def test_a_pool_is_for_all_threads(self, broker: Broker) -> None:
        queue = broker.queue()
        pool = broker.connection.clone().Pool(2)

        def send(thread: int) -> None:
            for number in range(10):
                with pool.acquire(block=True, timeout=20) as connection:
                    connection.Producer().publish([thread, number], routing_key=queue.name)
                    connection.flush()

        try:
            at_once([partial(send, thread) for thread in range(6)])
        finally:
            pool.force_close_all()
        inbox = Inbox(broker.connect(), queue)
        inbox.wait(60, within=20)
        assert sorted(inbox.bodies) == [[t, n] for t in range(6) for n in range(10)]

    def test_a_waiting_consumer_does_not_hold_up_a_publish(self, broker: Broker) -> None:
        queue = broker.queue()
        inbox = Inbox(broker.connect(), queue)
        waiting = threading.Thread(target=lambda: inbox.wait(1, within=5))
        waiting.start()
        broker.send(queue, "m")
        waiting.join(5)
        assert inbox.bodies == ["m"]


@promise("fork")
class TestFork:
    """A child of a fork does no harm to what its parent holds."""

    def in_a_child(self, function: Callable[[], Any]) -> Any:
        """Python warns of forking where there are threads, as a transport may have them."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return forked(function, within=15)

    def test_a_child_that_closes_gives_nothing_back(self, broker: Broker) -> None:
        queue, connection = broker.queue(), broker.connect()
        broker.send(queue, "m")
        inbox = Inbox(connection, queue)
        (held,) = inbox.wait(1)

        def close() -> None:
            inbox.channel.close()
            connection.close()

        self.in_a_child(close)
        broker.quiet(queue)
        held.ack()
        connection.close()
        broker.quiet(queue)

    def test_the_parent_goes_on_after_the_fork(self, broker: Broker) -> None:
        queue = broker.queue()
        broker.send(queue, 1)
        assert self.in_a_child(lambda: "lived") == "lived"
        broker.send(queue, 2)
        broker.holds_all(queue, [1, 2])

    def test_a_child_makes_a_connection_of_its_own(self, broker: Broker) -> None:
        broker.queue()

        def work() -> Any:
            inner = Broker(broker.url, broker.options)
            try:
                queue = inner.queue()
                inner.send(queue, "of the child")
                return inner.take(queue)
            finally:
                inner.close()

        assert self.in_a_child(work) == ["of the child"]
