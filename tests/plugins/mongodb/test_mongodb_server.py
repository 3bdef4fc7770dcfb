"""The MongoDB transport and its server: kills, claims without an answer, and what is stored."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from pymongo import MongoClient
from pymongo.errors import NetworkTimeout

from kombu import Connection, Queue
from kombu.exceptions import ChannelError
from kombu.testing.faults import Proxy
from kombu.testing.fixtures import server_fixture
from kombu.testing.kit import Inbox
from kombu.testing.servers import MongoDB
from kombu.transport.backend import Role, Want, Wants
from kombu_mongodb.backend import MongoBackend
from kombu_mongodb.sending import MAX_BODY

if TYPE_CHECKING:
    from kombu.testing.servers import Server

server = server_fixture(MongoDB, scope="module")


@pytest.fixture
def url(server: Server) -> str:
    server.start()
    return f"mongodb://{server.host}:{server.port}/own_{uuid.uuid4().hex[:8]}?directConnection=true"


def test_what_was_claimed_without_an_answer_is_found_again(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = MongoBackend(url)
    session = backend.open(Role.RECEIVE, time.monotonic() + 10)
    try:
        for count in (1, 5):
            queue = f"q{count}"
            with Connection(url) as connection:
                for number in range(count):
                    connection.Producer().publish(number, routing_key=queue)
            with monkeypatch.context() as patched:
                _cut_answers(patched, backend)
                with pytest.raises(TimeoutError):
                    session.fetch(Wants({queue: Want(count)}), count, time.monotonic() + 10)
            found = session.fetch(Wants({queue: Want(count)}), count, time.monotonic() + 10)
            assert len(found) == count
            assert session.settle(found, (), time.monotonic() + 10) == []
    finally:
        backend.close(time.monotonic() + 10)


def _cut_answers(patched: pytest.MonkeyPatch, backend: MongoBackend) -> None:
    """Have the server do what changes a message, and the client not hear of it."""
    from pymongo.collection import Collection

    for name in ("find_one_and_update", "update_many"):
        method = getattr(Collection, name)

        def unheard(self: Any, *args: Any, _method: Any = method, **kwargs: Any) -> Any:
            _method(self, *args, **kwargs)
            raise NetworkTimeout("cut")

        patched.setattr(Collection, name, unheard)


def test_bodies_over_the_limit_are_refused_before_they_are_sent(url: str) -> None:
    with Connection(url) as connection:
        queue = Queue("q")(connection.channel())
        queue.declare()
        with pytest.raises(ChannelError, match="16 MiB") as caught:
            connection.Producer().publish(
                b"x" * (MAX_BODY + 1),
                routing_key="q",
                content_type="application/data",
                content_encoding="binary",
            )
        assert caught.value.reply_code == 311
        assert queue.get() is None


def test_a_foreign_document_is_set_aside(url: str, caplog: pytest.LogCaptureFixture) -> None:
    with Connection(url) as connection, MongoClient(url) as client:
        queue = Queue("q")(connection.channel())
        queue.declare()
        messages = client.get_default_database()["messages"]
        messages.insert_one({"queue": "q", "payload": "{"})
        connection.Producer().publish("good", routing_key="q")
        assert queue.get().payload == "good"
        assert messages.count_documents({"state": "unreadable"}) == 1
    assert "set aside" in caplog.text


def test_collections_have_the_names_that_are_asked_for(url: str) -> None:
    options = {
        "messages_collection": "m",
        "routing_collection": "r",
        "queues_collection": "q",
        "default_database": "other",
        "calc_queue_size": False,
        "client_options": {"maxPoolSize": 7},
    }
    server = url.rpartition("/")[0] + "/?directConnection=true"
    with Connection(server, transport_options=options) as connection:
        connection.SimpleQueue("sq").put(1)
        channel = connection.channel()
        names = set(channel.client.list_collection_names())
        assert {"m", "r", "q"} <= names
        assert channel.client.name == "other"
        assert channel.client.client.options.pool_options.max_pool_size == 7
        assert channel.queue_declare("sq", passive=True).message_count == 0
        assert abs((channel.get_now() - _utc_now()).total_seconds()) < 60
        channel.client.client.drop_database("other")


def _utc_now() -> Any:
    from datetime import datetime, timezone

    return datetime.now(timezone.utc).replace(tzinfo=None)


def test_a_consumer_is_woken_by_the_change_stream(url: str) -> None:
    options = {"polling_interval": 30.0}
    with (
        Connection(url, transport_options=options) as here,
        Connection(url, transport_options=options) as there,
    ):
        queue = Queue("q")(here.channel())
        queue.declare()
        inbox = Inbox(here, queue)
        inbox.quiet(1.5)
        there.Producer().publish("m", routing_key="q")
        inbox.wait(1, within=5)


def test_claims_are_found_by_an_index(url: str) -> None:
    with Connection(url) as connection:
        connection.SimpleQueue("q").put(1)
        messages = connection.channel().messages
        plan = messages.find({"queue": "q"}).sort([("rank", 1), ("order", 1)]).explain()
        assert "kombu_ready" in str(plan)
        assert "COLLSCAN" not in str(plan)


def test_a_lost_line_loses_no_message(server: Server, url: str) -> None:
    with Proxy(server.host, server.port) as proxy:
        away = f"mongodb://{proxy.host}:{proxy.port}/{url.rpartition('/')[2]}"
        with Connection(away) as connection:
            queue = Queue("q")(connection.channel())
            queue.declare()
            inbox = Inbox(connection, queue)
            for number in range(10):
                if number % 3 == 1:
                    proxy.reset()
                connection.Producer().publish(number, routing_key="q", retry=True, timeout=10)
            inbox.wait(10, within=20)
            assert sorted(set(inbox.bodies)) == list(range(10))
