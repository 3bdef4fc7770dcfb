"""Queues: declaring, finding, deleting, counting.  Quotations are of `kombu.transport.backend`."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
from contract_store import bodies, fetch, put, settle, soon

from kombu.transport.backend import QueueSpec, Release, Session

if TYPE_CHECKING:
    from contract_store import Store

    from conftest import Opened


class TestQueues:
    """Queues are declared, found, deleted and counted."""

    def test_a_declared_queue_is_there_and_empty(
        self, session: Session, other: Session, queue: str
    ) -> None:
        """find_queue: what stands and the number of ready messages, as any connection sees it."""
        found = other.find_queue(queue, soon())
        assert found is not None
        assert (found[0].name, found[1]) == (queue, 0)

    def test_declaring_again_is_harmless(self, session: Session, queue: str) -> None:
        """declare_queue: "Asking again is harmless"; the messages stay and are counted."""
        put(session, queue, b"1", b"2")
        spec, ready = session.declare_queue(QueueSpec(queue), soon())
        assert (spec.name, ready) == (queue, 2)

    @pytest.mark.capability("queue_specs")
    def test_the_first_declaration_stands(self, session: Session, other: Session) -> None:
        """declare_queue: "return what stands"."""
        name = f"q-{uuid.uuid4().hex}"
        first = QueueSpec(name, durable=False, message_ttl=2.5, arguments={"x-a": [1, {"b": None}]})
        assert session.declare_queue(first, soon()) == (first, 0)
        assert other.declare_queue(QueueSpec(name), soon()) == (first, 0)
        assert other.find_queue(name, soon()) == (first, 0)
        session.delete_queue(name, soon())

    def test_an_absent_queue_is_told_as_absent(self, session: Session) -> None:
        """find_queue: `None`; size, purge and delete_queue: 0 where the queue is absent."""
        name = f"never-{uuid.uuid4().hex}"
        assert session.find_queue(name, soon()) is None
        assert session.size(name, soon()) == 0
        assert session.purge(name, soon()) == 0
        assert session.delete_queue(name, soon()) == 0
        assert session.find_queue(name, soon()) is None

    def test_a_deleted_queue_takes_its_messages_along(
        self, session: Session, other: Session, queue: str
    ) -> None:
        """delete_queue: "Delete the queue and its messages; return how many were ready"."""
        put(session, queue, b"1", b"2", b"3")
        assert other.delete_queue(queue, soon()) == 3
        assert session.find_queue(queue, soon()) is None
        assert session.declare_queue(QueueSpec(queue), soon())[1] == 0
        assert session.size(queue, soon()) == 0

    def test_only_an_empty_queue_is_deleted_if_empty(self, session: Session, queue: str) -> None:
        """delete_queue: "With if_empty, a queue that holds ready messages stays"."""
        put(session, queue, b"1")
        assert session.delete_queue(queue, soon(), if_empty=True) is None
        assert session.size(queue, soon()) == 1
        assert session.purge(queue, soon()) == 1
        assert session.delete_queue(queue, soon(), if_empty=True) == 0
        assert session.find_queue(queue, soon()) is None

    @pytest.mark.capability("leases")
    def test_a_purge_leaves_what_is_claimed(self, session: Session, queue: str) -> None:
        """purge: "Drop the ready messages" and no others."""
        put(session, queue, b"1", b"2", b"3")
        claimed = fetch(session, queue, 1)
        assert session.purge(queue, soon()) == 2
        assert settle(session, releases=[Release(claimed[0])]) == []
        assert bodies(fetch(session, queue, 2, within=0.4)) == bodies(claimed)

    @pytest.mark.capability("exact_size")
    def test_the_size_counts_what_is_ready(
        self, session: Session, other: Session, queue: str
    ) -> None:
        """size: "Number of ready messages", without those that are claimed."""
        put(session, queue, b"1", b"2", b"3")
        assert other.size(queue, soon()) == 3
        fetch(session, queue, 2)
        assert other.size(queue, soon()) == 1

    def test_a_message_for_an_absent_queue_creates_it(
        self, session: Session, other: Session
    ) -> None:
        """put: "A queue that is not there is created"."""
        name = f"new-{uuid.uuid4().hex}"
        put(session, name, b"1")
        assert other.find_queue(name, soon()) is not None
        assert bodies(fetch(other, name, 1)) == [b"1"]
        session.delete_queue(name, soon())

    @pytest.mark.parametrize(
        "name", ["größe 队列", "a.b/c:d*#", "sp ace\"quote'%41", "Q" * 200, "{q}"]
    )
    def test_any_text_names_a_queue(self, session: Session, name: str) -> None:
        """QueueSpec.name is any text (AMQP: up to 255 bytes) and comes back as it was."""
        name = f"{name}-{uuid.uuid4().hex[:8]}"
        session.declare_queue(QueueSpec(name), soon())
        found = session.find_queue(name, soon())
        assert found is not None
        assert found[0].name == name
        put(session, name, b"1")
        assert [d.queue for d in fetch(session, name, 1)] == [name]
        session.delete_queue(name, soon())

    def test_names_that_begin_alike_are_different_queues(
        self, session: Session, queue: str
    ) -> None:
        """QueueSpec.name: no other queue is touched."""
        longer = [f"{queue}:1", f"{queue}.fifo", f"{queue}-", queue.upper()]
        for name in longer:
            session.declare_queue(QueueSpec(name), soon())
        put(session, queue, b"1")
        assert [session.size(name, soon()) for name in longer] == [0, 0, 0, 0]
        for name in longer:
            session.delete_queue(name, soon())
        assert session.size(queue, soon()) == 1

    def test_an_unreachable_store_raises_in_time(self, store: Store) -> None:
        """open: raises `OSError` or kombu's ConnectionError by the deadline."""
        from time import monotonic

        from kombu.exceptions import ConnectionError as KombuConnectionError
        from kombu.transport.backend import Role

        backend = store.unreachable()
        if backend is None:
            pytest.skip("the store is always there")
        begun = monotonic()
        with pytest.raises((OSError, KombuConnectionError)):
            backend.open(Role.COMMAND, soon(2)).size("any", soon(2))
        assert monotonic() - begun < 4.5
        backend.close(soon(1))

    def test_a_child_of_a_fork_disturbs_nothing(self, opened: Opened, queue: str) -> None:
        """forked: "drop descriptors and locks, send nothing"; the parent's claims stay its own."""
        import os
        import warnings

        backend, session = opened.pair()
        put(session, queue, b"1", b"2")
        claimed = fetch(session, queue, 1)
        with warnings.catch_warnings():
            # Python 3.12 warns of every fork beside other threads.
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if not child:
            failed = 1
            try:
                backend.forked()
                session.close(soon(1))
                backend.close(soon(1))
                failed = 0
            finally:
                os._exit(failed)
        assert os.waitpid(child, 0)[1] == 0
        assert session.size(queue, soon()) == 1
        if hasattr(session, "settle"):
            assert settle(session, acks=claimed) == []
        rest = fetch(session, queue, 2, within=0.5)
        assert sorted(bodies([*claimed, *rest])) == [b"1", b"2"]
