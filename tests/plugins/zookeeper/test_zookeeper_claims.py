"""What is ZooKeeper's own: claims end with a session, and nothing that is late harms anybody."""

from __future__ import annotations

import threading
import uuid
from time import monotonic, sleep
from typing import TYPE_CHECKING

import pytest
from kazoo.client import KazooClient
from kazoo.protocol.states import Callback

from kombu.envelope import Envelope
from kombu.exceptions import ChannelError, RecoverableConnectionError
from kombu.testing.fixtures import server_fixture
from kombu.testing.servers import ZooKeeper
from kombu.transport.backend import QueueSpec, Release, Role, Want, Wants
from kombu_zookeeper.address import Address
from kombu_zookeeper.backend import ZooKeeperBackend
from kombu_zookeeper.session import MAX_BODY, MAX_DATA, ZooKeeperSession

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kombu.transport.backend import Delivery

server = server_fixture(ZooKeeper, scope="module")

Opened = tuple[ZooKeeperBackend, ZooKeeperSession]


def soon(seconds: float = 10.0) -> float:
    return monotonic() + seconds


def envelope(body: bytes = b"m", **headers: str) -> Envelope:
    return Envelope(body, "text/plain", "utf-8", dict(headers), {}, "", "q")


def fetch(session: ZooKeeperSession, queue: str, within: float = 5.0) -> list[Delivery]:
    return session.fetch(Wants({queue: Want(10)}), 10, soon(within))


@pytest.fixture
def connect(server: ZooKeeper) -> Iterator[Callable[..., Opened]]:
    opened = []

    def connect(**options: float) -> Opened:
        backend = ZooKeeperBackend(Address(f"{server.host}:{server.port}", "/own"), **options)
        opened.append(backend)
        return backend, backend.open(Role.COMMAND, soon())

    yield connect
    for backend in opened:
        backend.close(soon())


@pytest.fixture
def queue(connect: Callable[..., Opened]) -> str:
    name = f"q-{uuid.uuid4().hex}"
    connect()[1].declare_queue(QueueSpec(name), soon())
    return name


def end_session(server: ZooKeeper, backend: ZooKeeperBackend) -> None:
    """End a backend's session as the server does that hears nothing of it."""
    assert backend._line is not None
    victim = backend._line.client
    thief = KazooClient(f"{server.host}:{server.port}", client_id=victim.client_id, timeout=5)
    thief.start(5)
    thief.stop()
    thief.close()


def test_a_lost_session_loses_all_claims_at_once(
    server: ZooKeeper, connect: Callable[..., Opened], queue: str
) -> None:
    backend, session = connect()
    _, other = connect()
    session.put([(queue, envelope(b"%d" % n)) for n in range(3)], soon())
    held = fetch(session, queue)
    assert len(held) == 3
    end_session(server, backend)
    again = fetch(other, queue)
    assert [d.envelope.body for d in again] == [b"0", b"1", b"2"]
    assert [d.count for d in again] == [1, 1, 1]
    try:
        assert list(session.settle(held, (), soon())) == held
    except RecoverableConnectionError:
        pass  # kazoo has heard of it already
    assert list(other.settle(again, (), soon())) == []
    assert other.size(queue, soon()) == 0


def test_who_waits_is_told_that_the_line_is_lost(
    connect: Callable[..., Opened], queue: str, server: ZooKeeper
) -> None:
    backend, session = connect()
    end_session(server, backend)
    with pytest.raises(RecoverableConnectionError, match=str(server.port)):
        fetch(session, queue)
    with pytest.raises(RecoverableConnectionError):
        session.put([(queue, envelope())], soon())


def test_a_late_acknowledgement_spares_a_queue_of_the_same_name(
    connect: Callable[..., Opened], queue: str
) -> None:
    _, session = connect()
    _, other = connect()
    session.put([(queue, envelope(b"old"))], soon())
    (late,) = fetch(session, queue)
    other.delete_queue(queue, soon())
    other.declare_queue(QueueSpec(queue), soon())
    other.put([(queue, envelope(b"new"))], soon())
    (claimed,) = fetch(other, queue)
    assert list(session.settle([late], (), soon())) == [late]
    assert list(other.settle((), [Release(claimed)], soon())) == []
    assert [d.envelope.body for d in fetch(other, queue)] == [b"new"]


def test_a_claim_ends_without_renewal_though_its_session_lives(
    connect: Callable[..., Opened], queue: str
) -> None:
    _, session = connect(lease=1.0)
    _, other = connect()
    session.put([(queue, envelope())], soon())
    (held,) = fetch(session, queue)
    began = monotonic()
    (again,) = fetch(other, queue)  # woken, not by asking again and again
    assert 0.5 < monotonic() - began < 3
    assert again.count == 1
    assert list(session.settle([held], (), soon())) == [held]


def test_what_another_program_puts_beside_messages_is_left_alone(
    server: ZooKeeper, connect: Callable[..., Opened], queue: str
) -> None:
    _, session = connect()
    client = KazooClient(f"{server.host}:{server.port}")
    client.start(5)
    client.create(f"/own/kombu/queues/{queue}/messages/note", b"x")
    assert session.size(queue, soon()) == 0
    assert fetch(session, queue, within=0.2) == []
    assert session.delete_queue(queue, soon()) == 0
    assert session.find_queue(queue, soon()) is None
    client.stop()
    client.close()


def test_headers_count_for_the_limit_of_a_znode(connect: Callable[..., Opened], queue: str) -> None:
    _, session = connect()
    refused = session.put([(queue, envelope(note="x" * MAX_DATA)), (queue, envelope())], soon())
    assert [r.index for r in refused] == [0]
    assert isinstance(refused[0].error, ChannelError)
    assert session.size(queue, soon()) == 1


def test_the_largest_message_can_be_given_back_anew(
    connect: Callable[..., Opened], queue: str
) -> None:
    _, session = connect()
    most = session.put([(queue, envelope(b"x" * MAX_BODY))], soon())
    assert most == []
    (held,) = fetch(session, queue)
    assert list(session.settle((), [Release(held, count=False)], soon())) == []
    (again,) = fetch(session, queue)
    assert again.count == 0
    assert list(session.settle((), [Release(again, front=False)], soon())) == []
    assert fetch(session, queue)[0].count == 1


def test_a_server_that_is_silent_costs_no_more_than_the_deadline(server: ZooKeeper) -> None:
    backend = ZooKeeperBackend(Address(f"{server.host}:{server.port}"))
    server.pause()
    try:
        began = monotonic()
        with pytest.raises(OSError, match=str(server.port)):
            backend.open(Role.COMMAND, soon(0.5))
        backend.close(soon(0.2))
        assert monotonic() - began < 1.2
    finally:
        server.resume()


def test_a_fetch_that_ended_before_its_answer_loses_nothing(
    server: ZooKeeper, connect: Callable[..., Opened], queue: str
) -> None:
    _, session = connect(session_timeout=20.0)
    session.put([(queue, envelope())], soon())
    wants = Wants({queue: Want(1)})
    # The list is there, the claim is not answered.
    session._fetching._want(wants)
    session._fetching._refresh(soon())
    server.pause()
    try:
        assert session.fetch(wants, 1, soon(0.2)) == []
    finally:
        server.resume()
    sleep(0.1)
    (delivery,) = session.fetch(wants, 1, soon())
    assert delivery.count == 0
    assert list(session.settle([delivery], (), soon())) == []


@pytest.mark.parametrize("change", ["released", "put"])
def test_order_does_not_wait_for_a_watch(
    connect: Callable[..., Opened], queue: str, change: str
) -> None:
    """Watches are called in a thread of their own: what a connection did itself it knows before."""
    backend, session = connect()
    session.put([(queue, envelope(body)) for body in (b"1", b"2", b"3")], soon())
    wants = Wants({queue: Want(1)})
    release = threading.Event()
    line = backend._line
    assert line is not None
    line.client.handler.dispatch_callback(Callback("watch", release.wait, (30,)))
    try:
        (first,) = session.fetch(wants, 1, soon())
        wants[queue].limit = 3
        if change == "released":
            assert session.settle([], [Release(first)], soon()) == []
            expected = [b"1", b"2", b"3"]
        else:
            urgent = envelope(b"urgent")
            urgent.priority = 9
            session.put([(queue, urgent)], soon())
            expected = [b"urgent", b"2", b"3"]
        found = session.fetch(wants, 3, soon())
    finally:
        release.set()
    assert [delivery.envelope.body for delivery in found] == expected
