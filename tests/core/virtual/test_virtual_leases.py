"""Claims that end by themselves, and the thread that renews them."""

from __future__ import annotations

import gc
import logging
import os
import threading
import warnings
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

import pytest
from brokers import PATIENCE, Inbox, publish
from leased_store import LeasedPlugin, Server, fresh_servers

from kombu import Connection, Queue, plugins
from kombu.exceptions import LeaseLost, MessageStateError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LEASE = 0.3


@pytest.fixture(autouse=True)
def transports() -> Iterator[None]:
    with plugins.registered(LeasedPlugin(), "leased-store"):
        yield from fresh_servers()


@pytest.fixture(params=["leased", "memory"])
def connect(request: pytest.FixtureRequest, url: str) -> Iterator[Callable[..., Connection]]:
    """Opens connections to one store, with a short lease."""
    opened: list[Connection] = []

    def connect(**options: Any) -> Connection:
        options.setdefault("lease", LEASE)
        name = url if request.param == "memory" else "leased://store"
        opened.append(Connection(name, transport_options=options))
        return opened[-1]

    yield connect
    for connection in opened:
        connection.release()


def keepers() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name == "kombu-lease-keeper"]


def wait_until(happened: Callable[[], bool]) -> None:
    deadline = monotonic() + PATIENCE
    while not happened():
        assert monotonic() < deadline
        sleep(0.01)


def get(connection: Connection, within: float = 0.0) -> Any:
    """One message of the queue, asked for until it is there."""
    queue = Queue("q")(connection)
    deadline = monotonic() + within
    while (message := queue.get()) is None and monotonic() < deadline:
        sleep(0.01)
    return message


def test_a_slow_handler_keeps_its_message(connect: Callable[..., Connection]) -> None:
    connection, other = connect(), connect()
    publish(connection, "q", 1)
    inbox = Inbox(connection, Queue("q")).drain(1)
    sleep(3 * LEASE)
    assert get(other) is None
    inbox.messages[0].ack()
    sleep(LEASE)
    assert get(other) is None


def test_what_waits_in_the_buffer_is_renewed_too(connect: Callable[..., Connection]) -> None:
    connection, other = connect(), connect()
    publish(connection, "q", *range(4))
    inbox = Inbox(connection, Queue("q"), prefetch=4).drain(1)
    sleep(3 * LEASE)
    assert get(other) is None
    inbox.drain(4)
    assert inbox.payloads == list(range(4))


def test_what_was_got_without_consuming_is_renewed_too(connect: Callable[..., Connection]) -> None:
    connection, other = connect(), connect()
    publish(connection, "q", 1)
    message = get(connection)
    sleep(3 * LEASE)
    assert get(other) is None
    message.ack()


def test_the_thread_begins_with_the_first_claim(connect: Callable[..., Connection]) -> None:
    before = len(keepers())
    connection = connect()
    publish(connection, "q", 1, 2)
    Queue("q")(connection).get(no_ack=True)
    connection.channel()
    assert len(keepers()) == before
    inbox = Inbox(connection, Queue("q")).drain(1)
    assert len(keepers()) == before + 1
    inbox.messages[0].ack()
    connection.release()
    assert len(keepers()) == before


def test_without_a_lease_there_is_no_thread(url: str) -> None:
    before = len(keepers())
    with Connection(url) as connection:
        publish(connection, "q", 1)
        Inbox(connection, Queue("q")).drain(1)
        assert len(keepers()) == before


def test_a_claim_is_renewed_up_to_its_limit(connect: Callable[..., Connection]) -> None:
    connection = connect(lease_limit=2 * LEASE)
    other = connect()
    publish(connection, "q", 1)
    claimed_at = monotonic()
    inbox = Inbox(connection, Queue("q")).drain(1)
    again = get(other, within=PATIENCE)
    assert monotonic() - claimed_at > 2 * LEASE
    assert again.delivery_info["redelivered"]
    with pytest.raises(LeaseLost, match=r"'q'.*lease_limit"):
        inbox.messages[0].ack()
    again.ack()


def test_a_limit_of_0_renews_nothing(connect: Callable[..., Connection]) -> None:
    before = len(keepers())
    connection, other = connect(lease_limit=0), connect()
    publish(connection, "q", 1)
    message = get(connection)
    assert len(keepers()) == before
    assert get(other, within=PATIENCE) is not None
    with pytest.raises(MessageStateError):
        message.reject()


def test_a_process_that_stood_still_loses_its_claims(connect: Callable[..., Connection]) -> None:
    """As after SIGSTOP: nobody renewed, and the late answer harms nobody."""
    connection, other = connect(), connect()
    publish(connection, "q", 1)
    inbox = Inbox(connection, Queue("q"), prefetch=1).drain(1)
    keeper = connection.transport.keeper
    keeper.stop()
    again = get(other, within=PATIENCE)
    assert again is not None
    with pytest.raises(LeaseLost):
        inbox.messages[0].ack()
    # It is still the other's.
    again.requeue()
    inbox.drain(2)
    assert inbox.messages[1].headers["x-delivery-count"] == 2
    inbox.messages[1].ack()


def test_what_waited_here_beyond_its_lease_is_not_delivered(
    connect: Callable[..., Connection], caplog: pytest.LogCaptureFixture
) -> None:
    """Nor before the keeper of a process that stood still is awake."""
    connection, other = connect(), connect()
    publish(connection, "q", 1, 2)
    inbox = Inbox(connection, Queue("q"), prefetch=2).drain(1)
    connection.transport.keeper.stop()
    theirs = [get(other, within=PATIENCE), get(other, within=PATIENCE)]
    assert all(theirs)
    with caplog.at_level(logging.WARNING), pytest.raises(TimeoutError):
        connection.drain_events(timeout=0.05)
    assert len(inbox.messages) == 1
    assert "ran out before its consumer asked" in caplog.text
    for message in theirs:
        message.requeue()
    # There is room for one: the first is still with the callback.
    inbox.drain(2)
    with pytest.raises(LeaseLost):
        inbox.messages[0].ack()
    inbox.drain(3)
    assert sorted(message.payload for message in inbox.messages[1:]) == [1, 2]


def test_what_was_lost_before_anybody_saw_it_is_not_delivered(
    connect: Callable[..., Connection], caplog: pytest.LogCaptureFixture
) -> None:
    connection, other = connect(), connect()
    publish(connection, "q", 1, 2)
    inbox = Inbox(connection, Queue("q"), prefetch=2).drain(1)
    transport = connection.transport
    transport.keeper.stop()
    theirs = [get(other, within=PATIENCE), get(other, within=PATIENCE)]
    assert all(theirs)
    with caplog.at_level(logging.WARNING):
        transport.keeper.renew(transport, monotonic() + 1)
    assert "2 claim(s) ran out" in caplog.text
    with pytest.raises(TimeoutError):
        connection.drain_events(timeout=0.05)
    assert len(inbox.messages) == 1
    for message in theirs:
        message.ack()


def test_a_failed_renewal_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    options = {"lease": LEASE}
    with Connection("leased://store", transport_options=options) as connection:
        publish(connection, "q", 1)
        inbox = Inbox(connection, Queue("q")).drain(1)
        server = Server.named["store"]
        backend = connection.transport._backend
        server.failing["renew"] = OSError("the line is cut")
        wait_until(lambda: "renew" in server.commands)
        del server.failing["renew"]
        sleep(2 * LEASE)
        inbox.messages[0].ack()
        assert "could not be renewed" in caplog.text
    assert backend.open_sessions == []


def test_a_dropped_connection_ends_its_thread() -> None:
    before = len(keepers())
    connection = Connection("leased://store", transport_options={"lease": LEASE})
    publish(connection, "q", 1)
    Inbox(connection, Queue("q")).drain(1)
    assert len(keepers()) == before + 1
    del connection
    gc.collect()
    wait_until(lambda: len(keepers()) == before)
    other = Connection("leased://store", transport_options={"lease": LEASE})
    assert get(other, within=PATIENCE) is not None
    other.release()


def test_a_child_of_a_fork_renews_nothing(connect: Callable[..., Connection]) -> None:
    connection = connect()
    publish(connection, "q", 1)
    inbox = Inbox(connection, Queue("q")).drain(1)
    keeper = connection.transport.keeper
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        well = False
        try:
            well = not keeper.running and not keepers() and not connection.transport.held()
        finally:
            os._exit(0 if well else 1)
    assert os.waitpid(child, 0)[1] == 0
    sleep(2 * LEASE)
    inbox.messages[0].ack()


def test_renewing_does_not_get_in_the_way_of_settling(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Two threads: no acknowledgement is refused, nothing comes again, and nobody is warned."""
    with Connection(url, transport_options={"lease": 30}) as connection:
        publish(connection, "q", *range(3_000))
        inbox = Inbox(connection, Queue("q")).drain(3_000)
        transport = connection.transport
        stop = threading.Event()

        def renew() -> None:
            while not stop.is_set():
                transport.keeper.renew(transport, monotonic() + 1)

        renewing = threading.Thread(target=renew)
        renewing.start()
        try:
            for message in inbox.messages:
                message.ack()
        finally:
            stop.set()
            renewing.join(PATIENCE)
        assert transport._backend.claims == {}
        assert "ran out" not in caplog.text


def test_claims_that_end_together_come_back_in_order(url: str) -> None:
    with (
        Connection(url, transport_options={"lease": 0.1, "lease_limit": 0}) as connection,
        Connection(url) as other,
    ):
        publish(connection, "q", *range(5))
        Inbox(connection, Queue("q"), prefetch=5).drain(5)
        sleep(0.15)
        assert Inbox(other, Queue("q")).drain(5).payloads == list(range(5))


def test_a_claim_that_was_not_renewed_ends_beside_one_that_was(url: str) -> None:
    options = {"lease": 0.2, "lease_limit": 0}
    with Connection(url, transport_options=options) as connection, Connection(url) as other:
        publish(connection, "q", 1, 2)
        inbox = Inbox(connection, Queue("q"), prefetch=2).drain(2)
        transport = connection.transport
        assert transport.session.renew(transport.held()[:1], 30, monotonic() + 1) == []
        assert get(other, within=PATIENCE).payload == 2
        assert get(other) is None
        inbox.messages[0].ack()
