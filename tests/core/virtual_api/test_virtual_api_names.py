"""The documented names of `kombu.transport.virtual`, one by one."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import types
from queue import Empty
from unittest import mock

import pytest
from styles import ListChannel, ListTransport, ReceiptTransport, StampingTransport

from kombu import Connection, Consumer, Exchange, Producer, Queue
from kombu.exceptions import ChannelError
from kombu.transport import memory, virtual
from kombu.transport.virtual import exchange


def connect(transport, **options):
    return Connection(transport=transport, transport_options=options)


# -- what a subclass says of itself ------------------------------------------------------------


def test_an_own_transport_overrides_nothing_and_pays_nothing():
    assert memory.Channel.overrides == frozenset()
    with Connection("memory://") as connection:
        channel = connection.channel()
        assert type(channel) is memory.Channel
        assert channel.takes_envelopes


def test_a_subclass_says_what_it_overrides():
    assert "_put" in ListChannel.overrides
    assert StampingTransport.Channel.overrides == {"_put"}

    class Named(StampingTransport.Channel):
        pass

    assert Named.overrides == {"_put"}


def test_a_subclass_that_only_publishes_otherwise_gets_dictionaries():
    class Channel(memory.Channel):
        def basic_publish(self, message, exchange, routing_key, **kwargs):
            message["headers"]["mine"] = True
            return super().basic_publish(message, exchange, routing_key, **kwargs)

    class Transport(memory.Transport):
        pass

    Transport.Channel = Channel
    with connect(Transport) as connection:
        channel = connection.channel()
        Queue("plain")(channel).declare()
        Producer(channel).publish("x", routing_key="plain")
        assert channel.basic_get("plain", no_ack=True).headers == {"mine": True}


def test_super_leads_to_the_verbs_that_call_what_is_overridden():
    class Channel(ListChannel):
        acked = []

        def basic_ack(self, delivery_tag, multiple=False):
            self.acked.append(delivery_tag)
            super().basic_ack(delivery_tag, multiple)

    class Transport(ListTransport):
        pass

    Transport.Channel = Channel
    with connect(Transport) as connection:
        channel = connection.channel()
        channel._put("q", channel.prepare_message("x", properties={"delivery_tag": "t1"}))
        channel.basic_get("q").ack()
        assert Channel.acked == ["t1"]
        assert not channel.qos._delivered


def test_missing_methods_are_named():
    class Channel(virtual.Channel):
        def _get(self, queue):
            raise Empty

    class Transport(virtual.Transport):
        pass

    Transport.Channel = Channel
    with connect(Transport) as connection:
        channel = connection.channel()
        with pytest.raises(NotImplementedError, match="_put"):
            Producer(channel).publish("x", routing_key="q")
        with pytest.raises(NotImplementedError, match="_purge"):
            channel.queue_purge("q")
        assert channel._size("q") == 0
        assert channel._has_queue("q")


def test_transport_options_become_attributes_without_a_warning():
    with connect(ListTransport, prefix="p.", of_their_own=1, polling_interval=0.5) as connection:
        channel = connection.channel()
        assert channel.prefix == "p."
        assert connection.transport.polling_interval == 0.5
        Producer(channel).publish("x", routing_key="q")
        assert list(ListChannel.lists) == ["p.q"]
    with connect(ListTransport) as connection:
        assert connection.transport.polling_interval == 0.01


def test_the_transport_says_what_it_is():
    with connect(ListTransport) as connection:
        transport = connection.transport
        assert (transport.driver_type, transport.driver_version()) == ("lists", "1.0")
        assert transport.default_connection_params == {"port": 4711, "hostname": "localhost"}
        assert LookupError in connection.connection_errors
        assert connection.connection is transport
        assert transport.verify_connection(transport)


def test_transports_with_one_state_see_each_others_declarations():
    with connect(ListTransport) as one, connect(ListTransport) as two:
        Queue("shared", Exchange("shared_e"), routing_key="k")(one.channel()).declare()
        channel = two.channel()
        assert channel.state.has_binding("shared", "shared_e", "k")
        Producer(channel).publish("x", exchange="shared_e", routing_key="k")
        assert one.channel()._size("shared") == 1


def test_a_state_that_is_a_class_attribute_is_used():
    class Transport(ReceiptTransport):
        state = virtual.BrokerState()

    with connect(Transport) as connection:
        Queue("q", Exchange("e"), routing_key="k")(connection.channel()).declare()
    assert Transport.state.has_binding("q", "e", "k")


# -- messages ----------------------------------------------------------------------------------


def test_messages_reach_put_in_the_documented_form():
    with connect(ListTransport) as connection:
        channel = connection.channel()
        Queue("q", Exchange("e"), routing_key="k")(channel).declare()
        Producer(channel).publish({"a": 1}, exchange="e", routing_key="k", expiration=4, priority=2)
        (payload,) = ListChannel.lists["q"]
    tag = payload["properties"].pop("delivery_tag")
    assert isinstance(tag, str)
    assert payload == {
        "body": "eyJhIjogMX0=",
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {},
        "properties": {
            "body_encoding": "base64",
            "delivery_info": {"exchange": "e", "routing_key": "k"},
            "delivery_mode": 2,
            "expiration": "4000",
            "priority": 2,
        },
    }


def test_each_queue_of_a_message_gets_a_dictionary_of_its_own():
    with connect(ReceiptTransport) as connection:
        channel = connection.channel()
        for name in ("a", "b"):
            Queue(name, Exchange("e"), routing_key="k")(channel).declare()
        Producer(channel).publish("x", exchange="e", routing_key="k", headers={"h": 1})
        (first,), (second,) = channel.store["a"], channel.store["b"]
        assert first is not second
        assert first["headers"] is not second["headers"]


@pytest.mark.parametrize(("encoding", "stored"), [("base64", "eA=="), (None, b"x"), ("hex", "78")])
def test_bodies_are_stored_in_the_encoding_that_is_named(encoding, stored):
    class Hex:
        def encode(self, s):
            return s.hex()

        def decode(self, s):
            return bytes.fromhex(s)

    class Channel(ListChannel):
        codecs = {**ListChannel.codecs, "hex": Hex()}
        body_encoding = encoding

    class Transport(ListTransport):
        pass

    Transport.Channel = Channel
    with connect(Transport) as connection:
        channel = connection.channel()
        Producer(channel).publish("x", routing_key="q")
        assert ListChannel.lists["q"][0]["body"] == stored
        message = channel.basic_get("q")
        assert message.payload == "x"
        message.requeue()
        assert ListChannel.lists["q"][0]["body"] == stored
        assert channel.basic_get("q").payload == "x"


def test_an_unknown_body_encoding_is_named():
    with connect(ListTransport, body_encoding="hex16") as connection:
        channel = connection.channel()
        with pytest.raises(KeyError, match="hex16"):
            Producer(channel).publish("x", routing_key="q")


def test_message_to_python_is_called():
    class Channel(ListChannel):
        def message_to_python(self, raw_message):
            message = super().message_to_python(raw_message)
            message.seen = True
            return message

    class Transport(ListTransport):
        pass

    Transport.Channel = Channel
    with connect(Transport) as connection:
        channel = connection.channel()
        Producer(channel).publish("x", routing_key="q")
        assert channel.basic_get("q").seen


def test_a_message_survives_serializable():
    with Connection("memory://") as connection:
        channel = connection.channel()
        Queue("q")(channel).declare()
        Producer(channel).publish({"a": 1}, routing_key="q", headers={"h": 1}, reply_to="r")
        payload = channel.basic_get("q").serializable()
        again = channel.Message(payload, channel=channel)
        assert again.payload == {"a": 1}
        assert again.headers == {"h": 1}
        assert again.properties["reply_to"] == "r"


def test_base64_turns_bytes_into_text_and_back():
    codec = virtual.Base64()
    assert codec.encode("abc") == codec.encode(b"abc") == "YWJj"
    assert codec.decode("YWJj") == b"abc"


def test_priorities_stay_within_the_channels():
    with connect(ListTransport) as connection:
        channel = connection.channel()

        def priority(value, **options):
            return channel._get_message_priority({"properties": {"priority": value}}, **options)

        assert priority(12) == 9
        assert priority(-1) == 0
        assert priority(2, reverse=True) == 7
        assert priority(None) == channel.default_priority


# -- what else may be overridden ---------------------------------------------------------------


def channel_with(base=ListTransport, **members):
    made = type("Channel", (base.Channel,), members)
    return connect(type("Transport", (base,), {"Channel": made})).channel()


def test_poll_is_given_the_cycle_and_a_callback():
    polled = []

    def _poll(self, cycle, callback, timeout=None):
        polled.append((list(cycle.resources), timeout))
        for queue in cycle.resources:
            if self._size(queue):
                return callback(self._get(queue), queue)
        raise Empty

    channel = channel_with(_poll=_poll)
    Producer(channel).publish("x", routing_key="q")
    got = []
    with Consumer(channel, [Queue("q")], callbacks=[lambda b, m: got.append(b)], no_ack=True):
        channel.connection.client.drain_events(timeout=1)
    assert got == ["x"]
    assert polled[0][0] == ["q"]
    assert 0 < polled[0][1] <= 1


def test_get_many_hands_what_it_finds_to_the_transport():
    def _get_many(self, queues, timeout=None):
        for queue in queues:
            while self._size(queue):
                self.connection._deliver(self._get(queue), queue)

    channel = channel_with(_get_many=_get_many)
    for number in range(3):
        Producer(channel).publish(number, routing_key="q")
    got = []
    with Consumer(channel, [Queue("q")], callbacks=[lambda b, m: got.append(m)]):
        for _ in range(3):
            channel.connection.client.drain_events(timeout=1)
    assert [m.payload for m in got] == [0, 1, 2]
    for message in got:
        message.ack()
    assert not channel.qos._delivered


def test_what_comes_by_itself_is_handed_to_its_consumer():
    with connect(ListTransport) as connection, Connection("memory://") as native:
        for channel in (connection.channel(), native.channel()):
            transport = channel.connection
            payload = channel.prepare_message("x", content_type="text/plain")
            with pytest.raises(ChannelError, match="without consumers"):
                transport.on_message_ready(channel, payload, "pushed")
            got = []
            queue = Queue("pushed")(channel)
            with Consumer(channel, [queue], callbacks=[lambda b, m: got.append(m)]):
                transport.on_message_ready(channel, payload, "pushed")
                transport._deliver(payload, "pushed")
            for message in got:
                message.ack()
            assert len(got) == 2


def test_lookup_decides_where_messages_go():
    channel = channel_with(_lookup=lambda self, exchange, routing_key, default=None: ["a", "b"])
    Producer(channel).publish("x", exchange="anything", routing_key="k")
    assert sorted(ListChannel.lists) == ["a", "b"]


def test_queue_bind_is_told_of_new_bindings():
    told = []
    channel = channel_with(_queue_bind=lambda self, *args: told.append(args))
    for _ in range(2):
        Queue("q", Exchange("e", "topic"), routing_key="a.#")(channel).declare()
    assert told == [("e", "a.#", r"^a\..*?$", "q")]


def test_restore_is_called_for_what_goes_back():
    restored = []

    def _restore(self, message):
        restored.append(message.payload)
        ListChannel._restore(self, message)

    channel = channel_with(_restore=_restore)
    Producer(channel).publish("x", routing_key="q")
    channel.basic_get("q").requeue()
    assert restored == ["x"]
    assert ListChannel.lists["q"][0]["redelivered"] is True
    channel.basic_get("q")
    channel.close()
    assert restored == ["x", "x"]


def test_without_do_restore_closing_gives_nothing_back():
    channel = channel_with(do_restore=False)
    Producer(channel).publish("x", routing_key="q")
    assert channel.basic_get("q").payload == "x"
    channel.close()
    assert ListChannel.lists["q"] == []


def test_an_exchange_type_of_its_own_routes():
    class Longest(exchange.DirectExchange):
        type = "longest"

        def lookup(self, table, exchange, routing_key, default):
            return {max((queue for _, _, queue in table), key=len, default=default)}

    for base in (ListTransport, StampingTransport):
        channel = channel_with(
            base, exchange_types={**virtual.Channel.exchange_types, "longest": Longest}
        )
        for name in ("own", "own_longer"):
            Queue(name, Exchange("own_e", "longest"))(channel).declare()
        Producer(channel).publish("x", exchange="own_e")
        assert channel._size("own_longer") == 1
        assert channel._size("own") == 0
        with pytest.raises(ChannelError, match="never heard"):
            channel.exchange_declare("z", type="never heard")


def test_an_exchange_type_that_delivers_by_itself_is_asked_to():
    delivered = []

    class Postman(exchange.DirectExchange):
        type = "postman"

        def deliver(self, message, exchange, routing_key, **kwargs):
            delivered.append((message["body"], exchange, routing_key))

    channel = channel_with(exchange_types={"postman": Postman})
    Queue("q", Exchange("post", "postman"), routing_key="k")(channel).declare()
    Producer(channel).publish("x", exchange="post", routing_key="k")
    assert delivered == [("eA==", "post", "k")]


def test_the_base_methods_reach_the_backend():
    with Connection("memory://") as connection:
        channel = connection.channel()
        channel._new_queue("direct")
        assert channel._has_queue("direct")
        channel._put("direct", channel.prepare_message("x", content_type="text/plain"))
        assert channel._size("direct") == 1
        assert channel._get("direct")["body"] == "eA=="
        with pytest.raises(Empty):
            channel._get("direct")
        channel._put("direct", channel.prepare_message("x"))
        assert channel._purge("direct") == 1
        channel._delete("direct")
        assert not channel._has_queue("direct")
        Queue("bound", Exchange("be"), routing_key="k")(channel).declare()
        assert channel._lookup("be", "k") == ["bound"]
        assert channel._lookup("be", "other") == []
        assert channel._lookup("", "name") == ["name"]
        with pytest.warns(virtual.UndeliverableWarning):
            assert channel._lookup("be", "other", "lost") == ["lost"]
        assert channel._has_queue("lost")
        channel._put_fanout("be", channel.prepare_message("x"), "k")
        assert channel._size("bound") == 1


# -- QoS ---------------------------------------------------------------------------------------


def test_an_own_qos_sees_every_step():
    with connect(ReceiptTransport) as connection:
        channel = connection.channel()
        for number in range(3):
            Producer(channel).publish(number, routing_key="q")
        one, two, three = (channel.basic_get("q") for _ in range(3))
        assert channel.qos.seen == [m.delivery_tag for m in (one, two, three)]
        one.ack()
        two.reject()
        three.requeue()
        assert channel.acked == ["r1"]
        assert channel.rejected == [("r2", False), ("r3", True)]
        assert channel._size("q") == 1
        assert channel.basic_get("q").delivery_info["redelivered"]


def test_an_own_can_consume_is_asked():
    with connect(ReceiptTransport) as connection:
        channel = connection.channel()
        Producer(channel).publish("x", routing_key="q")
        got = []
        with Consumer(channel, [Queue("q")], callbacks=[lambda b, m: got.append(b)], no_ack=True):
            channel.open_gate = False
            with pytest.raises(TimeoutError):
                connection.drain_events(timeout=0.05)
            channel.open_gate = True
            connection.drain_events(timeout=1)
        assert got == ["x"]


def test_a_qos_that_does_without_its_base_class_leaves_nothing_behind():
    class QoS(virtual.QoS):
        def ack(self, delivery_tag):
            self.channel.told.append(delivery_tag)

        def reject(self, delivery_tag, requeue=False):
            self.channel.told.append(delivery_tag)

        def append(self, message, delivery_tag):
            pass

    channel = channel_with(QoS=QoS, told=[])
    for _ in range(2):
        Producer(channel).publish("x", routing_key="q")
    channel.basic_get("q").ack()
    channel.basic_get("q").reject()
    assert len(channel.told) == 2
    assert not channel._ledger


def test_can_consume_bound_as_a_method_is_honoured_on_a_native_channel():
    # As Celery does with worker_disable_prefetch.
    with Connection("memory://") as connection:
        channel = connection.channel()
        Queue("busy")(channel).declare()
        for number in range(3):
            Producer(channel).publish(number, routing_key="busy")
        original, slots, got = channel.qos.can_consume, [1], []

        def can_consume(self):
            return slots[0] > len(got) and original()

        channel.qos.can_consume = types.MethodType(can_consume, channel.qos)
        with Consumer(channel, [Queue("busy")], callbacks=[lambda b, m: got.append(b)]):
            connection.drain_events(timeout=1)
            assert channel.connection.receiver.unseen(queue="busy") == 0
            with pytest.raises(TimeoutError):
                connection.drain_events(timeout=0.05)
            slots[0] = 3
            connection.drain_events(timeout=1)
            connection.drain_events(timeout=1)
        assert got == [0, 1, 2]


def test_qos_is_a_view_on_a_native_channel():
    with Connection("memory://") as connection:
        channel = connection.channel()
        Queue("viewed")(channel).declare()
        for number in range(3):
            Producer(channel).publish(number, routing_key="viewed")
        qos = channel.qos
        assert qos is channel.qos
        assert qos.can_consume_max_estimate() is None
        qos.prefetch_count = 2
        one, two = channel.basic_get("viewed"), channel.basic_get("viewed")
        assert list(qos._delivered) == [one.delivery_tag, two.delivery_tag]
        assert not qos.can_consume()
        qos.ack(one.delivery_tag)
        with pytest.raises(KeyError):
            qos.get(one.delivery_tag)
        qos.reject(two.delivery_tag, requeue=True)
        assert channel.basic_get("viewed").payload == 1
        qos.restore_unacked_once()
        assert not qos._delivered
        assert qos.restore_visible(interval=10) is None


def test_messages_that_the_channel_did_not_deliver_can_be_appended():
    with connect(ListTransport) as connection:
        channel = connection.channel()
        qos = virtual.QoS(channel, 2)
        messages = [
            channel.Message(channel.prepare_message(str(n), properties={"delivery_tag": n}))
            for n in range(3)
        ]
        for number, message in enumerate(messages[:2]):
            message.source_queue = "appended"
            qos.append(message, number)
        assert not qos.can_consume()
        assert qos.get(1) is messages[1]
        qos.ack(0)
        assert qos.can_consume_max_estimate() == 1
        qos.reject(1, requeue=True)
        qos.append(messages[0], 0)
        qos.restore_unacked()
        assert len(ListChannel.lists["appended"]) == 2


def test_the_end_of_the_process_gives_back_what_nobody_settled(tmp_path):
    program = """
        import json, os, sys
        from queue import Empty
        from kombu import Connection, Producer
        from kombu.transport import virtual

        class Channel(virtual.Channel):
            def _get(self, queue):
                if not os.path.exists(queue):
                    raise Empty
                with open(queue) as file:
                    message = json.load(file)
                os.remove(queue)
                return message

            def _put(self, queue, message):
                with open(queue, "w") as file:
                    json.dump(message, file)

        class Transport(virtual.Transport):
            pass

        Transport.Channel = Channel
        channel = Connection(transport=Transport).channel()
        Producer(channel).publish("x", routing_key=sys.argv[1])
        message = channel.basic_get(sys.argv[1])
        channel.qos.restore_at_shutdown = sys.argv[2] == "yes"
        if os.fork() == 0:
            sys.exit()  # a child gives nothing back
        os.wait()
        assert not os.path.exists(sys.argv[1])
    """
    for choice in ("yes", "no"):
        path = tmp_path / choice
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", textwrap.dedent(program), str(path), choice],
            capture_output=True,
            text=True,
            env={**os.environ},
        )
        assert done.returncode == 0, done.stderr
        assert not done.stdout
        assert path.exists() is (choice == "yes")


def test_a_qos_class_of_another_family_is_used():
    class QoS:
        prefetch_count = 0

        def __init__(self, channel):
            self.delivered = {}

        def can_consume(self):
            return not self.prefetch_count or len(self.delivered) < self.prefetch_count

        def append(self, message, delivery_tag):
            self.delivered[delivery_tag] = message

        def ack(self, delivery_tag):
            del self.delivered[delivery_tag]

        def restore_unacked_once(self, stderr=None):
            self.delivered.clear()

    channel = channel_with(QoS=QoS)
    for number in range(3):
        Producer(channel).publish(number, routing_key="q")
    channel.basic_qos(0, 2, False)
    got = []
    with Consumer(channel, [Queue("q")], callbacks=[lambda b, m: got.append(m)]):
        for _ in range(2):
            channel.connection.client.drain_events(timeout=1)
        with pytest.raises(TimeoutError):
            channel.connection.client.drain_events(timeout=0.03)
        got[0].ack()
        channel.connection.client.drain_events(timeout=1)
    assert [m.payload for m in got] == [0, 1, 2]
    channel.close()
    assert ListChannel.lists["q"] == []


def test_messages_of_a_form_of_their_own_need_only_their_class():
    class Message(virtual.Message):
        def __init__(self, payload, channel=None, **kwargs):
            text, _, tag = payload.partition("#")
            form = channel.prepare_message(text, content_type="text/plain")
            form["properties"]["delivery_tag"] = tag or None
            super().__init__(form, channel=channel)

    channel = channel_with(Message=Message)
    ListChannel.lists["raw"] = ["one#1", "two"]
    one, two = channel.basic_get("raw"), channel.basic_get("raw")
    assert (one.payload, one.delivery_tag) == ("one", "1")
    assert two.payload == "two"
    assert two.delivery_tag
    one.ack()
    two.requeue()
    assert ListChannel.lists["raw"][0]["redelivered"]


def test_what_no_consumer_has_seen_goes_back_as_it_was():
    channel = channel_with()
    Producer(channel).publish("x", routing_key="q")
    (payload,) = list(ListChannel.lists["q"])
    consumer = Consumer(channel, [Queue("q")])
    consumer.consume()
    delivery = channel._receiver.wait(1)
    channel._receiver.arrived.append(delivery)
    consumer.cancel()
    assert ListChannel.lists["q"] == [payload]


def test_deleting_asks_for_each_binding():
    deleted = []
    channel = channel_with(_delete=lambda self, *args: deleted.append(args))
    for key in ("a", "b"):
        Queue("q", Exchange("e", "topic"), routing_key=key)(channel).declare()
    Producer(channel).publish("x", routing_key="q")
    with pytest.raises(ChannelError, match="not empty"):
        channel.queue_delete("q", if_empty=True)
    assert channel.queue_delete("q") == 1
    assert deleted == [("q", "e", "a", "^a$", "q"), ("q", "e", "b", "^b$", "q")]
    channel.queue_delete("unbound")
    assert deleted[2][0] == "unbound"
    assert len(deleted[2]) == 5


def test_deleting_where_nothing_says_how_drops_the_messages():
    with connect(ReceiptTransport) as connection:
        channel = connection.channel()
        Producer(channel).publish("x", routing_key="q")
        assert channel.queue_delete("q") == 1
        assert channel._size("q") == 0


# -- state and exchange types ------------------------------------------------------------------


def test_the_broker_state_keeps_bindings():
    state = virtual.BrokerState()
    state.binding_declare("q", "e", "k", {"a": 1})
    state.binding_declare("q", "e", "k", {"a": 2})
    state.binding_declare("q", "e2", "k2", None)
    assert state.bindings == {
        virtual.binding_key_t("q", "e", "k"): {"a": 1},
        virtual.binding_key_t("q", "e2", "k2"): None,
    }
    assert set(state.queue_index) == {"q"}
    assert list(state.queue_bindings("q")) == [
        virtual.queue_binding_t("e", "k", {"a": 1}),
        virtual.queue_binding_t("e2", "k2", None),
    ]
    assert state.has_binding("q", "e", "k")
    assert not state.has_binding("q", "e", "other")
    state.binding_delete("q", "e", "k")
    state.binding_delete("q", "nowhere", "k")
    assert list(state.bindings) == [("q", "e2", "k2")]
    state.queue_bindings_delete("q")
    state.queue_bindings_delete("unknown")
    assert not state.bindings
    state.exchanges["e3"] = {"type": "topic", "durable": True, "table": [("a.#", None, "q")]}
    assert state.exchanges["e3"]["type"] == "topic"
    assert state.has_binding("q", "e3", "a.#")
    del state.exchanges["e3"]
    with pytest.raises(KeyError):
        state.exchanges["e3"]
    state.exchanges["e4"] = {"type": "direct"}
    assert list(state.exchanges) == ["e4"]
    state.clear()
    assert not state.exchanges
    assert list(virtual.BrokerState({"a": {"type": "fanout"}}).exchanges) == ["a"]


def test_the_state_of_a_channel_is_that_of_its_connection():
    with Connection("memory://") as connection:
        channel = connection.channel()
        Queue("q", Exchange("e", "topic", durable=True), routing_key="a.*")(channel).declare()
        assert channel.state.exchanges["e"] == {
            "type": "topic",
            "durable": True,
            "auto_delete": False,
            "arguments": {},
            "table": [("a.*", None, "q")],
        }
        assert channel.get_table("e") == [("a.*", r"^a\.[^\.]+$", "q")]
        assert channel.typeof("e").type == "topic"
        assert channel.typeof("unknown").type == "direct"
        assert channel.typeof("unknown", "fanout").type == "fanout"
        assert channel.typeof("e") is channel.typeof("e")


def test_exchange_types_look_queues_up():
    direct, topic, fanout = (
        exchange.DirectExchange(None),
        exchange.TopicExchange(None),
        exchange.FanoutExchange(None),
    )
    table = [("k", None, "q"), ("k", None, "r"), ("j", None, "s")]
    assert direct.lookup(table, "e", "k", None) == {"q", "r"}
    assert fanout.lookup(table, "e", "", None) == {"q", "r", "s"}
    table = [topic.prepare_bind(queue, "e", key, None) for queue, key in (("q", "a.*"), ("r", "#"))]
    assert topic.lookup(table, "e", "a.b", None) == {"q", "r"}
    assert topic.lookup(table, "e", "a", None) == {"r"}
    # Zero words for #, although the pattern that 5.7 stores wants one.
    assert topic.lookup([topic.prepare_bind("q", "e", "a.#", None)], "e", "a", None) == {"q"}
    assert topic.key_to_pattern("a.*.#") == r"^a\.[^\.]+\..*?$"
    with pytest.raises(NotImplementedError, match="lookup"):
        exchange.ExchangeType(None).lookup([], "e", "k", None)


def test_a_topic_type_with_patterns_of_its_own_is_read_by_them():
    class Digits(exchange.TopicExchange):
        wildcards = {**exchange.TopicExchange.wildcards, "9": r"\d+"}

    digits = Digits(None)
    table = [digits.prepare_bind("q", "e", "a.9", None)]
    assert digits.lookup(table, "e", "a.17", None) == {"q"}
    assert not digits.lookup(table, "e", "a.b", None)


def test_exchange_types_tell_equivalent_declarations():
    prev = {"type": "direct", "durable": True, "auto_delete": False, "arguments": {}}
    equivalent = exchange.DirectExchange(None).equivalent
    assert equivalent(prev, "e", "direct", True, False, None)
    assert not equivalent(prev, "e", "topic", True, False, {})
    assert not equivalent(prev, "e", "direct", True, False, {"a": 1})


def test_a_type_that_only_the_router_knows_can_be_asked():
    with Connection("memory://") as connection:
        channel = connection.channel()
        Queue("h", Exchange("he", "headers"))(channel).declare()
        kind = channel.typeof("he")
        assert kind.type == "headers"
        assert list(kind.lookup([], "he", "", None)) == ["h"]


# -- the memory transport's module -------------------------------------------------------------


def test_the_documented_module_is_the_plugins_own():
    import kombu.transport.memory
    import kombu_memory.transport

    assert kombu.transport.memory is kombu_memory.transport
    with mock.patch("kombu.transport.memory.Channel.basic_qos") as patched:
        with Connection("memory://") as connection:
            connection.channel().basic_qos(0, 1, False)
        patched.assert_called_once_with(0, 1, False)


def test_patches_of_the_virtual_channel_reach_every_transport():
    for transport in ("memory", ListTransport):
        with mock.patch("kombu.transport.virtual.Channel.close", autospec=True) as patched:
            connection = Connection(transport=transport)
            if transport == "memory":
                connection.channel().close()
                assert patched.called
    with mock.patch("kombu.transport.virtual.Channel.queue_declare") as patched:
        with Connection("memory://") as connection:
            connection.channel().queue_declare("q")
        assert patched.called


def test_a_missing_plugin_names_its_extra():
    program = """
        import importlib.metadata as metadata
        found = metadata.entry_points
        metadata.entry_points = lambda **kw: [e for e in found(**kw) if e.name != "memory"]
        metadata.distributions = lambda **kw: []
        try:
            import kombu.transport.memory
        except ImportError as exc:
            assert "kombu[memory]>=6" in str(exc), exc
        else:
            raise SystemExit("imported")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_memory_has_its_class_attributes():
    with Connection("memory://") as connection:
        channel = connection.channel()
        Queue("q", Exchange("e"))(channel).declare()
        Producer(channel).publish("x", routing_key="q")
        stored = memory.Channel.queues["q"]
        assert (stored.qsize(), len(stored), stored.empty()) == (1, 1, False)
        payload = stored.get()
        with pytest.raises(Empty):
            stored.get_nowait()
        stored.put(payload)
        assert channel.basic_get("q", no_ack=True).payload == "x"
        assert "q" in channel.queues
        assert "e" in memory.Transport.global_state.exchanges
        memory.Channel.queues.clear()
        memory.Transport.global_state.clear()
        assert not memory.Channel.queues
        assert not channel.state.exchanges
        with pytest.raises(KeyError):
            memory.Channel.queues["q"]
