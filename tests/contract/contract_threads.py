"""Many threads.  Quotations are of `kombu.transport.backend`."""

from __future__ import annotations

import threading
from collections import Counter
from time import monotonic
from typing import TYPE_CHECKING

import pytest
from contract_store import bodies, put, settle, soon

from kombu.transport.backend import Leasing, Role, Session, Want, Wants

if TYPE_CHECKING:
    from contract_store import Store

    from conftest import Opened


def run(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(100)
    assert not any(thread.is_alive() for thread in threads)


class TestThreads:
    """Many threads and many connections at once."""

    def test_nothing_is_lost_or_doubled_among_many(
        self, store: Store, opened: Opened, queues: list[str]
    ) -> None:
        """fetch, settle and put of many connections at once: every message once."""
        producers = consumers = 4
        each = store.volume // producers
        got: list[bytes] = []
        errors: list[BaseException] = []
        deadline = soon(90)

        def produce(number: int) -> None:
            session = sessions[number]
            for n in range(0, each, 10):
                items = [b"%d.%d" % (number, k) for k in range(n, min(n + 10, each))]
                put(session, queues[(n // 10) % 3], *items)

        def consume(number: int) -> None:
            try:
                session = sessions[number]
                wants = Wants((queue, Want(20)) for queue in queues)
                while len(got) < producers * each and monotonic() < deadline:
                    deliveries = session.fetch(wants, 20, soon(1))
                    got.extend(bodies(deliveries))
                    if deliveries and isinstance(session, Leasing):
                        assert settle(session, deliveries) == []
            except BaseException as exc:
                errors.append(exc)

        sessions = [opened.pair()[1] for _ in range(producers + consumers)]
        run(
            [threading.Thread(target=produce, args=(n,)) for n in range(producers)]
            + [threading.Thread(target=consume, args=(producers + n,)) for n in range(consumers)]
        )
        assert errors == []
        counted = Counter(got)
        assert len(counted) == producers * each
        assert set(counted.values()) == {1}

    def test_a_put_does_not_wait_for_a_fetch(self, opened: Opened, queues: list[str]) -> None:
        """Role: "so that a publish never waits behind a blocking fetch" of the same backend."""
        backend = opened.backend()
        receiving = opened.session(backend, Role.RECEIVE)
        commands = opened.session(backend, Role.COMMAND)
        waiting = threading.Thread(
            target=receiving.fetch, args=(Wants({queues[0]: Want(1)}), 1, soon(3))
        )
        waiting.start()
        begun = monotonic()
        for _ in range(5):
            put(commands, queues[1], b"1")
            assert commands.size(queues[1], soon()) >= 1
        assert monotonic() - begun < 1
        receiving.interrupt()
        waiting.join(5)
        assert not waiting.is_alive()

    @pytest.mark.capability("concurrent_sessions")
    def test_a_session_stands_several_threads(
        self, store: Store, session: Session, queue: str
    ) -> None:
        """Capabilities.concurrent_sessions: "a session may be used by several threads at once"."""
        got: list[bytes] = []
        each = min(store.volume // 20, 200)

        def work(number: int) -> None:
            wants = Wants({queue: Want(1)})
            for n in range(each):
                put(session, queue, b"%d.%d" % (number, n))
                if number == 0:
                    deliveries = session.fetch(wants, 1, soon())
                    got.extend(bodies(deliveries))
                    settle(session, deliveries)

        run([threading.Thread(target=work, args=(n,)) for n in range(4)])
        rest = session.size(queue, soon())
        assert len(got) + rest == 4 * each
        assert len(set(got)) == len(got) == each

    def test_a_session_for_every_role(self, opened: Opened, queue: str) -> None:
        """Backend.open: a session for every role, each of which can do everything."""
        backend = opened.backend()
        for role in Role:
            session = opened.session(backend, role)
            assert isinstance(session, Session)
            put(session, queue, role.value.encode())
        got = opened.session(backend).fetch(Wants({queue: Want(10)}), 10, soon())
        assert got
