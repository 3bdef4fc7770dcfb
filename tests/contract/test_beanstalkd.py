"""The plugin that "Write a transport" makes keeps the contract."""

from __future__ import annotations

import socket
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
from kombu_beanstalkd import plugin
from kombu_beanstalkd.backend import CAPABILITIES, BeanstalkBackend, BeanstalkOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Opened
    from kombu.testing.runs import Run
    from kombu.transport.backend import Session

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
    #: Each queue is asked in a round trip of its own where one message is wanted.
    busy_fetch_within = 1.0
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
                    sleep(1)
        while True:
            try:
                message = queue.get(timeout=2)
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


def test_durable_is_what_the_server_says(opened: Opened) -> None:
    backend = opened.backend()
    opened.session(backend)
    assert backend.capabilities.durable is True


def test_a_job_of_another_program_is_put_aside(
    server: Beanstalkd, session: Session, queue: str
) -> None:
    other = Plain(server)
    other.ask(f"use {queue}")
    job = other.ask("put 0 0 60 5\r\nhello").split()[1]
    put(session, queue, b"1")
    assert bodies(fetch(session, queue, 1)) == [b"1"]
    assert "state: buried" in other.ask(f"stats-job {job}")
    other.close()


def test_a_claim_leaves_the_rest_of_a_wait_alone(opened: Opened, queue: str) -> None:
    """What somebody else claimed goes back with his lease where it was touched by mistake."""
    first, second = opened.pair(lease=2)[1], opened.pair(lease=2)[1]
    put(first, queue, b"1")
    (late,) = fetch(first, queue, 1)
    sleep(2.1)
    (mine,) = fetch(second, queue, 1)
    # Its clock goes wrong: it takes its claim for a good one.
    late.lease_until = time() + 60
    assert settle(first, [late]) == [late]
    assert fetch(first, queue, 1, within=0.5) == []
    assert settle(second, [mine]) == []


class Plain:
    """A client of plain sockets."""

    def __init__(self, server: Beanstalkd) -> None:
        self._socket = socket.create_connection((server.host, server.port), timeout=5)

    def ask(self, command: str) -> str:
        self._socket.sendall(f"{command}\r\n".encode())
        return self._socket.recv(65536).decode()

    def close(self) -> None:
        self._socket.close()


@pytest.mark.parametrize("way", ["time to run", "delay"])
def test_time_to_run_may_be_forgotten(server: Beanstalkd, way: str) -> None:
    """Why a claim is a delayed job: of those that are only reserved some stay so for ever."""
    clients, jobs, tube = [Plain(server) for _ in range(24)], [], f"ttr-{way.split()[0]}"
    for client in clients:
        client.ask(f"use {tube}")
        jobs.append(client.ask("put 0 0 1 1\r\nx").split()[1])
        assert client.ask(f"reserve-job {jobs[-1]}").startswith("RESERVED")
        if way == "delay":
            assert client.ask(f"release {jobs[-1]} 0 1") == "RELEASED\r\n"
        # The last ones are a second from being over when the first ones are.
        sleep(0.011)
    sleep(2.2)
    told = [clients[0].ask(f"stats-job {job}") for job in jobs[1:]]
    for job, client in zip(jobs, clients, strict=True):
        client.ask(f"delete {job}")
        client.close()
    back = ["state: ready" in stats for stats in told]
    if way == "time to run" and all(back):
        pytest.skip("this beanstalkd forgot none")
    assert all(back) == (way == "delay")
    # Over for a second, and reserved all the same.
    late = [stats for stats in told if "state: ready" not in stats]
    assert all("state: reserved" in stats and "time-left: -" in stats for stats in late)


def wait_until(holds: Callable[[], bool], child: Child) -> None:
    deadline = monotonic() + 20
    while not holds():
        assert monotonic() < deadline, child.output
        sleep(0.01)
