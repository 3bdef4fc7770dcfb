"""Publishing."""

from __future__ import annotations

import enum
import pickle
import warnings
from time import monotonic
from typing import Any

import pytest
from brokers import fresh_name, publish, waiting

from kombu import Connection, Exchange, Producer, Queue
from kombu.declare import MOST_REMEMBERED, maybe_declare
from kombu.exceptions import (
    EncodeError,
    NotBoundError,
    OperationalError,
    RecoverableConnectionError,
    SerializerNotInstalled,
    UndeliverableError,
)
from kombu.utils.functional import ChannelPromise
from kombu.virtual import UndeliverableWarning


def test_a_published_message_has_what_was_given(connection: Connection, queue: Queue) -> None:
    producer = Producer(connection)
    producer.publish(
        {"n": 1},
        routing_key=queue.name,
        headers={"h": 1},
        priority=3,
        expiration=1.5,
        correlation_id="c",
        reply_to=Queue("answers"),
        delivery_mode="transient",
    )
    message = queue.get()
    assert message.payload == {"n": 1}
    assert (message.content_type, message.content_encoding) == ("application/json", "utf-8")
    assert message.headers == {"h": 1}
    assert message.properties["priority"] == 3
    assert message.properties["expiration"] == "1500"
    assert message.properties["correlation_id"] == "c"
    assert message.properties["reply_to"] == "answers"
    assert message.properties["delivery_mode"] == 1
    assert message.delivery_info["exchange"] == ""
    assert message.delivery_info["routing_key"] == queue.name
    assert message.delivery_info["priority"] == 3


def test_the_callers_dictionaries_are_left_alone(connection: Connection, queue: Queue) -> None:
    headers = {"h": 1}
    connection.Producer(compression="zlib").publish({}, routing_key=queue.name, headers=headers)
    assert headers == {"h": 1}
    message = queue.get()
    message.headers["h"] = 2
    message.requeue()
    assert queue.get().headers["h"] == 1


@pytest.mark.parametrize(
    ("given", "mode"), [({}, 2), ({"delivery_mode": 1}, 1), ({"delivery_mode": "transient"}, 1)]
)
def test_messages_are_persistent_unless_something_says_otherwise(
    connection: Connection, queue: Queue, given: dict[str, Any], mode: int
) -> None:
    connection.Producer().publish(1, routing_key=queue.name, **given)
    assert queue.get().properties["delivery_mode"] == mode


def test_the_exchange_may_say_the_delivery_mode(connection: Connection) -> None:
    transient = Exchange("t", delivery_mode="transient")
    queue = Queue("q", transient, "k")(connection.channel())
    queue.declare()
    Producer(connection, exchange=transient).publish(1, routing_key="k")
    Producer(connection).publish(1, exchange=transient, routing_key="k")
    Producer(connection).publish(1, exchange=transient, routing_key="k", delivery_mode=2)
    assert [queue.get().properties["delivery_mode"] for _ in range(3)] == [1, 1, 2]


def test_an_exchange_is_given_as_name_or_object(connection: Connection) -> None:
    class Names(str, enum.Enum):
        JOBS = "jobs"

    class Name(str):
        __slots__ = ()

    queue = Queue("q", Exchange("jobs"), "k")(connection.channel())
    queue.declare()
    for number, exchange in enumerate(("jobs", Exchange("jobs"), Names.JOBS, Name("jobs"))):
        Producer(connection).publish(number, exchange=exchange, routing_key="k")
        Producer(connection, exchange=exchange, routing_key="k").publish(number)
    assert waiting(connection, queue) == [0, 0, 1, 1, 2, 2, 3, 3]


def test_text_and_bytes_go_as_they_are(connection: Connection, queue: Queue) -> None:
    class Text(str):
        __slots__ = ()

    producer = connection.Producer()
    producer.publish("grüß", routing_key=queue.name)
    producer.publish(b"\xff", routing_key=queue.name)
    producer.publish("<a/>", routing_key=queue.name, content_type="text/xml")
    producer.publish(b"<a/>", routing_key=queue.name, content_type="text/xml")
    producer.publish(Text("<a/>"), routing_key=queue.name, content_type="text/xml")
    producer.publish(
        b"\xe4", routing_key=queue.name, content_type="text/plain", content_encoding="latin-1"
    )
    found = [queue.get() for _ in range(6)]
    assert [message.payload for message in found] == ["grüß", b"\xff", "<a/>", b"<a/>", "<a/>", "ä"]
    assert [message.content_encoding for message in found] == [
        "utf-8",
        "binary",
        "utf-8",
        "binary",
        "utf-8",
        "latin-1",
    ]


def test_bodies_are_compressed_on_the_way(connection: Connection, queue: Queue) -> None:
    body = "x" * 10_000
    connection.Producer(compression="gzip").publish(body, routing_key=queue.name)
    connection.Producer().publish(body, routing_key=queue.name, compression="bzip2")
    first = connection.transport.session._store.queues[queue.name].items[0]
    assert len(first.body) < 1000
    for content_type in ("application/x-gzip", "application/x-bz2"):
        message = queue.get()
        assert message.headers["compression"] == content_type
        assert message.payload == body


def test_a_body_that_cannot_be_serialized_is_not_sent(connection: Connection, queue: Queue) -> None:
    with pytest.raises(EncodeError):
        connection.Producer().publish(object(), routing_key=queue.name)
    with pytest.raises(SerializerNotInstalled):
        connection.Producer(serializer="no-such-format").publish({}, routing_key=queue.name)
    assert queue.get() is None


def test_the_producers_defaults_are_used(connection: Connection) -> None:
    exchange = Exchange("e")
    queue = Queue("q", exchange, "k")(connection.channel())
    queue.declare()
    producer = Producer(connection, exchange, routing_key="k", serializer="pickle")
    producer.publish({1, 2})
    message = queue.get(accept=["pickle"])
    assert message.payload == {1, 2}
    assert repr(producer).startswith("<Producer: ")


def test_a_producer_pickles_without_its_channel(connection: Connection) -> None:
    producer = Producer(
        connection, Exchange("e"), "k", "json", auto_declare=False, compression="gzip"
    )
    twin = pickle.loads(pickle.dumps(producer))
    assert twin.exchange == Exchange("e")
    assert (twin.routing_key, twin.serializer, twin.compression) == ("k", "json", "gzip")
    assert twin.auto_declare is False
    assert twin.channel is None


# -- the channel -----------------------------------------------------------------------------


def test_a_producer_on_a_connection_connects_when_it_publishes(connection: Connection) -> None:
    producer = Producer(connection)
    assert not connection.connected
    assert producer.connection is connection
    producer.publish(1, routing_key="q")
    assert producer.channel is connection.default_channel
    assert waiting(connection, "q") == [1]


def test_a_producer_takes_a_promise_of_a_channel(connection: Connection) -> None:
    opened = []

    def promise() -> Any:
        opened.append(connection.channel())
        return opened[0]

    producer = Producer(ChannelPromise(promise))
    assert opened == []
    producer.publish(1, routing_key="q")
    producer.publish(2, routing_key="q")
    assert producer.channel is opened[0]
    assert len(opened) == 1
    assert producer.connection is connection


def test_a_producer_of_a_closed_channel_has_no_connection(connection: Connection) -> None:
    channel = connection.channel()
    producer = Producer(channel)
    assert producer.connection is connection
    channel.close()
    assert producer.connection is None
    with pytest.raises(RecoverableConnectionError):
        producer.publish(1, routing_key="q")
    with pytest.raises(RecoverableConnectionError):
        producer.publish(1, routing_key="q", retry=True)
    producer.revive(connection.channel())
    producer.publish(1, routing_key="q")
    assert waiting(connection, "q") == [1]


def test_a_producer_is_a_context_that_releases(connection: Connection) -> None:
    released = []
    with Producer(connection) as producer:
        producer.release = lambda: released.append(True)
    assert released == [True]
    Producer(connection).release()
    Producer(connection).close()
    assert not Producer(connection).supports_batch_publish


# -- declaring -------------------------------------------------------------------------------


class Counted:
    """Counts the declarations that reach the channels of a connection."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from kombu.virtual import Channel

        self.names: list[str] = []
        for verb in ("queue_declare", "exchange_declare"):
            monkeypatch.setattr(Channel, verb, self._counting(verb, getattr(Channel, verb)))

    def _counting(self, verb: str, original: Any) -> Any:
        def counting(channel: Any, *args: Any, **kwargs: Any) -> Any:
            self.names.append(str(kwargs.get("queue") or kwargs.get("exchange")))
            return original(channel, *args, **kwargs)

        return counting


@pytest.fixture
def declared(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    return Counted(monkeypatch).names


def test_declarations_are_made_once_for_a_connection(
    connection: Connection, declared: list[str]
) -> None:
    queue = Queue("q", Exchange("e"), "k")
    producer = connection.Producer(exchange=queue.exchange)
    for _ in range(3):
        producer.publish(1, routing_key="k", declare=[queue])
    assert sorted(declared) == ["e", "e", "q"]
    # Another object that says the same is known by its name.
    producer.publish(1, routing_key="k", declare=[Queue("q", Exchange("e"), "k")])
    assert len(declared) == 3
    connection.Producer().publish(1, exchange="e", routing_key="k", declare=[queue])
    assert len(declared) == 3


def test_declarations_are_made_again_on_a_new_connection(
    connection: Connection, declared: list[str]
) -> None:
    queue = Queue("q")
    producer = connection.Producer()
    producer.publish(1, routing_key="q", declare=[queue])
    connection.close()
    producer.publish(2, routing_key="q", declare=[queue], retry=True)
    assert declared == ["q", "q"]


def test_what_may_vanish_is_declared_each_time(connection: Connection, declared: list[str]) -> None:
    queue = Queue("q", auto_delete=True)
    for _ in range(3):
        connection.Producer().publish(1, routing_key="q", declare=[queue])
    assert declared == ["q"] * 3


def test_a_declaration_under_another_name_is_another(
    connection: Connection, declared: list[str]
) -> None:
    queue = Queue("first")
    producer = connection.Producer()
    producer.publish(1, routing_key="first", declare=[queue])
    queue.name = "second"
    producer.publish(1, routing_key="second", declare=[queue])
    assert declared == ["first", "second"]


def test_auto_declare_can_be_left_out(connection: Connection, declared: list[str]) -> None:
    Producer(connection, Exchange("e"), auto_declare=False).publish(1)
    Producer(connection).publish(1, routing_key="q")
    assert declared == []
    producer = Producer(connection, Exchange("e"))
    producer.declare()
    assert declared == ["e"]
    Producer(connection).declare()
    assert declared == ["e"]


def test_maybe_declare_says_whether_it_did(connection: Connection, declared: list[str]) -> None:
    channel = connection.channel()
    queue = Queue("q")
    assert maybe_declare(queue, channel)
    assert not maybe_declare(queue, channel)
    assert not maybe_declare(queue(channel))
    assert declared == ["q"]
    producer = connection.Producer()
    assert producer.maybe_declare(None) is None
    assert producer.maybe_declare(queue) is False
    assert producer.maybe_declare(Queue("p"), retry=True)


def test_maybe_declare_needs_a_channel(connection: Connection) -> None:
    with pytest.raises(NotBoundError, match="bind it first"):
        maybe_declare(Queue("q"))
    channel = connection.channel()
    channel.close()
    with pytest.raises(RecoverableConnectionError, match="publish with retry=True"):
        maybe_declare(Queue("q"), channel)


def test_what_is_remembered_as_declared_does_not_grow_for_ever(connection: Connection) -> None:
    channel = connection.channel()
    for _ in range(MOST_REMEMBERED + 5):
        maybe_declare(Queue("q"), channel)
    assert len(connection.declared_entities._objects) <= MOST_REMEMBERED
    connection.declared_entities.clear()
    assert maybe_declare(Queue("q"), channel)


def test_a_declaration_that_loses_the_connection_is_made_on_the_new_one(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kombu.virtual import Channel

    original = Channel.queue_declare
    attempts: list[Any] = []

    def lose_the_first(channel: Any, *args: Any, **kwargs: Any) -> Any:
        attempts.append(channel)
        if len(attempts) == 1:
            raise ConnectionResetError("lost while declaring")
        return original(channel, *args, **kwargs)

    monkeypatch.setattr(Channel, "queue_declare", lose_the_first)
    policy = {"max_retries": 3, "interval_start": 0, "interval_step": 0}
    connection.Producer().publish(
        1, routing_key="q", declare=[Queue("q")], retry=True, retry_policy=policy
    )
    assert attempts[0] is not attempts[-1]
    assert attempts[0].closed
    assert not attempts[-1].closed
    assert waiting(connection, "q") == [1]


# -- retry -----------------------------------------------------------------------------------


def test_retry_publishes_on_a_new_connection(connection: Connection, queue: Queue) -> None:
    producer = connection.Producer()
    producer.publish(1, routing_key=queue.name)
    connection.close()
    with pytest.raises(connection.connection_errors):
        producer.publish("lost", routing_key=queue.name)
    producer.publish(2, routing_key=queue.name, retry=True)
    connection.transport.close_connection(connection.connection)
    producer.publish(3, routing_key=queue.name, retry=True)
    producer.publish(4, routing_key=queue.name)
    assert waiting(connection, queue) == [1, 2, 3, 4]


def test_retry_stops_at_its_limit(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    producer = connection.Producer()
    attempts: list[float] = []

    def lost(*args: Any, **kwargs: Any) -> Any:
        attempts.append(monotonic())
        raise ConnectionResetError("the line was cut")

    monkeypatch.setattr(Producer, "_publish", lost)
    policy = {"max_retries": 2, "interval_start": 0}
    with pytest.raises(OperationalError, match=r"the line was cut \(after 3 attempts\)") as caught:
        producer.publish(1, routing_key="q", retry=True, retry_policy=policy)
    assert isinstance(caught.value.__cause__, ConnectionResetError)
    assert len(attempts) == 3
    attempts.clear()
    with pytest.raises(OperationalError, match="not retried"):
        producer.publish(1, routing_key="q", retry=True, retry_policy={"max_retries": 0})
    assert len(attempts) == 1
    attempts.clear()
    with pytest.raises(OperationalError):
        producer.publish(1, routing_key="q", retry=True)
    assert len(attempts) == 4


def test_retry_ends_with_the_timeout(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    producer = connection.Producer()
    connection.connect()

    def refused() -> Any:
        raise ConnectionRefusedError("nobody listens")

    monkeypatch.setattr(connection, "_establish_connection", refused)
    connection.collect()
    begun = monotonic()
    with pytest.raises(OperationalError):
        producer.publish(
            1, routing_key="q", retry=True, retry_policy={"max_retries": None}, timeout=0.3
        )
    assert monotonic() - begun < 2


def test_an_error_of_the_message_is_not_retried(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts: list[int] = []

    def refused(*args: Any, **kwargs: Any) -> Any:
        attempts.append(1)
        raise ValueError("not our day")

    monkeypatch.setattr(Producer, "_publish", refused)
    with pytest.raises(ValueError, match="not our day"):
        connection.Producer().publish(1, retry=True)
    assert attempts == [1]


# -- what fits no queue ----------------------------------------------------------------------


@pytest.mark.parametrize("where", [{"routing_key": "absent"}, {"exchange": "absent"}])
def test_a_mandatory_message_that_fits_no_queue_is_an_error(
    connection: Connection, where: dict[str, str]
) -> None:
    with pytest.raises(UndeliverableError, match="NO_ROUTE") as caught:
        connection.Producer().publish({"n": 1}, mandatory=True, **where)
    error = caught.value
    assert (error.reply_code, error.returned.body) == (312, '{"n": 1}')
    assert (error.exchange, error.routing_key) == (
        where.get("exchange", ""),
        where.get("routing_key", ""),
    )
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_a_mandatory_message_that_fits_is_delivered(connection: Connection, queue: Queue) -> None:
    connection.Producer().publish(1, routing_key=queue.name, mandatory=True)
    connection.Producer().publish(2, routing_key=queue.name, mandatory=True, timeout=5)
    assert waiting(connection, queue) == [1, 2]


def test_on_return_gets_what_fits_no_queue(connection: Connection) -> None:
    returned: list[Any] = []
    producer = connection.Producer(on_return=lambda *args: returned.append(args))
    producer.publish({"n": 1}, exchange="e", routing_key="k", mandatory=True)
    ((error, exchange, routing_key, message),) = returned
    assert isinstance(error, UndeliverableError)
    assert (exchange, routing_key, message.body) == ("e", "k", '{"n": 1}')
    connection.close()
    producer.publish(2, exchange="e", mandatory=True, retry=True)
    assert len(returned) == 2


def test_a_message_that_fits_no_queue_is_dropped(connection: Connection) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        connection.Producer().publish(1, exchange="nobody-declared-it", routing_key="k")
    channel = connection.channel()
    channel.exchange_declare("e")
    channel.queue_declare("q")
    channel.queue_bind("q", "e", "k")
    connection.Producer().publish(2, exchange="e", routing_key="other")
    connection.Producer().publish(3, exchange="e", routing_key="k")
    assert waiting(connection, "q") == [3]


def test_deadletter_queue_keeps_what_fits_no_queue(url: str) -> None:
    with Connection(url, transport_options={"deadletter_queue": "lost"}) as connection:
        with pytest.warns(UndeliverableWarning, match="No queues bound to exchange 'e'"):
            connection.Producer().publish(1, exchange="e", routing_key="k")
        with pytest.raises(UndeliverableError):
            connection.Producer().publish(2, exchange="e", mandatory=True)
        assert waiting(connection, "lost") == [1]


def test_the_default_exchange_makes_the_queue(connection: Connection) -> None:
    """As in 5.7: nothing that is sent to a queue by its name is lost."""
    publish(connection, "nobody-declared-it", 1)
    assert waiting(connection, "nobody-declared-it") == [1]


def test_a_deleted_queue_gets_nothing_by_an_old_route(connection: Connection) -> None:
    queue = Queue("q", Exchange("e"), "k")(connection.channel())
    queue.declare()
    producer = connection.Producer(exchange="e", routing_key="k")
    producer.publish(1)
    queue.delete()
    producer.publish(2)
    queue.declare()
    producer.publish(3)
    assert waiting(connection, queue) == [3]


def test_each_queue_of_a_fanout_has_a_message_of_its_own(connection: Connection) -> None:
    exchange = Exchange("e", "fanout")
    queues = [Queue(fresh_name("queue"), exchange)(connection.channel()) for _ in range(3)]
    for queue in queues:
        queue.declare()
    connection.Producer(exchange=exchange).publish({"n": 1}, headers={"h": {}})
    messages = [queue.get() for queue in queues]
    messages[0].headers["mine"] = True
    messages[0].requeue()
    assert [message.headers for message in messages[1:]] == [{"h": {}}, {"h": {}}]
    assert queues[0].get().headers["x-delivery-count"] == 1


def test_headers_route(connection: Connection) -> None:
    exchange = Exchange("e", "headers")
    queues = {}
    for name, arguments in {
        "all": {"x-match": "all", "kind": "pdf", "size": 1},
        "any": {"x-match": "any", "kind": "pdf", "size": 1},
    }.items():
        queues[name] = Queue(name, exchange, binding_arguments=arguments)(connection.channel())
        queues[name].declare()
    producer = connection.Producer(exchange=exchange)
    producer.publish(1, headers={"kind": "pdf", "size": 1})
    producer.publish(2, headers={"kind": "pdf"})
    producer.publish(3, headers={})
    assert waiting(connection, "all") == [1]
    assert waiting(connection, "any") == [1, 2]


def test_what_is_no_message_is_refused(connection: Connection) -> None:
    channel = connection.channel()
    with pytest.raises(connection.channel_errors, match="not a message"):
        channel.basic_publish(42, routing_key="q")
    channel.basic_publish(channel.prepare_message("text", headers={"h": 1}), routing_key="q")
    assert channel.basic_get("q").headers == {"h": 1}


def test_an_alternate_exchange_comes_before_the_deadletter_queue(url: str) -> None:
    from kombu.transport.virtual import UndeliverableWarning

    with Connection(url, transport_options={"deadletter_queue": "lost"}) as connection:
        spare = Queue("spare", Exchange("unrouted", "fanout"))(connection)
        spare.declare()
        Queue("lost")(connection).declare()
        with_spare = Exchange("with-spare", arguments={"alternate-exchange": "unrouted"})
        without = Exchange("without")
        for exchange in (with_spare, without):
            exchange(connection).declare()
        producer = connection.Producer()
        producer.publish("for the spare one", exchange=with_spare, routing_key="nowhere")
        with pytest.warns(UndeliverableWarning, match="without"):
            producer.publish("lost", exchange=without, routing_key="nowhere")
        assert waiting(connection, "spare") == ["for the spare one"]
        assert waiting(connection, "lost") == ["lost"]


def test_replies_may_be_wanted_on_a_queue_object(connection: Connection) -> None:
    queue = Queue("q")(connection)
    queue.declare()
    connection.Producer().publish("x", routing_key="q", reply_to=Queue("answers"))
    assert queue.get(no_ack=True).properties["reply_to"] == "answers"


def test_a_declaration_answers_with_names(connection: Connection) -> None:
    answer = connection.default_channel.queue_declare("q")
    assert answer == ("q", 0, 0)
    assert (answer.queue, answer.message_count, answer.consumer_count) == ("q", 0, 0)
