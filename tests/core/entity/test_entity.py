"""Exchanges, queues and bindings as declarations, and bound to a channel."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from brokers import fresh_name, publish, waiting

from kombu import Connection, Exchange, Queue, binding
from kombu.abstract import MaybeChannelBound, Object
from kombu.entity import maybe_delivery_mode, pretty_bindings
from kombu.exceptions import ChannelError, NotBoundError, NotEquivalentError


def test_an_exchange_has_the_documented_defaults() -> None:
    exchange = Exchange()
    assert (exchange.name, exchange.type, exchange.durable) == ("", "direct", True)
    assert (exchange.auto_delete, exchange.passive, exchange.arguments) == (False, False, None)
    assert exchange.delivery_mode is None
    assert not exchange.is_bound
    assert bool(exchange)


def test_a_queue_has_the_documented_defaults() -> None:
    queue = Queue()
    assert (queue.name, queue.routing_key, queue.exchange) == ("", "", Exchange(""))
    assert (queue.durable, queue.exclusive, queue.auto_delete, queue.no_ack) == (
        True,
        False,
        False,
        False,
    )
    assert queue.bindings == []
    assert queue.expires is queue.max_length is queue.message_ttl is None


def test_a_subclass_sets_defaults_as_class_attributes() -> None:
    class Audit(Exchange):
        type = "fanout"
        durable = False

    class Jobs(Queue):
        name = "jobs"
        exchange = Exchange("jobs")
        max_priority = 5

    assert (Audit("a").type, Audit("a").durable) == ("fanout", False)
    assert Audit("a", durable=True).durable
    assert (Jobs().name, Jobs().exchange.name, Jobs().max_priority) == ("jobs", "jobs", 5)


def test_values_are_converted_where_their_kind_is_known() -> None:
    queue = Queue("q", durable=0, expires="30", max_length="7", max_priority="3")
    assert (queue.durable, queue.expires, queue.max_length, queue.max_priority) == (
        False,
        30.0,
        7,
        3,
    )
    assert Exchange("e", delivery_mode="transient").delivery_mode == 1


@pytest.mark.parametrize(
    ("given", "mode"),
    [(None, 2), ("", 2), (0, 2), (1, 1), (2, 2), ("transient", 1), ("persistent", 2)],
)
def test_delivery_modes(given: Any, mode: int) -> None:
    assert maybe_delivery_mode(given) == mode


def test_an_unknown_delivery_mode_names_the_known_ones() -> None:
    with pytest.raises(KeyError, match="'lasting' is no delivery mode: use 'transient'"):
        maybe_delivery_mode("lasting")
    assert maybe_delivery_mode("x", {"x": 9}) == 9


def test_exclusive_implies_auto_delete() -> None:
    assert Queue("q", exclusive=True).auto_delete


def test_equal_declarations_are_equal_and_hash_alike() -> None:
    assert Exchange("e", "topic") == Exchange("e", "topic")
    assert hash(Exchange("e", "topic")) == hash(Exchange("e", "topic"))
    for changed in (
        Exchange("f", "topic"),
        Exchange("e", "fanout"),
        Exchange("e", "topic", durable=False),
        Exchange("e", "topic", auto_delete=True),
        Exchange("e", "topic", arguments={"a": 1}),
        Exchange("e", "topic", delivery_mode=1),
    ):
        assert changed != Exchange("e", "topic")
    queue = Queue("q", Exchange("e"), "k")
    assert queue == Queue("q", Exchange("e"), "k")
    assert hash(queue) == hash(Queue("q", Exchange("e"), "k"))
    for other in (
        Queue("p", Exchange("e"), "k"),
        Queue("q", Exchange("f"), "k"),
        Queue("q", Exchange("e"), "l"),
        Queue("q", Exchange("e"), "k", queue_arguments={"a": 1}),
        Queue("q", Exchange("e"), "k", binding_arguments={"a": 1}),
        Queue("q", Exchange("e"), "k", consumer_arguments={"a": 1}),
        Queue("q", Exchange("e"), "k", durable=False),
        Queue("q", Exchange("e"), "k", exclusive=True),
        Queue("q", Exchange("e"), "k", auto_delete=True),
    ):
        assert other != queue
    assert queue != "q"
    assert Exchange("e") != "e"
    assert len({queue, Queue("q", Exchange("e"), "k")}) == 1


FULL = {
    "name": "q",
    "exchange": Exchange("e", "topic"),
    "routing_key": "k.#",
    "queue_arguments": {"a": 1},
    "binding_arguments": {"b": 2},
    "consumer_arguments": {"c": 3},
    "durable": False,
    "exclusive": True,
    "no_ack": True,
    "alias": "other",
    "bindings": [binding(Exchange("f"), "x", {"d": 4}, {"e": 5})],
    "no_declare": True,
    "expires": 10.0,
    "message_ttl": 20.0,
    "max_length": 30,
    "max_length_bytes": 40,
    "max_priority": 5,
}


@pytest.mark.parametrize("way", [copy.copy, lambda q: pickle.loads(pickle.dumps(q))])
def test_a_copy_of_a_queue_has_all_of_it(way: Any) -> None:
    queue = Queue(**FULL)
    twin = way(queue)
    assert twin == queue
    assert twin is not queue
    assert twin.as_dict(recurse=True) == queue.as_dict(recurse=True)
    for name, value in FULL.items():
        if name != "bindings":
            assert getattr(twin, name) == value
    (extra,) = twin.bindings
    assert (extra.exchange, extra.routing_key) == (Exchange("f"), "x")
    assert (extra.arguments, extra.unbind_arguments) == ({"d": 4}, {"e": 5})


def test_a_copied_exchange_can_be_changed_alone() -> None:
    exchange = Exchange("events", "topic", delivery_mode=1, arguments={"a": 1})
    twin = copy.copy(exchange)
    assert twin == exchange
    twin.name, twin.type = "other", "fanout"
    assert (exchange.name, exchange.type) == ("events", "topic")
    assert pickle.loads(pickle.dumps(exchange)) == exchange


def test_the_plain_form_goes_down_into_what_is_inside() -> None:
    shown = Queue(**FULL).as_dict(recurse=True)
    assert shown["exchange"]["type"] == "topic"
    assert shown["bindings"][0]["exchange"]["name"] == "f"
    assert shown["bindings"][0]["routing_key"] == "x"
    assert Queue(**FULL).as_dict()["exchange"] == Exchange("e", "topic")


def test_a_queue_is_made_of_configuration() -> None:
    queue = Queue.from_dict(
        "q",
        exchange="e",
        exchange_type="topic",
        exchange_durable=False,
        exchange_delivery_mode="transient",
        exchange_arguments={"x": 1},
        binding_key="k.*",
        queue_durable=False,
        queue_exclusive=False,
        queue_auto_delete=True,
        queue_arguments={"y": 2},
        binding_arguments={"z": 3},
        consumer_arguments={"w": 4},
        no_ack=True,
        alias="a",
        max_length=3,
        max_length_bytes=4,
        max_priority=5,
        expires=6,
        message_ttl=7,
    )
    assert queue.exchange == Exchange(
        "e", "topic", durable=False, delivery_mode=1, arguments={"x": 1}
    )
    assert (queue.name, queue.routing_key, queue.alias) == ("q", "k.*", "a")
    assert (queue.durable, queue.exclusive, queue.auto_delete, queue.no_ack) == (
        False,
        False,
        True,
        True,
    )
    assert (queue.queue_arguments, queue.binding_arguments) == ({"y": 2}, {"z": 3})
    assert queue.consumer_arguments == {"w": 4}
    assert (queue.max_length, queue.max_length_bytes, queue.max_priority) == (3, 4, 5)
    assert (queue.expires, queue.message_ttl) == (6.0, 7.0)


def test_short_options_of_a_configuration_are_for_both() -> None:
    queue = Queue.from_dict("q", durable=False, auto_delete=True, routing_key="k")
    assert (queue.durable, queue.exchange.durable) == (False, False)
    assert (queue.auto_delete, queue.exchange.auto_delete) == (True, True)
    assert queue.routing_key == "k"


def test_the_exchange_of_a_queue_may_be_a_name() -> None:
    assert Queue("q", "e").exchange == Exchange("e")
    assert Queue("q", Exchange("e"), key="old").routing_key == "old"


def test_declarations_describe_themselves(connection: Connection) -> None:
    assert (
        repr(Exchange("e", "topic"))
        == str(Exchange("e", "topic"))
        == ("<unbound Exchange e(topic)>")
    )
    assert repr(Exchange()) == "<unbound Exchange ''(direct)>"
    assert "<unbound Queue q -> <unbound Exchange e(direct)> -> k>" in repr(Queue("q", "e", "k"))
    extra = binding(Exchange("f"), "x")
    assert (repr(extra), str(binding())) == ("<binding: f->x>", "''->''")
    assert "Queue q -> [f->x, f->x]" in repr(Queue("q", bindings=[extra, extra]))
    assert pretty_bindings([extra]) == "[f->x]"
    channel = connection.channel()
    assert f"bound to chan:{channel.channel_id}>" in repr(Exchange("e")(channel))
    assert "unbound MaybeChannelBound" in repr(MaybeChannelBound())


# -- binding to a channel --------------------------------------------------------------------


def test_an_unbound_declaration_says_how_to_bind_it() -> None:
    with pytest.raises(NotBoundError, match=r"not bound to a channel: bind it first"):
        Exchange("e").declare()
    with pytest.raises(NotBoundError, match=r"Can't call method on Queue"):
        Queue("q").get()


def test_binding_makes_a_copy(connection: Connection) -> None:
    channel = connection.channel()
    exchange, queue = Exchange("e"), Queue("q", Exchange("e"), on_declared=print)
    bound = queue(channel)
    assert bound is not queue
    assert bound == queue
    assert bound.is_bound
    assert bound.channel is channel
    assert bound.exchange.is_bound
    assert bound.on_declared is print
    assert not queue.is_bound
    assert not queue.exchange.is_bound
    assert exchange.bind(channel).is_bound
    assert not exchange.is_bound


def test_maybe_bind_binds_the_object_itself_once(connection: Connection) -> None:
    first, second = connection.channel(), connection.channel()
    exchange = Exchange("e")
    assert exchange.maybe_bind(None) is exchange
    assert not exchange.is_bound
    assert exchange.maybe_bind(first).channel is first
    assert exchange.maybe_bind(second).channel is first
    assert Exchange("e", channel=second).channel is second


def test_a_connection_stands_for_its_default_channel(connection: Connection) -> None:
    bound = Queue("q")(connection)
    assert bound.channel is connection.default_channel
    assert bound.declare() == "q"


def test_when_bound_and_revive_tell_a_subclass(connection: Connection) -> None:
    told = []

    class Watching(Exchange):
        def when_bound(self) -> None:
            told.append(self.channel)

    first, second = connection.channel(), connection.channel()
    unbound = Watching("e")
    unbound.revive(second)
    bound = unbound(first)
    bound.revive(second)
    assert told == [first, second]
    assert bound.channel is second
    assert not unbound.is_bound


def test_reviving_a_queue_revives_its_exchange(connection: Connection) -> None:
    first, second = connection.channel(), connection.channel()
    queue = Queue("q", Exchange("e"))(first)
    queue.revive(second)
    assert queue.exchange.channel is second


def test_a_plain_object_takes_what_its_attributes_say() -> None:
    class Point(Object):
        attrs = (("x", int), ("y", None))

    point = Point(x="3")
    assert (point.x, point.y) == (3, None)
    assert point.as_dict() == {"x": 3, "y": None}
    assert copy.copy(point).x == 3


# -- declaring -------------------------------------------------------------------------------


def test_declaring_a_queue_declares_its_exchange_and_its_bindings(
    connection: Connection,
) -> None:
    channel = connection.channel()
    queue = Queue(
        fresh_name("queue"),
        Exchange("main", "topic"),
        routing_key="a.*",
        bindings=[binding(Exchange("extra", "fanout"), "ignored")],
    )(channel)
    assert queue.declare() == queue.name
    assert channel.typeof("main").type == "topic"
    assert channel.typeof("extra").type == "fanout"
    producer = connection.Producer()
    producer.publish(1, exchange="main", routing_key="a.b")
    producer.publish(2, exchange="main", routing_key="b.a")
    producer.publish(3, exchange="extra")
    assert waiting(connection, queue) == [1, 3]


def test_one_binding_needs_no_list() -> None:
    extra = Exchange("e").binding("k", {"a": 1}, {"b": 2})
    assert Queue("q", bindings=extra).bindings == [extra]
    assert (extra.arguments, extra.unbind_arguments) == ({"a": 1}, {"b": 2})


def test_bindings_are_undone(connection: Connection) -> None:
    channel = connection.channel()
    exchange = Exchange("e")(channel)
    queue = Queue(fresh_name("queue"), exchange, "k")(channel)
    queue.declare()
    extra = exchange.binding("l")
    extra.bind(queue, channel=channel)
    producer = connection.Producer(exchange=exchange)
    for key in ("k", "l"):
        producer.publish(key, routing_key=key)
    queue.queue_unbind()
    producer.publish("k again", routing_key="k")
    extra.unbind(queue, channel=channel)
    producer.publish("l again", routing_key="l")
    assert waiting(connection, queue) == ["k", "l"]


def test_on_declared_is_told_the_answer(connection: Connection) -> None:
    answers: list[Any] = []
    queue = Queue(fresh_name("queue"), on_declared=lambda *answer: answers.append(answer))
    publish(connection, queue, 1, 2)
    queue(connection.channel()).declare()
    assert answers == [(queue.name, 2, 0)]


def test_the_broker_names_a_queue_without_a_name(connection: Connection) -> None:
    first = Queue("", exclusive=True)(connection.channel())
    second = Queue("", exclusive=True)(connection.channel())
    names = {first.declare(), second.declare()}
    assert len(names) == 2
    assert all(name.startswith("amq.gen-") for name in names)
    assert first.name in names
    publish(connection, first, "mine")
    assert first.get().payload == "mine"


def test_a_queue_that_the_broker_named_keeps_its_name_while_it_is_there(
    connection: Connection,
) -> None:
    queue = Queue("", exclusive=True)(connection.channel())
    name = queue.declare()
    publish(connection, queue, "kept")
    assert queue.declare() == name
    again = queue(connection.channel())
    assert again.declare() == name
    assert again.get().payload == "kept"
    again.delete()
    assert again.declare() != name
    assert again.queue_declare(passive=True).queue == again.name


def test_no_declare_declares_nothing(connection: Connection) -> None:
    channel = connection.channel()
    Exchange("e", no_declare=True)(channel).declare()
    Queue("absent", no_declare=True)(channel).declare()
    assert channel.get_exchanges() == []
    with pytest.raises(ChannelError, match="no queue 'absent'"):
        channel.queue_declare("absent", passive=True)


@pytest.mark.parametrize("name", ["", "amq.topic", "amq.whatever"])
def test_exchanges_of_the_broker_itself_are_not_declared(connection: Connection, name: str) -> None:
    channel = connection.channel()
    Exchange(name, "topic")(channel).declare()
    assert channel.get_exchanges() == []


def test_a_passive_declaration_only_looks(connection: Connection) -> None:
    channel = connection.channel()
    exchange = Exchange("e", "topic")(channel)
    with pytest.raises(ChannelError, match="no exchange 'e'") as caught:
        exchange.declare(passive=True)
    assert caught.value.reply_code == 404
    with pytest.raises(ChannelError, match="NOT_FOUND"):
        Exchange("e", passive=True)(channel).declare()
    exchange.declare()
    Exchange("e", "direct", passive=True)(channel).declare()
    queue = Queue("q")(channel)
    with pytest.raises(ChannelError, match="no queue 'q'"):
        queue.queue_declare(passive=True)
    queue.declare()
    publish(connection, queue, 1)
    assert queue.queue_declare(passive=True) == ("q", 1, 0)


@pytest.mark.parametrize(
    "other",
    [
        {"type": "fanout"},
        {"durable": False},
        {"auto_delete": True},
        {"arguments": {"alternate-exchange": "x"}},
    ],
)
def test_an_exchange_declared_otherwise_is_refused(
    connection: Connection, other: dict[str, Any]
) -> None:
    channel = connection.channel()
    Exchange("e", "topic")(channel).declare()
    Exchange("e", "topic", arguments={})(channel).declare()
    with pytest.raises(NotEquivalentError, match="use the same options everywhere") as caught:
        Exchange("e", **{"type": "topic", **other})(channel).declare()
    assert caught.value.reply_code == 406
    assert isinstance(caught.value, connection.channel_errors)


def test_queue_options_travel_as_arguments(connection: Connection) -> None:
    channel = connection.channel()
    queue = Queue("q", expires=1.5, message_ttl=2, max_length=3, max_priority=4)(channel)
    queue.declare()
    standing, _ = channel.connection.session.find_queue("q", 0)
    assert standing.arguments == {
        "x-expires": 1500,
        "x-message-ttl": 2000,
        "x-max-length": 3,
        "x-max-priority": 4,
    }


def test_only_what_stays_may_be_remembered_as_declared() -> None:
    assert Exchange("e").can_cache_declaration
    assert Queue("q").can_cache_declaration
    assert not Queue("q", auto_delete=True).can_cache_declaration
    assert not Queue("q", expires=3).can_cache_declaration
    assert not Queue("q", queue_arguments={"x-expires": 3}).can_cache_declaration
    assert not MaybeChannelBound.can_cache_declaration


# -- acting ----------------------------------------------------------------------------------


def test_an_exchange_publishes(connection: Connection) -> None:
    channel = connection.channel()
    exchange = Exchange("e", delivery_mode="transient")(channel)
    queue = Queue("q", exchange, "k")(channel)
    queue.declare()
    exchange.publish("text", routing_key="k")
    exchange.publish(b"bytes", routing_key="k")
    exchange.publish(
        exchange.Message("made", properties={"correlation_id": "c"}, content_type="text/plain"),
        routing_key="k",
    )
    text, data, made = queue.get(), queue.get(), queue.get()
    assert (text.body, text.content_encoding) == ("text", "utf-8")
    assert data.body == b"bytes"
    assert text.properties["delivery_mode"] == 1
    assert (made.payload, made.properties["correlation_id"]) == ("made", "c")
    assert exchange.Message("x", delivery_mode="persistent")["properties"]["delivery_mode"] == 2


def test_an_exchange_receives_from_another(connection: Connection) -> None:
    channel = connection.channel()
    first, second = Exchange("first", "topic")(channel), Exchange("second", "fanout")(channel)
    queue = Queue("q", second)(channel)
    first.declare()
    queue.declare()
    second.bind_to(first, "a.#")
    producer = connection.Producer(exchange=first)
    producer.publish(1, routing_key="a.b")
    producer.publish(2, routing_key="b")
    second.unbind_from("first", "a.#")
    producer.publish(3, routing_key="a.b")
    assert waiting(connection, queue) == [1]


def test_a_deleted_exchange_leads_nowhere(connection: Connection) -> None:
    channel = connection.channel()
    exchange = Exchange("e", "fanout")(channel)
    queue = Queue("q", exchange)(channel)
    queue.declare()
    with pytest.raises(ChannelError, match="'e' in vhost '/' in use") as caught:
        exchange.delete(if_unused=True)
    assert caught.value.reply_code == 406
    exchange.publish("before")
    exchange.delete()
    exchange.publish("after")
    exchange.delete(if_unused=True)
    assert waiting(connection, queue) == ["before"]


def test_get_takes_one_message(connection: Connection, queue: Queue) -> None:
    assert queue.get() is None
    publish(connection, queue, {"n": 1}, {"n": 2})
    message = queue.get(accept=["json"])
    assert message.payload == {"n": 1}
    assert message.accept == {"application/json"}
    message.ack()
    taken = queue.get(no_ack=True)
    taken.ack()  # nobody waits for it
    assert queue.get() is None


def test_a_queue_of_its_own_says_no_ack_for_get(connection: Connection, url: str) -> None:
    queue = Queue(fresh_name("queue"), no_ack=True)(connection.channel())
    queue.declare()
    publish(connection, queue, 1)
    assert queue.get().payload == 1
    connection.close()
    with Connection(url) as other:
        assert waiting(other, queue) == []


def test_purge_and_delete_say_how_many_there_were(connection: Connection, queue: Queue) -> None:
    publish(connection, queue, *range(4))
    assert queue.purge() == 4
    assert queue.purge() == 0
    publish(connection, queue, *range(3))
    assert queue.delete() == 3
    assert queue.delete() == 0
    with pytest.raises(ChannelError, match="NOT_FOUND"):
        queue.queue_declare(passive=True)


def test_if_empty_and_if_unused_protect_a_queue(connection: Connection, queue: Queue) -> None:
    publish(connection, queue, 1)
    with pytest.raises(ChannelError, match="not empty") as caught:
        queue.delete(if_empty=True)
    assert caught.value.reply_code == 406
    queue.purge()
    queue.consume("tag", print)
    with pytest.raises(ChannelError, match="in use"):
        queue.delete(if_unused=True)
    queue.cancel("tag")
    assert queue.delete(if_unused=True, if_empty=True) == 0


def test_consume_calls_back(connection: Connection, queue: Queue) -> None:
    received: list[Any] = []
    assert queue.consume("tag", received.append, no_ack=True) == "tag"
    publish(connection, queue, 1)
    connection.drain_events(timeout=5)
    assert received[0].payload == 1


# -- auto-delete and exclusive ---------------------------------------------------------------


def test_an_auto_delete_queue_goes_with_its_last_consumer(connection: Connection) -> None:
    channel = connection.channel()
    queue = Queue("q", Exchange("e", auto_delete=True), "k", auto_delete=True)(channel)
    queue.declare()
    queue.consume("one", print)
    queue.consume("two", print)
    queue.cancel("one")
    assert queue.queue_declare(passive=True) == ("q", 0, 1)
    queue.cancel("two")
    with pytest.raises(ChannelError, match="no queue 'q'"):
        queue.queue_declare(passive=True)
    # Its exchange lost its last binding.
    assert channel.get_exchanges() == []


def test_an_exclusive_queue_goes_with_the_connection_that_declared_it_last(
    connection: Connection, url: str
) -> None:
    """As a worker does that connects anew before its lost connection is given up."""
    queue = Queue("q", Exchange("e"), exclusive=True)
    queue(connection.channel()).declare()
    with Connection(url) as other:
        later = queue(other.channel())
        later.declare()
        connection.close()
        publish(other, queue, "still there")
        assert later.get(no_ack=True).payload == "still there"
    with Connection(url) as third, pytest.raises(ChannelError, match="no queue 'q'"):
        queue(third.channel()).queue_declare(passive=True)


def test_an_exclusive_queue_is_for_one_connection(connection: Connection, url: str) -> None:
    queue = Queue("q", Exchange("e"), exclusive=True)(connection.channel())
    queue.declare()
    with Connection(url, transport_options={"strict": True}) as other:
        channel = other.channel()
        for verb in (
            lambda: channel.queue_declare("q", passive=True),
            lambda: channel.queue_declare("q"),
            lambda: channel.basic_get("q"),
            lambda: channel.basic_consume("q", callback=print),
            lambda: channel.queue_delete("q"),
            lambda: channel.queue_purge("q"),
            lambda: channel.queue_bind("q", "e"),
            lambda: channel.queue_unbind("q", "e"),
        ):
            with pytest.raises(ChannelError, match="RESOURCE_LOCKED") as caught:
                verb()
            assert caught.value.reply_code == 405
        # Publishing to it is what reply queues are for.
        publish(other, queue, "reply")
        assert queue.get().payload == "reply"
        connection.close()
        with pytest.raises(ChannelError, match="no queue 'q'"):
            other.channel().queue_declare("q", passive=True)
