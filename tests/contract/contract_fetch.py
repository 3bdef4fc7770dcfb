"""Fetching: how much, in which order, how long.  Quotations are of `kombu.transport.backend`."""

from __future__ import annotations

import threading
import uuid
from time import monotonic, sleep
from typing import TYPE_CHECKING

import pytest
from contract_store import LATE, bodies, fetch, put, settle, soon

from kombu.testing.runs import patient
from kombu.transport.backend import Delivery, Leasing, QueueSpec, Session, Want, Wants

if TYPE_CHECKING:
    from collections.abc import Callable

    from contract_store import Store

    from conftest import Opened


class After(threading.Thread):
    """Calls a function a little later in a thread of its own and notes when it did."""

    def __init__(self, delay: float, call: Callable[[], object]) -> None:
        super().__init__()
        self._delay = delay
        self._call = call
        self.at = 0.0
        self.start()

    def run(self) -> None:
        sleep(self._delay)
        self.at = monotonic()
        self._call()


class TestFetching:
    """How much a fetch gives, in which order, and how long it waits."""

    @pytest.mark.capability("ordering")
    def test_messages_come_in_the_order_of_their_puts(
        self, session: Session, other: Session, queue: str
    ) -> None:
        """fetch: "Within a queue the order is the store's (Capabilities.ordering)"."""
        put(session, queue, *(b"%d" % n for n in range(40)))
        put(session, queue, *(b"%d" % n for n in range(40, 60)))
        assert bodies(fetch(other, queue, 60)) == [b"%d" % n for n in range(60)]

    def test_a_fetch_gives_no_more_than_its_limit(
        self, session: Session, queues: list[str]
    ) -> None:
        """fetch: "Claim up to limit messages"; what is beyond stays for others."""
        for queue in queues:
            put(session, queue, *(b"%d" % n for n in range(10)))
        wants = Wants((queue, Want(100)) for queue in queues)
        got = session.fetch(wants, 4, soon())
        assert 1 <= len(got) <= 4
        sleep(0.1)
        assert sum(session.size(queue, soon()) for queue in queues) >= 26

    def test_a_fetch_gives_no_more_than_each_queue_is_wanted(
        self, session: Session, queues: list[str]
    ) -> None:
        """fetch: "at most want.limit of each queue"."""
        for queue in queues:
            put(session, queue, *(b"%d" % n for n in range(10)))
        wants = Wants({queues[0]: Want(1), queues[1]: Want(2), queues[2]: Want(0)})
        taken = dict.fromkeys(queues, 0)
        for _ in range(4):
            for delivery in session.fetch(wants, 100, soon(0.2)):
                taken[delivery.queue] += 1
                wants[delivery.queue].limit -= 1
        assert list(taken.values()) == [1, 2, 0]
        assert [session.size(queue, soon()) for queue in queues] == [9, 8, 10]

    def test_a_queue_without_room_holds_up_no_other(
        self, session: Session, queues: list[str]
    ) -> None:
        """Wants: "A limit of 0 stands for a consumer that has no room just now"."""
        full, roomy, _ = queues
        put(session, full, b"1")
        wants = Wants({full: Want(0), roomy: Want(1)})
        assert session.fetch(wants, 5, soon(0.2)) == []
        put(session, roomy, b"2")
        assert bodies(session.fetch(wants, 5, soon())) == [b"2"]

    def test_a_fetch_does_not_wait_for_its_limit(self, session: Session, queue: str) -> None:
        """fetch: "Returns as soon as there is at least one"."""
        put(session, queue, b"1")
        begun = monotonic()
        assert bodies(session.fetch(Wants({queue: Want(50)}), 50, soon())) == [b"1"]
        assert monotonic() - begun < LATE

    def test_a_taken_message_is_gone(self, opened: Opened, other: Session, queue: str) -> None:
        """Want.take: removed at once, or (Delivery.taken is false) for the core to acknowledge."""
        backend, session = opened.pair()
        put(session, queue, b"1", b"2")
        wants = Wants({queue: Want(2, take=True)})
        got: list[Delivery] = []
        while len(got) < 2:
            fetched = session.fetch(wants, 2 - len(got), soon())
            assert fetched
            got += fetched
            wants[queue].limit = 2 - len(got)
        assert sorted(bodies(got)) == [b"1", b"2"]
        kept = [delivery for delivery in got if not delivery.taken]
        if kept:
            assert settle(session, acks=kept) == []
        session.close(soon())
        backend.close(soon())
        assert other.fetch(Wants({queue: Want(1)}), 1, soon(0.3)) == []

    @pytest.mark.parametrize("wanted", [1, 3])
    def test_a_waiting_fetch_is_woken_by_a_put_elsewhere(
        self, session: Session, other: Session, queues: list[str], wanted: int
    ) -> None:
        """fetch: "wait until deadline" and return "as soon as there is at least one"."""
        wants = Wants((queue, Want(5)) for queue in queues[:wanted])
        for n in range(3):
            publisher = After(0.2, lambda: put(other, queues[wanted - 1], b"%d" % n))
            got = session.fetch(wants, 5, soon())
            woken = monotonic() - publisher.at
            publisher.join()
            assert bodies(got) == [b"%d" % n]
            assert woken < LATE

    def test_a_fetch_ends_at_its_deadline(self, session: Session, queues: list[str]) -> None:
        """fetch: "an empty list when there is none by the deadline"."""
        wants = Wants((queue, Want(5)) for queue in queues)
        for wait in (0.3, 1.2):
            begun = monotonic()
            assert session.fetch(wants, 5, begun + wait) == []
            assert wait - 0.05 <= monotonic() - begun < wait + LATE

    def test_a_passed_deadline_asks_for_what_is_there(self, session: Session, queue: str) -> None:
        """fetch: "even where the deadline has passed the store is asked once"."""
        begun = monotonic()
        assert session.fetch(Wants({queue: Want(1)}), 1, begun - 1) == []
        assert monotonic() - begun < LATE
        put(session, queue, b"1")
        assert bodies(session.fetch(Wants({queue: Want(1)}), 1, monotonic() - 1)) == [b"1"]

    def test_a_fetch_that_does_not_wait_tells_what_is_there(
        self, session: Session, queue: str
    ) -> None:
        """fetch: "Without wait it is asked once what it has"."""
        wants = Wants({queue: Want(1)})
        begun = monotonic()
        assert session.fetch(wants, 1, soon(), wait=False) == []
        assert monotonic() - begun < LATE
        put(session, queue, b"1")
        assert bodies(session.fetch(wants, 1, soon(), wait=False)) == [b"1"]
        session.interrupt()
        put(session, queue, b"2")
        assert bodies(session.fetch(wants, 1, soon(), wait=False)) == [b"2"]

    def test_an_interrupt_ends_a_waiting_fetch(self, session: Session, queues: list[str]) -> None:
        """interrupt: "Make the fetch that waits in another thread return"."""
        wants = Wants((queue, Want(1)) for queue in queues)
        for _ in range(3):
            interrupter = After(0.2, session.interrupt)
            assert session.fetch(wants, 1, soon()) == []
            assert monotonic() - interrupter.at < LATE
            interrupter.join()

    def test_an_interrupt_is_not_missed_before_the_wait(self, session: Session, queue: str) -> None:
        """interrupt: "or else the next one that would", once."""
        wants = Wants({queue: Want(1)})
        session.fetch(wants, 1, soon(0.05))
        session.interrupt()
        begun = monotonic()
        assert session.fetch(wants, 1, soon()) == []
        assert monotonic() - begun < LATE
        begun = monotonic()
        assert session.fetch(wants, 1, soon(0.3)) == []
        assert monotonic() - begun > 0.25

    def test_an_interrupted_fetch_loses_nothing(
        self, session: Session, other: Session, queue: str
    ) -> None:
        """interrupt and put at once: the message comes with this fetch or a later one."""
        wants = Wants({queue: Want(1)})
        for n in range(10):
            interrupter = After(0.01, session.interrupt)
            publisher = After(0.01, lambda: put(other, queue, b"%d" % n))
            got = session.fetch(wants, 1, soon())
            interrupter.join()
            publisher.join()
            deadline = soon()
            while not got and monotonic() < deadline:
                got = session.fetch(wants, 1, deadline)
            assert bodies(got) == [b"%d" % n]
            if isinstance(session, Leasing):
                assert settle(session, acks=got) == []

    def test_a_busy_queue_does_not_starve_the_others(
        self, session: Session, queues: list[str]
    ) -> None:
        """fetch: "Queues are served in turn"."""
        busy, *quiet = queues
        put(session, busy, *(b"busy" for _ in range(60)))
        for queue in quiet:
            put(session, queue, b"quiet")
        wants = Wants((queue, Want(100)) for queue in queues)
        got = [d.queue for _ in range(9) for d in session.fetch(wants, 1, soon())]
        assert set(got) == set(queues)

    def test_limits_change_in_place(self, session: Session, queues: list[str]) -> None:
        """Wants: "the caller passes one and the same object and changes the limits in place"."""
        first, second, _ = queues
        put(session, first, b"1", b"2", b"3")
        put(session, second, b"4")
        wants = Wants({first: Want(0), second: Want(0)})
        assert session.fetch(wants, 10, soon(0.2)) == []
        wants[first].limit = 2
        got = []
        while len(got) < 2:
            fetched = session.fetch(wants, 10, soon())
            assert fetched
            got += fetched
            wants[first].limit -= len(fetched)
        assert {d.queue for d in got} == {first}
        assert len(got) == 2
        wants[second].limit = 1
        assert bodies(session.fetch(wants, 10, soon())) == [b"4"]

    def test_new_wants_change_the_queues(self, session: Session, queues: list[str]) -> None:
        """Wants: "it makes a new object when a queue comes or goes"."""
        first, second, third = queues
        wants = Wants({first: Want(1)})
        assert session.fetch(wants, 1, soon(0.05)) == []
        more = Wants({first: wants[first], second: Want(1)})
        put(session, second, b"2")
        assert bodies(session.fetch(more, 1, soon())) == [b"2"]
        fewer = Wants({second: more[second], third: Want(1)})
        put(session, first, b"1")
        assert session.fetch(fewer, 1, soon(0.3)) == []
        assert session.size(first, soon()) == 1
        put(session, third, b"3")
        assert bodies(session.fetch(fewer, 1, soon())) == [b"3"]

    def test_a_queue_may_come_after_the_fetch_for_it(
        self, session: Session, other: Session
    ) -> None:
        """fetch: "A queue that is not there counts as an empty one"."""
        name = f"later-{uuid.uuid4().hex}"
        wants = Wants({name: Want(1)})
        assert session.fetch(wants, 1, soon(0.1)) == []
        publisher = After(0.2, lambda: put(other, name, b"1"))
        assert bodies(session.fetch(wants, 1, soon())) == [b"1"]
        assert monotonic() - publisher.at < 2.0
        publisher.join()
        other.delete_queue(name, soon())

    def test_a_queue_declared_anew_is_fetched_from(
        self, session: Session, other: Session, queue: str
    ) -> None:
        """fetch: the same wants go on after their queue was deleted and declared again."""
        wants = Wants({queue: Want(1)})
        assert session.fetch(wants, 1, soon(0.1)) == []
        other.delete_queue(queue, soon())
        assert session.fetch(wants, 1, soon(0.1)) == []
        other.declare_queue(QueueSpec(queue), soon())
        put(other, queue, b"1")
        assert bodies(session.fetch(wants, 1, soon())) == [b"1"]

    def test_one_busy_queue_among_many_is_served(self, store: Store, session: Session) -> None:
        """Wants: a fetch from one busy queue among many; its cost is what the store promises."""
        prefix = uuid.uuid4().hex[:8]
        names = [f"{prefix}-{n}" for n in range(store.many_queues)]
        for name in names:
            session.declare_queue(QueueSpec(name), soon())
        wants = Wants((name, Want(100)) for name in names)
        # What a fetch learns of its queues is no part of the cost of the next.
        assert session.fetch(wants, 1, soon(), wait=False) == []
        busy = names[len(names) // 2]
        put(session, busy, *(b"%d" % n for n in range(50)))
        begun = monotonic()
        for _ in range(50):
            (delivery,) = session.fetch(wants, 1, soon())
            assert delivery.queue == busy
        assert (monotonic() - begun) / 50 < patient(store.busy_fetch_within)
        for name in names:
            session.delete_queue(name, soon())

    def test_a_message_goes_to_one_of_those_who_wait(self, opened: Opened, queue: str) -> None:
        """fetch claims: no message is handed out twice, and none waits beside an idle consumer."""
        got: list[bytes] = []
        sessions = [opened.pair()[1] for _ in range(4)]

        def consume(session: Session) -> None:
            wants = Wants({queue: Want(1)})
            while True:
                deliveries = session.fetch(wants, 1, soon(3))
                if not deliveries:
                    return
                got.extend(bodies(deliveries))
                if isinstance(session, Leasing):
                    settle(session, acks=deliveries)

        threads = [threading.Thread(target=consume, args=(session,)) for session in sessions]
        for thread in threads:
            thread.start()
        publisher = opened.pair()[1]
        for n in range(60):
            put(publisher, queue, b"%d" % n)
            if n % 7 == 0:
                sleep(0.01)
        deadline = soon(2)
        while len(got) < 60 and monotonic() < deadline:
            sleep(0.01)
        for session in sessions:
            session.interrupt()
        for thread in threads:
            thread.join(8)
        assert sorted(got, key=int) == [b"%d" % n for n in range(60)]
