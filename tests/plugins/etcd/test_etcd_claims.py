"""What is etcd's own: claims under leases, changes in transactions, and a watch."""

from __future__ import annotations

import threading
import uuid
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

import pytest

from kombu.envelope import Envelope
from kombu.exceptions import ChannelError
from kombu.testing.fixtures import need
from kombu.testing.servers import Etcd, Etcd35
from kombu.transport.backend import QueueSpec, Release, Role, Want, Wants
from kombu_etcd.address import Address
from kombu_etcd.backend import EtcdBackend
from kombu_etcd.gateway import encoded
from kombu_etcd.session import MAX_BODY, EtcdSession
from kombu_etcd.v2.backend import Etcd2Backend
from kombu_etcd.wire import MAX_DATA

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kombu.transport.backend import Delivery


@pytest.fixture(scope="module", params=[Etcd, Etcd35], ids=["3.4", "3.5"])
def server(request: pytest.FixtureRequest) -> Iterator[Etcd]:
    need(request.param)
    with request.param() as running:
        yield running


Opened = tuple[EtcdBackend, EtcdSession]


def soon(seconds: float = 10.0) -> float:
    return monotonic() + seconds


def envelope(body: bytes = b"m", **headers: str) -> Envelope:
    return Envelope(body, "text/plain", "utf-8", dict(headers), {}, "", "q")


def fetch(session: EtcdSession, queue: str, within: float = 5.0, most: int = 40) -> list[Delivery]:
    return session.fetch(Wants({queue: Want(most)}), most, soon(within))


@pytest.fixture
def connect(server: Etcd) -> Iterator[Callable[..., Opened]]:
    opened = []

    def connect(**options: float) -> Opened:
        backend = EtcdBackend(Address(server.host, server.port, "/own"), **options)
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


def test_a_lease_that_ends_loses_all_its_claims_at_once(
    connect: Callable[..., Opened], queue: str
) -> None:
    backend, session = connect()
    _, other = connect()
    session.put([(queue, envelope(b"%d" % n)) for n in range(3)], soon())
    held = fetch(session, queue)
    assert len(held) == 3
    lease = next(iter(backend._claims._held.values()))
    other._gateway.ask("/lease/revoke", {"ID": str(lease.number)}, soon())
    again = fetch(other, queue)
    assert [d.envelope.body for d in again] == [b"0", b"1", b"2"]
    assert [d.count for d in again] == [1, 1, 1]
    assert list(session.renew(held[:1], 2, soon())) == held[:1]
    assert list(session.settle(held[1:2], [Release(held[2])], soon())) == held[1:]
    assert list(other.settle(again, (), soon())) == []
    assert other.size(queue, soon()) == 0


def test_one_lost_claim_among_several_does_not_hold_up_the_others(
    connect: Callable[..., Opened], queue: str
) -> None:
    _, session = connect()
    _, other = connect()
    session.put([(queue, envelope(b"%d" % n)) for n in range(4)], soon())
    held = fetch(session, queue)
    token = held[1].token
    key = token.keys.claims + token.message
    other._gateway.ask("/kv/deleterange", {"key": encoded(key)}, soon())
    assert list(session.settle(held, (), soon())) == [held[1]]
    assert [d.envelope.body for d in fetch(other, queue)] == [b"1"]


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


def test_a_message_wakes_a_consumer_before_it_would_look(
    connect: Callable[..., Opened], queue: str
) -> None:
    _, session = connect(interval=30.0)
    _, other = connect()
    threading.Timer(0.5, other.put, ([(queue, envelope())], soon())).start()
    began = monotonic()
    assert len(fetch(session, queue, within=10)) == 1
    assert monotonic() - began < 3


def test_the_watch_comes_back_with_the_server(
    server: Etcd, connect: Callable[..., Opened], queue: str
) -> None:
    _, session = connect(interval=30.0)
    assert fetch(session, queue, within=0.5) == []
    server.restart()
    _, other = connect()
    sleep(1)
    threading.Timer(0.3, other.put, ([(queue, envelope())], soon())).start()
    began = monotonic()
    assert len(fetch(session, queue, within=10)) == 1
    assert monotonic() - began < 3


def test_more_claims_than_one_list_shows_hide_nothing(
    connect: Callable[..., Opened], queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kombu_etcd.fetching._LISTED", 5)
    _, session = connect()
    _, other = connect()
    session.put([(queue, envelope(b"%d" % n)) for n in range(8)], soon())
    assert len(fetch(session, queue, most=5)) == 5
    assert [d.envelope.body for d in fetch(other, queue)] == [b"5", b"6", b"7"]


def test_headers_count_for_the_limit_of_a_request(
    connect: Callable[..., Opened], queue: str
) -> None:
    _, session = connect()
    refused = session.put([(queue, envelope(note="x" * MAX_DATA)), (queue, envelope())], soon())
    assert [r.index for r in refused] == [0]
    assert isinstance(refused[0].error, ChannelError)
    assert session.size(queue, soon()) == 1


def test_the_largest_message_can_be_given_back_anew(
    connect: Callable[..., Opened], queue: str
) -> None:
    _, session = connect()
    assert session.put([(queue, envelope(b"x" * MAX_BODY))], soon()) == []
    (held,) = fetch(session, queue)
    assert list(session.settle((), [Release(held, front=False)], soon())) == []
    (again,) = fetch(session, queue)
    assert again.count == 1
    assert len(again.envelope.body) == MAX_BODY


@pytest.mark.parametrize("scheme", ["etcd", "etcd2"])
def test_a_server_that_is_silent_costs_no_more_than_the_deadline(server: Etcd, scheme: str) -> None:
    kinds: dict[str, Any] = {"etcd": EtcdBackend, "etcd2": Etcd2Backend}
    backend = kinds[scheme](Address(server.host, server.port))
    server.pause()
    try:
        began = monotonic()
        with pytest.raises(TimeoutError, match=str(server.port)):
            backend.open(Role.COMMAND, soon(0.5))
        backend.close(soon(0.2))
        assert monotonic() - began < 1.0
    finally:
        server.resume()


def test_who_drops_a_connection_leaves_no_thread(server: Etcd) -> None:
    backend = EtcdBackend(Address(server.host, server.port, "/own"))
    session = backend.open(Role.RECEIVE, soon())
    before = {t for t in threading.enumerate() if t.name == "kombu-etcd-watch"}
    assert fetch(session, "nothing", within=0.3) == []
    (thread,) = {t for t in threading.enumerate() if t.name == "kombu-etcd-watch"} - before
    session.close(soon())
    del session, backend
    thread.join(5)
    assert not thread.is_alive()


@pytest.mark.parametrize("by", ["the next fetch", "the close"])
@pytest.mark.parametrize("scheme", ["etcd", "etcd2"])
def test_a_claim_whose_answer_came_too_late_goes_back(
    server: Etcd, scheme: str, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds: dict[str, Any] = {"etcd": EtcdBackend, "etcd2": Etcd2Backend}
    backend = kinds[scheme](Address(server.host, server.port))
    session = backend.open(Role.COMMAND, soon())
    queue = f"q-{uuid.uuid4().hex}"
    session.put([(queue, envelope())], soon())
    line, name = (session._gateway, "ask") if scheme == "etcd" else (session._store, "_ask")
    ask = getattr(line, name)

    def claims(method: str, what: Any) -> bool:
        if scheme == "etcd2":
            return method == "PUT" and what.endswith("/claim")
        return any("request_put" in request for request in what.get("success", ()))

    def late(*args: Any, **kwargs: Any) -> Any:
        answer = ask(*args, **kwargs)
        if claims(args[0], args[1]):
            monkeypatch.setattr(line, name, ask)
            raise TimeoutError
        return answer

    monkeypatch.setattr(line, name, late)
    assert fetch(session, queue, within=0.2) == []
    other = kinds[scheme](Address(server.host, server.port)).open(Role.COMMAND, soon())
    assert other.size(queue, soon()) == 0
    if by == "the close":
        session.close(soon())
        backend.close(soon())
        session = other
    (delivery,) = fetch(session, queue)
    assert delivery.envelope.body == b"m"
    assert list(session.settle([delivery], (), soon())) == []
    session.close(soon())
    other.close(soon())
    backend.close(soon())
