"""Fanout by a store that copies messages to its subscribers itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from brokers import waiting
from leased_store import LeasedPlugin, Server, fresh_servers

from kombu import Connection, Exchange, Queue, plugins
from kombu.exceptions import UndeliverableError

if TYPE_CHECKING:
    from collections.abc import Iterator

NEWS = Exchange("news", "fanout")


@pytest.fixture(autouse=True)
def transports() -> Iterator[None]:
    with plugins.registered(LeasedPlugin(), "leased-store"):
        yield from fresh_servers()


@pytest.fixture
def connection() -> Iterator[Connection]:
    with Connection("broadcasting://store") as connection:
        yield connection


@pytest.fixture
def elsewhere() -> Iterator[Connection]:
    """A connection that knows nothing of what the other one declared."""
    with Connection("broadcasting://store") as connection:
        yield connection


def commands() -> list[str]:
    return [c for c in Server.named["store"].commands if c in ("put", "broadcast")]


def test_a_message_reaches_the_queues_that_others_bound(
    connection: Connection, elsewhere: Connection
) -> None:
    Queue("here", NEWS)(connection).declare()
    Queue("there", NEWS)(elsewhere).declare()
    connection.Producer(exchange=NEWS).publish("m", routing_key="any")
    assert (waiting(connection, "here"), waiting(connection, "there")) == (["m"], ["m"])
    assert commands() == ["broadcast"]


@pytest.mark.parametrize("options", [{"timeout": 5}, {"expiration": 60}, {"mandatory": True}])
def test_every_way_to_publish_broadcasts(
    connection: Connection, elsewhere: Connection, options: dict[str, object]
) -> None:
    NEWS(connection).declare()
    Queue("there", NEWS)(elsewhere).declare()
    connection.Producer(exchange=NEWS).publish("m", **options)
    assert waiting(elsewhere, "there") == ["m"]
    assert commands() == ["broadcast"]


def test_a_batch_broadcasts(connection: Connection) -> None:
    Queue("q", NEWS)(connection).declare()
    producer = connection.Producer(exchange=NEWS)
    with producer.batch():
        for n in range(2):
            producer.publish(n)
    assert waiting(connection, "q") == [0, 1]
    assert commands() == ["broadcast", "broadcast"]


@pytest.mark.parametrize("options", [{}, {"timeout": 5}, {"expiration": 60}])
def test_a_mandatory_message_without_subscribers_is_told(
    connection: Connection, options: dict[str, object]
) -> None:
    NEWS(connection).declare()
    with pytest.raises(UndeliverableError):
        connection.Producer(exchange=NEWS).publish("m", mandatory=True, **options)


def test_an_unbound_queue_gets_nothing_more(connection: Connection) -> None:
    queue = Queue("q", NEWS)(connection)
    queue.declare()
    queue.bind_to(NEWS, routing_key="other")
    producer = connection.Producer(exchange=NEWS)
    queue.unbind_from(NEWS, routing_key="other")
    producer.publish(1)
    queue.unbind_from(NEWS)
    producer.publish(2)
    assert waiting(connection, "q") == [1]


def test_a_binding_before_the_declaration_counts(connection: Connection) -> None:
    channel = connection.channel()
    channel.queue_declare("q")
    channel.queue_bind("q", "news", "")
    NEWS(channel).declare()
    connection.Producer(exchange=NEWS).publish(1)
    assert waiting(connection, "q") == [1]
    assert commands() == ["broadcast"]


def test_what_the_store_can_t_do_the_core_does(connection: Connection) -> None:
    """A fanout that leads to another exchange, and one with an alternate."""
    channel = connection.channel()
    Queue("q", Exchange("inner", "direct"), "k")(channel).declare()
    NEWS(channel).declare()
    channel.exchange_bind("inner", "news")
    connection.Producer(exchange=NEWS).publish(1, routing_key="k")
    Queue("spare", Exchange("alternate", "direct"), "k")(channel).declare()
    lonely = Exchange("lonely", "fanout", arguments={"alternate-exchange": "alternate"})
    lonely(channel).declare()
    connection.Producer(exchange=lonely).publish(2, routing_key="k")
    assert (waiting(connection, "q"), waiting(connection, "spare")) == ([1], [2])
    assert commands() == ["put", "put"]


def test_dead_letters_are_broadcast(connection: Connection, elsewhere: Connection) -> None:
    NEWS(connection).declare()
    Queue("graves", NEWS)(elsewhere).declare()
    Queue("q", queue_arguments={"x-dead-letter-exchange": "news"})(connection).declare()
    connection.Producer().publish("m", routing_key="q")
    Queue("q")(connection).get().reject()
    assert waiting(elsewhere, "graves") == ["m"]
