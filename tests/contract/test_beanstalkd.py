"""The plugin that "Write a transport" makes keeps the contract."""

from __future__ import annotations

import threading
from pathlib import Path
from time import monotonic, sleep, time
from typing import TYPE_CHECKING

import pytest
from contract_connection import TestConnection
from contract_envelopes import TestEnvelopes
from contract_fetch import TestFetching
from contract_leases import TestLeases
from contract_queues import TestQueues
from contract_settle import TestSettling
from contract_store import bodies, fetch, make_envelope, put, settle, soon
from contract_threads import TestThreads
from contract_topology import TestTopology

from kombu import Connection
from kombu.plugins import registered
from kombu.testing.faults import Child
from kombu.testing.fixtures import run, server_fixture
from kombu.testing.ledger import Ledger, message_id
from kombu.testing.servers import Beanstalkd
from kombu.transport.backend import Role, Session, Want, Wants
from kombu_beanstalkd import plugin
from kombu_beanstalkd.backend import CAPABILITIES, BeanstalkBackend, BeanstalkOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Opened
    from kombu.testing.runs import Run

__all__ = (
    "TestConnection",
    "TestEnvelopes",
    "TestFetching",
    "TestLeases",
    "TestQueues",
    "TestSettling",
    "TestThreads",
    "TestTopology",
    "run",
)

SOURCE = Path(__file__).parents[2] / "examples" / "plugins" / "kombu-beanstalkd" / "src"

server = server_fixture(Beanstalkd, scope="module")


class BeanstalkStore:
    capabilities = CAPABILITIES
    volume = 2_000
    many_queues = 300
    busy_fetch_within = 0.05
    shortest_lease = 1.0

    def __init__(self, port: int) -> None:
        self._port = port

    def backend(self, *, lease: float | None = None) -> BeanstalkBackend:
        return BeanstalkBackend(self.connection(), BeanstalkOptions(lease=lease))

    def connection(self) -> Connection:
        return Connection(f"beanstalkd://127.0.0.1:{self._port}")

    def unreachable(self) -> BeanstalkBackend:
        return BeanstalkBackend(Connection("beanstalkd://127.0.0.1:1"), BeanstalkOptions())


@pytest.fixture
def store(server: Beanstalkd) -> Iterator[BeanstalkStore]:
    with registered(plugin, "kombu-beanstalkd"):
        yield BeanstalkStore(server.port)


def test_what_a_killed_consumer_held_comes_back(
    server: Beanstalkd, store: BeanstalkStore, tmp_path: Path, run: Run
) -> None:
    count = run.count(ci=60, full=2_000)
    ledger = Ledger(tmp_path / "ledger", run)
    recorder = ledger.recorder()
    address = ("127.0.0.1", str(server.port))
    environ = {"PYTHONPATH": str(SOURCE)}
    came_back = 0
    with store.connection() as connection:
        queue = connection.SimpleQueue("killed")
        for number in range(count):
            name = message_id("producer", number)
            recorder.sent(name, "killed")
            queue.put(name)
            recorder.accepted(name, "killed")
        for _ in range(3):
            arguments = (*address, str(ledger.folder))
            here = Path(__file__).parent
            with Child("beanstalkd_consumer", *arguments, environ=environ, folder=here) as child:
                wait_until(lambda: f"{child.pid} holds 5" in child.output, child)
                with recorder.unwell(child.pid):
                    child.kill9_at_random(run.random, 0.1)
                    wait_until(lambda: queue.qsize() > 0, child)
        while True:
            try:
                message = queue.get(timeout=1)
            except queue.Empty:
                break
            redelivered = message.delivery_info["redelivered"]
            came_back += redelivered
            recorder.delivered(message.payload, "killed", redelivered=redelivered)
            recorder.acking(message.payload)
            message.ack()
            recorder.acked(message.payload)
    assert came_back
    ledger.check().raise_if_broken()


def test_the_most_urgent_comes_first_and_a_delay_holds_back(
    opened: Opened, session: Session, queue: str
) -> None:
    for priority in (0, 9, 255, 1):
        envelope = make_envelope(b"%d" % priority, priority=priority)
        assert not session.put([(queue, envelope)], soon())
    begun = time()
    late = make_envelope(b"late", priority=255, not_before=begun + 1.2)
    assert not session.put([(queue, late)], soon())
    assert bodies(fetch(session, queue, 4)) == [b"255", b"9", b"1", b"0"]
    assert bodies(fetch(session, queue, 1)) == [b"late"]
    assert begun + 1.2 <= time() < begun + 3.5


def test_durable_is_what_the_server_says(opened: Opened, server: Beanstalkd) -> None:
    backend = opened.backend()
    opened.session(backend)
    assert backend.capabilities.durable is True


def wait_until(holds: Callable[[], bool], child: Child) -> None:
    deadline = monotonic() + 20
    while not holds():
        assert monotonic() < deadline, child.output
        sleep(0.01)
