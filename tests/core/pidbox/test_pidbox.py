"""Commands reach the nodes that they are for, and replies those who asked."""

from __future__ import annotations

import threading
import warnings
from contextlib import contextmanager
from time import monotonic, time
from typing import TYPE_CHECKING, Any

import pytest
from brokers import Inbox, fresh_name

from kombu import Connection, Exchange, Producer, Queue, pidbox
from kombu.clocks import LamportClock
from kombu.exceptions import InconsistencyError, NotBoundError
from kombu.pidbox import Mailbox, Node
from kombu.utils.functional import lazy

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def url() -> str:
    return f"memory://{fresh_name()}"


@pytest.fixture
def connection(url: str) -> Any:
    with Connection(url) as connection:
        yield connection


class Calls(list[Any]):
    """What handlers were called with."""

    def echo(self, state: Any, **arguments: Any) -> Any:
        self.append((state, arguments))
        return arguments

    def fail(self, state: Any, **arguments: Any) -> Any:
        raise KeyError("bad")


@contextmanager
def nodes(url: str, *names: str, type: str = "fanout", **options: Any) -> Iterator[Calls]:
    """Nodes with a connection each, in a thread."""
    calls = Calls()
    stop, ready = threading.Event(), threading.Event()

    def serve() -> None:
        with Connection(url) as connection:
            for name in names:
                node = Mailbox("ns", type=type, **options)(connection).Node(
                    name, state=name, channel=connection.channel()
                )
                node.handlers.update(echo=calls.echo, fail=calls.fail)
                node.listen()
            ready.set()
            while not stop.is_set():
                try:
                    connection.drain_events(timeout=0.02)
                except TimeoutError:
                    pass

    thread = threading.Thread(target=serve)
    thread.start()
    assert ready.wait(10)
    try:
        yield calls
    finally:
        stop.set()
        thread.join(10)
    assert not thread.is_alive()


def drain(connection: Connection) -> None:
    try:
        while True:
            connection.drain_events(timeout=0.05)
    except TimeoutError:
        pass


# -- names and declarations, which other versions share ------------------------------------------


def test_exchanges_and_queues_have_the_names_of_other_versions(connection: Connection) -> None:
    mailbox = Mailbox("ns", type="fanout")(connection)
    assert (mailbox.exchange.name, mailbox.exchange.type) == ("ns.pidbox", "fanout")
    assert (mailbox.reply_exchange.name, mailbox.reply_exchange.type) == (
        "reply.ns.pidbox",
        "direct",
    )
    for exchange in (mailbox.exchange, mailbox.reply_exchange):
        assert (exchange.durable, exchange.auto_delete, exchange.delivery_mode) == (False, False, 1)
    assert mailbox.get_queue("h").name == "h.ns.pidbox"
    assert mailbox.get_queue("h").routing_key == ""
    reply = mailbox.get_reply_queue()
    assert reply.name == f"{mailbox.oid}.reply.ns.pidbox"
    assert (reply.routing_key, reply.expires) == (mailbox.oid, 10.0)


@pytest.mark.parametrize(
    ("options", "flags"),
    [
        ({}, (False, True, True)),
        ({"queue_exclusive": False}, (False, False, True)),
        ({"queue_exclusive": False, "queue_durable": True}, (True, False, False)),
    ],
)
def test_queues_are_declared_as_told(options: dict[str, Any], flags: tuple[bool, ...]) -> None:
    mailbox = Mailbox(
        "ns",
        queue_ttl=3,
        queue_expires=4,
        reply_queue_ttl=5,
        reply_queue_expires=6,
        **options,
    )
    queue, reply = mailbox.get_queue("h"), mailbox.get_reply_queue()
    assert (queue.message_ttl, queue.expires) == (3, 4)
    assert (reply.message_ttl, reply.expires) == (5, 6)
    for one in (queue, reply):
        assert (one.durable, one.exclusive, one.auto_delete) == flags


def test_a_queue_that_is_durable_and_exclusive_is_refused() -> None:
    with pytest.raises(ValueError, match="queue_exclusive=False"):
        Mailbox("ns", queue_durable=True, queue_exclusive=True)


def test_a_command_looks_like_that_of_other_versions(connection: Connection) -> None:
    spy = Inbox(connection, Queue("spy", Exchange("ns.pidbox", "fanout", durable=False)))
    mailbox = Mailbox("ns", type="fanout")(connection)
    mailbox._broadcast("ping", {"a": 1}, ["h"], pattern="p", matcher="glob", timeout=5)
    (command,) = spy.drain(1).messages
    assert command.payload == {
        "method": "ping",
        "arguments": {"a": 1},
        "destination": ["h"],
        "pattern": "p",
        "matcher": "glob",
    }
    assert command.headers["clock"] == 1
    assert time() < command.headers["expires"] < time() + 5.1
    mailbox._broadcast("ping", reply=True, timeout=0.01)
    (asking,) = spy.drain(2).messages[1:]
    assert asking.payload["reply_to"] == {
        "exchange": "reply.ns.pidbox",
        "routing_key": mailbox.oid,
    }
    assert asking.payload["ticket"]


# -- commands ------------------------------------------------------------------------------------


@pytest.mark.parametrize("type", ["direct", "fanout"])
def test_a_command_reaches_those_that_it_is_for(connection: Connection, type: str) -> None:
    calls = Calls()
    mailbox = Mailbox("ns", type=type)(connection)
    for name in ("one", "two"):
        node = mailbox.Node(name, state=name, channel=connection.channel())
        node.handlers["echo"] = calls.echo
        node.listen()
    mailbox.cast(["two", "three"], "echo", {"n": 1})
    mailbox.cast(("three",), "echo")
    mailbox._broadcast("echo", {"n": 2}, pattern="o*", matcher="glob")
    drain(connection)
    assert calls == [("two", {"n": 1}), ("one", {"n": 2})]
    calls.clear()
    mailbox.abcast("echo")
    drain(connection)
    assert sorted(calls) == [("one", {}), ("two", {})]


def test_a_node_is_named_after_the_host_and_listens_on_the_default_channel(
    connection: Connection,
) -> None:
    import socket

    node = Mailbox("ns")(connection).Node()
    assert node.hostname == socket.gethostname()
    consumer = node.listen()
    assert consumer.channel is connection.default_channel
    assert (consumer.no_ack, consumer.accept) == (True, {"application/json"})
    consumer.cancel()


def test_a_handler_is_registered_by_its_name(connection: Connection) -> None:
    node = Mailbox("ns")(connection).Node("h", state=5)

    @node.handler
    def double(state: int, n: int) -> int:
        return state + 2 * n

    assert node.handle("double", {"n": 2}) == 9
    assert node.dispatch("double", {"n": 3}) == 11
    assert node.handle_message({"method": "double", "arguments": {"n": 1}}) == 7
    assert double(1, 1) == 3


@pytest.mark.parametrize("destination", ["host", 3, {"host"}])
def test_a_destination_that_is_no_list_is_refused(connection: Connection, destination: Any) -> None:
    with pytest.raises(ValueError, match="must be a list/tuple"):
        Mailbox("ns")(connection).call(destination, "ping")


def test_a_pattern_that_is_no_text_is_refused(connection: Connection) -> None:
    with pytest.raises(ValueError, match="must be text"):
        Mailbox("ns")(connection)._broadcast("ping", pattern=1, matcher="glob")


def test_a_mailbox_without_a_connection_says_so() -> None:
    with pytest.raises(NotBoundError, match=r"mailbox\(connection\)"):
        Mailbox("ns").cast(["h"], "ping")


@pytest.mark.parametrize(
    "body",
    [
        "garbage",
        [],
        {"nomethod": 1},
        {"method": ["x"]},
        {"method": "echo", "self": 1},
        {"method": "echo", "destination": 1},
        {"method": "echo", "reply_to": {"exchange": "x"}},
        {"method": "echo", "reply_to": 3},
        {"method": "echo", "pattern": "x", "matcher": "unknown"},
        {"method": "echo", "arguments": [1]},
        {"method": "unknown"},
    ],
    ids=str,
)
def test_a_message_that_is_no_command_stops_no_node(
    connection: Connection, caplog: pytest.LogCaptureFixture, body: Any
) -> None:
    calls = Calls()
    mailbox = Mailbox("ns")(connection)
    node = mailbox.Node("h")
    node.handlers["echo"] = calls.echo
    node.listen()
    Producer(connection).publish(body, exchange="ns.pidbox", routing_key="", serializer="json")
    mailbox.cast(["h"], "echo")
    drain(connection)
    assert calls == [(None, {})]
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_a_command_that_cannot_be_decoded_is_logged(
    connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    Mailbox("ns")(connection).Node("h").listen()
    Producer(connection).publish("text", exchange="ns.pidbox", routing_key="")
    drain(connection)
    assert "Cannot decode message" in caplog.text


def test_a_handler_that_exits_ends_the_process(connection: Connection) -> None:
    node = Mailbox("ns")(connection).Node("h")

    @node.handler
    def shutdown(state: Any) -> None:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        node.handle_message({"method": "shutdown"})


def test_two_nodes_of_one_name_are_warned_of(connection: Connection) -> None:
    mailbox = Mailbox("ns")(connection)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first = mailbox.Node("h", channel=connection.channel()).listen()
    with pytest.warns(UserWarning, match="A node named h is already using"):
        mailbox.Node("h", channel=connection.channel()).listen()
    first.cancel()


def test_a_subclass_of_node_may_dispatch_itself(connection: Connection) -> None:
    class Own(Node):
        def dispatch(  # type: ignore[override]
            self,
            method: str,
            arguments: Any = None,
            reply_to: Any = None,
            ticket: Any = None,
            **kw: Any,
        ) -> Any:
            return method, arguments, sorted(kw)

    node = Own("h", mailbox=Mailbox("ns")(connection))
    body = {"method": "m", "arguments": {}, "destination": None, "pattern": None, "matcher": None}
    assert node.handle_message(body) == ("m", {}, ["destination", "matcher", "pattern"])


# -- replies -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"queue_exclusive": False},
        {"queue_exclusive": False, "queue_durable": True},
        {"queue_exclusive": False, "queue_durable": True, "reply_queue_expires": None},
    ],
    ids=str,
)
@pytest.mark.parametrize("type", ["direct", "fanout"])
def test_replies_of_all_nodes_are_collected_again_and_again(
    url: str, connection: Connection, type: str, options: dict[str, Any]
) -> None:
    with nodes(url, "one", "two", type=type, **options):
        mailbox = Mailbox("ns", type=type, **options)(connection)
        for number in range(3):
            replies = mailbox.multi_call("echo", {"n": number}, timeout=5, limit=2)
            assert sorted(replies, key=str) == [{"one": {"n": number}}, {"two": {"n": number}}]
    assert not mailbox.unclaimed


def test_a_call_ends_when_everybody_answered(url: str, connection: Connection) -> None:
    seen: list[Any] = []
    with nodes(url, "one", "two"):
        mailbox = Mailbox("ns", type="fanout")(connection)
        began = monotonic()
        assert mailbox.call(["two"], "echo", {"a": 1}, timeout=5, callback=seen.append) == [
            {"two": {"a": 1}}
        ]
        assert monotonic() - began < 2
        # Without a time of its own it has that of all operations.
        assert mailbox.call(["one"], "echo") == [{"one": {}}]
    assert seen == [{"two": {"a": 1}}]


def test_a_call_waits_no_longer_than_its_time(url: str, connection: Connection) -> None:
    with nodes(url, "one"):
        mailbox = Mailbox("ns", type="fanout")(connection)
        began = monotonic()
        assert mailbox.call(["one", "away"], "echo", timeout=0.2) == [{"one": {}}]
        assert 0.2 <= monotonic() - began < 0.7


def test_a_call_without_a_time_ends_with_the_operation_timeout(url: str) -> None:
    with Connection(url, transport_options={"operation_timeout": 0.1}) as connection:
        mailbox = Mailbox("ns")(connection)
        began = monotonic()
        assert mailbox.call(["away"], "echo") == []
        assert mailbox.multi_call("echo", timeout=None) == []
        assert monotonic() - began < 1


def test_what_a_handler_raises_is_the_reply(url: str, connection: Connection) -> None:
    with nodes(url, "one"):
        mailbox = Mailbox("ns", type="fanout")(connection)
        assert mailbox.call(["one"], "fail", timeout=5) == [{"one": {"error": "KeyError('bad')"}}]
        assert mailbox.call(["one"], "none", timeout=5) == [{"one": {"error": "KeyError('none')"}}]


def test_late_replies_are_dropped(url: str, connection: Connection) -> None:
    mailbox = Mailbox("ns", type="fanout", queue_exclusive=False)(connection)
    channel = connection.channel()
    reply = mailbox.reply_queue(channel)
    reply.declare()
    Producer(channel, mailbox.reply_exchange).publish(
        {"late": 1}, routing_key=mailbox.oid, headers={"ticket": "old", "clock": 70}
    )
    with nodes(url, "one", queue_exclusive=False):
        assert mailbox.call(["one"], "echo", timeout=5) == [{"one": {}}]
    assert not mailbox.unclaimed
    # The clock has heard of it.
    assert mailbox.clock.value > 70


def test_a_reply_that_another_call_received_is_not_lost(connection: Connection) -> None:
    mailbox = Mailbox("ns")(connection)
    mailbox.reply_queue(connection.default_channel).declare()
    mailbox.unclaimed["other"] = pidbox.mailbox.deque()
    for ticket in ("other", "mine"):
        mailbox._publish_reply([ticket], "reply.ns.pidbox", mailbox.oid, ticket)
    assert mailbox._collect("mine", limit=1, timeout=5) == [["mine"]]
    assert mailbox._collect("other", limit=1, timeout=0) == [["other"]]


def test_threads_get_their_own_replies(url: str) -> None:
    with nodes(url, "one"):
        mailbox = Mailbox("ns", type="fanout")
        wrong: list[Any] = []

        def ask(number: int) -> None:
            with Connection(url) as connection:
                for attempt in range(10):
                    got = mailbox(connection).call(
                        ["one"], "echo", {"n": [number, attempt]}, timeout=10
                    )
                    if got != [{"one": {"n": [number, attempt]}}]:
                        wrong.append(got)

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert wrong == []


def test_a_lost_connection_is_told_to_who_asks(connection: Connection) -> None:
    mailbox = Mailbox("ns")(connection)

    def lose() -> None:
        connection.transport.close_connection(connection.connection)

    timer = threading.Timer(0.1, lose)
    timer.start()
    with pytest.raises(connection.connection_errors) as caught:
        mailbox.call(["away"], "echo", timeout=10)
    assert not isinstance(caught.value, TimeoutError)
    timer.join()
    # And the next call works.
    assert mailbox.call(["away"], "echo", timeout=0.01) == []


def test_a_reply_to_somebody_who_is_gone_is_no_error(connection: Connection) -> None:
    class Gone:
        def publish(self, *args: Any, **kwargs: Any) -> None:
            raise InconsistencyError("no such queue")

    mailbox = Mailbox("ns")(connection)
    mailbox._publish_reply("r", "reply.ns.pidbox", "nobody", "t", producer=Gone())
    # So is one that fits no queue.
    node = mailbox.Node("h", channel=connection.channel())
    node.reply({"h": 1}, "reply.ns.pidbox", "nobody", "t")


def test_clocks_are_sent_along(url: str, connection: Connection) -> None:
    clock = LamportClock(100)
    mailbox = Mailbox("ns", type="fanout", clock=clock)(connection)
    with nodes(url, "one"):
        mailbox.call(["one"], "echo", timeout=5)
    # forward, then adjust to a reply whose clock was adjusted to ours.
    assert clock.value >= 103


# -- producers -----------------------------------------------------------------------------------


def test_producers_come_from_the_pool_where_there_is_one(connection: Connection) -> None:
    made: list[Any] = []

    def pool() -> Any:
        from kombu.pools import ProducerPool

        made.append(ProducerPool(connection.Pool(1), 1))
        return made[-1]

    mailbox = Mailbox("ns", producer_pool=lazy(pool))(connection)
    mailbox.cast(["h"], "echo")
    mailbox.cast(["h"], "echo")
    assert len(made) == 1
    # After a fork.
    del mailbox.producer_pool
    mailbox.cast(["h"], "echo")
    assert len(made) == 2
    with mailbox.producer_or_acquire("given") as producer:
        assert producer == "given"
    for one in made:
        one.force_close_all()


def test_a_bound_copy_shares_the_clock_and_leaves_the_original(connection: Connection) -> None:
    mailbox = Mailbox("ns")
    bound = mailbox(connection)
    assert (bound.connection, mailbox.connection) == (connection, None)
    assert bound.clock is mailbox.clock
    assert bound.oid == bound.oid != mailbox.oid


def test_the_serializer_of_a_mailbox_is_used_both_ways(url: str, connection: Connection) -> None:
    options = {"serializer": "pickle", "accept": ["pickle"]}
    with nodes(url, "one", **options):
        mailbox = Mailbox("ns", type="fanout", **options)(connection)
        assert mailbox.call(["one"], "echo", {"n": {1, 2}}, timeout=5) == [{"one": {"n": {1, 2}}}]
