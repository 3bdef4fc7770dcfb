"""What third parties override, in the ways that they do: each style by itself."""

from __future__ import annotations

import heapq
import itertools
from queue import Empty

import pytest
from styles import ListChannel, ListTransport, StampingChannel, StampingTransport

from kombu import Connection, Consumer, Exchange, Producer, Queue
from kombu.exceptions import ChannelError
from kombu.transport import memory, virtual


def transport_of(channel_class, base=ListTransport, **names):
    """A transport class, as a third party writes one for its channel."""
    return type("Transport", (base,), {"Channel": channel_class, **names})


def connect(channel_class, base=ListTransport, options=None, **names):
    transport = transport_of(channel_class, base, **names)
    return Connection(transport=transport, transport_options=options or {})


def receive(connection, queue, count, **options):
    """The payloads of so many messages, acknowledged."""
    payloads = []

    def on_message(message):
        payloads.append(message.payload)
        if not options.get("no_ack"):
            message.ack()

    with Consumer(connection, [queue], on_message=on_message, **options):
        while len(payloads) < count:
            connection.drain_events(timeout=5)
    return payloads


# -- the transport -----------------------------------------------------------------------------


def test_implements_is_extended():
    names = {
        "implements": virtual.Transport.implements.extend(
            asynchronous=True, heartbeats=True, exchange_type=frozenset(["direct"])
        )
    }
    with connect(ListChannel, **names) as connection:
        assert connection.supports_heartbeats
        assert connection.is_evented
        assert connection.supports_exchange_type("direct")
        assert not connection.supports_exchange_type("topic")
        assert connection.transport.implements.asynchronous
        assert connection.transport.implements["heartbeats"]
    with connect(ListChannel) as connection:
        assert not connection.supports_heartbeats
        assert connection.supports_exchange_type("topic")


def test_establish_connection_calls_its_base_class_or_does_not():
    class Calling(ListTransport):
        def establish_connection(self):
            self.opened = "before"
            return super().establish_connection()

    class Alone(ListTransport):
        def establish_connection(self):
            self.opened = "alone"
            return self

    for base in (Calling, Alone):
        with connect(ListChannel, base) as connection:
            queue = Queue("opening")(connection)
            queue.declare()
            Producer(connection).publish("m", routing_key="opening")
            assert receive(connection, queue, 1) == ["m"]
            assert connection.transport.opened


def test_close_connection_and_create_channel_are_called():
    calls = []

    class Transport(ListTransport):
        def create_channel(self, connection):
            calls.append("create")
            return super().create_channel(connection)

        def close_connection(self, connection):
            calls.append("close")
            super().close_connection(connection)

        def verify_connection(self, connection):
            calls.append("verify")
            return super().verify_connection(connection)

    with connect(ListChannel, Transport) as connection:
        connection.channel()
        assert connection.connected
    assert calls[0] == "create"
    assert calls[-1] == "close"
    assert "verify" in calls


def test_defaults_of_a_connection_are_the_transport_s():
    class Transport(ListTransport):
        default_port = 99

        @property
        def default_connection_params(self):
            return {"hostname": "there", "port": self.default_port, "userid": "me"}

    with connect(ListChannel, Transport) as connection:
        assert connection.info()["port"] == 99


@pytest.mark.parametrize("interval", [None, 0, 0.001])
def test_a_channel_is_asked_as_often_as_the_transport_says(interval):
    class Channel(ListChannel):
        asked = itertools.count()
        lists = {}

        def _get(self, queue, timeout=None):
            if next(self.asked) < 3:
                raise Empty
            return super()._get(queue)

    with connect(Channel, polling_interval=interval) as connection:
        Producer(connection).publish("m", routing_key="asked")
        assert receive(connection, Queue("asked"), 1) == ["m"]
        assert next(Channel.asked) > 3


def test_each_transport_instance_may_have_a_state_of_its_own():
    class Transport(ListTransport):
        def __init__(self, client, **kwargs):
            super().__init__(client, **kwargs)
            self.state = virtual.BrokerState()

    with connect(ListChannel, Transport) as one, connect(ListChannel, Transport) as two:
        Exchange("mine")(one.channel()).declare()
        assert "mine" in one.channel().state.exchanges
        assert "mine" not in two.channel().state.exchanges


# -- storage -----------------------------------------------------------------------------------


class HeapChannel(virtual.Channel):
    """Higher priorities first, by what the base class reads from a message."""

    max_priority = 5
    default_priority = 2
    heaps = {}
    numbers = itertools.count()

    def _put(self, queue, message, **kwargs):
        priority = self._get_message_priority(message, reverse=True)
        heap = self.heaps.setdefault(queue, [])
        heapq.heappush(heap, (priority, next(self.numbers), message))

    def _get(self, queue):
        try:
            return heapq.heappop(self.heaps[queue])[2]
        except (KeyError, IndexError):
            raise Empty from None

    def _size(self, queue):
        return len(self.heaps.get(queue, ()))

    def _purge(self, queue):
        return len(self.heaps.pop(queue, ()))


def test_priorities_are_kept_by_who_reads_them():
    with connect(HeapChannel, virtual.Transport, polling_interval=0.001) as connection:
        producer = Producer(connection)
        for priority in (None, 1, 9, 4):
            producer.publish(priority, routing_key="heap", priority=priority)
        # 9 counts as 5, none as... what it is published with: 0.
        assert receive(connection, Queue("heap"), 4)[:2] == [9, 4]


def test_a_message_priority_of_its_own_is_used():
    class Channel(HeapChannel):
        heaps = {}

        def _get_message_priority(self, message, reverse=False):
            return -int(message["headers"].get("rank", 0))

    with connect(Channel, virtual.Transport, polling_interval=0.001) as connection:
        for rank in (1, 3, 2):
            Producer(connection).publish(rank, routing_key="heap", headers={"rank": rank})
        assert receive(connection, Queue("heap"), 3) == [3, 2, 1]


def test_purge_and_size_may_answer_nothing():
    class Channel(ListChannel):
        lists = {}

        def _purge(self, queue):
            self.lists.pop(queue, None)

        def _size(self, queue):
            return None

        def _has_queue(self, queue, **kwargs):
            # An empty queue and none are the same here.
            return queue in self.lists

    with connect(Channel) as connection:
        channel = connection.channel()
        queue = Queue("vague")(channel)
        queue.declare()
        Producer(channel).publish("m", routing_key="vague")
        assert queue.queue_declare(passive=True).message_count == 0
        assert queue.purge() == 0
        assert queue.get() is None
        with Consumer(channel, [Queue("vague", no_declare=True)], on_message=lambda m: m.ack()):
            with pytest.raises(TimeoutError):
                connection.drain_events(timeout=0.02)
            Producer(channel).publish("m", routing_key="vague")
            connection.drain_events(timeout=5)


def test_a_queue_is_deleted_if_its_size_says_so():
    deleted = []

    class Channel(ListChannel):
        lists = {}

        def _delete(self, queue, *args, **kwargs):
            deleted.append((queue, args))
            super()._delete(queue, *args, **kwargs)

    with connect(Channel) as connection:
        channel = connection.channel()
        Queue("full", Exchange("e"), "k")(channel).declare()
        Producer(channel).publish("m", routing_key="full")
        with pytest.raises(ChannelError, match="not empty"):
            channel.queue_delete("full", if_empty=True)
        assert deleted == []
        channel.queue_delete("full")
        assert deleted == [("full", ("e", "k", None, "full"))]


def test_has_queue_answers_passive_declarations():
    class Channel(ListChannel):
        def _has_queue(self, queue, **kwargs):
            return queue == "there"

    with connect(Channel) as connection:
        channel = connection.channel()
        assert channel.queue_declare("there", passive=True).queue == "there"
        with pytest.raises(ChannelError) as caught:
            channel.queue_declare("gone", passive=True)
        assert caught.value.reply_code == 404


def test_new_queue_gets_prepared_arguments():
    declared = []

    class Channel(ListChannel):
        def prepare_queue_arguments(self, arguments, **kwargs):
            return {**(arguments or {}), "their-length": kwargs["max_length"]}

        def _new_queue(self, queue, arguments=None, durable=None, **kwargs):
            declared.append((queue, durable, arguments))

    with connect(Channel) as connection:
        Queue("prepared", max_length=7)(connection).declare()
    assert declared == [("prepared", True, {"their-length": 7})]


# -- routes ------------------------------------------------------------------------------------


class TableChannel(ListChannel):
    """Bindings in a table that other processes see, too."""

    supports_fanout = True
    lists = {}
    table = set()
    broadcasts = []

    def _queue_bind(self, exchange, routing_key, pattern, queue):
        self.table.add((exchange, routing_key or "", pattern or "", queue))

    def get_table(self, exchange):
        return [row[1:] for row in sorted(self.table) if row[0] == exchange]

    def _put_fanout(self, exchange, message, routing_key=None, **kwargs):
        self.broadcasts.append(exchange)
        for _, _, queue in self.get_table(exchange):
            self._put(queue, message)


def test_a_table_of_its_own_decides_where_messages_go():
    with connect(TableChannel) as connection:
        channel = connection.channel()
        Queue("a", Exchange("direct-e"), "k")(channel).declare()
        Queue("b", Exchange("topic-e", "topic"), "*.x")(channel).declare()
        # Bound by another process.
        TableChannel.table.add(("direct-e", "k", "", "c"))
        producer = Producer(channel)
        producer.publish("d", exchange="direct-e", routing_key="k")
        producer.publish("t", exchange="topic-e", routing_key="any.x")
        producer.publish("t", exchange="topic-e", routing_key="any.y")
        assert [channel._size(queue) for queue in "abc"] == [1, 1, 1]


def test_a_fanout_is_the_channel_s_where_it_says_so():
    with connect(TableChannel) as connection:
        channel = connection.channel()
        Queue("f1", Exchange("fan", "fanout"))(channel).declare()
        Queue("f2", Exchange("fan", "fanout"))(channel).declare()
        Producer(channel).publish("m", exchange="fan")
        assert (channel._size("f1"), channel._size("f2")) == (1, 1)
        assert TableChannel.broadcasts == ["fan"]


def test_without_supports_fanout_the_queues_get_it_one_by_one():
    class Channel(ListChannel):
        supports_fanout = False
        lists = {}

        def _put_fanout(self, exchange, message, routing_key=None, **kwargs):
            raise AssertionError("it can't")

        def _queue_bind(self, exchange, routing_key, pattern, queue):
            raise AssertionError("it needs none")

    with connect(Channel) as connection:
        channel = connection.channel()
        for name in ("g1", "g2"):
            Queue(name, Exchange("fan2", "fanout"))(channel).declare()
        Producer(channel).publish("m", exchange="fan2")
        assert (channel._size("g1"), channel._size("g2")) == (1, 1)


def test_lookup_may_ask_its_base_class():
    class Channel(ListChannel):
        lists = {}

        def _lookup(self, exchange, routing_key, default=None):
            return [*super()._lookup(exchange, routing_key, default), "audit"]

    with connect(Channel) as connection:
        channel = connection.channel()
        Queue("bound", Exchange("looked"), "k")(channel).declare()
        Producer(channel).publish("m", exchange="looked", routing_key="k")
        Producer(channel).publish("m", routing_key="bound")
        assert (channel._size("bound"), channel._size("audit")) == (2, 2)


# -- verbs -------------------------------------------------------------------------------------


class ServiceChannel(ListChannel):
    """Overrides verbs as channels of services do, with arguments passed on as they come."""

    lists = {}

    def __init__(self, connection, **kwargs):
        super().__init__(connection, **kwargs)
        self.no_ack_queues = set()
        self.log = []

    def basic_consume(self, queue, no_ack, *args, **kwargs):
        if no_ack:
            self.no_ack_queues.add(queue)
        return super().basic_consume(queue, no_ack, *args, **kwargs)

    def basic_cancel(self, consumer_tag):
        self.log.append("cancel")
        return super().basic_cancel(consumer_tag)

    def basic_ack(self, delivery_tag, multiple=False):
        self.log.append("ack")
        super().basic_ack(delivery_tag, multiple)

    def queue_bind(self, *args, **kwargs):
        self.log.append("bind")
        return super().queue_bind(*args, **kwargs)

    def exchange_declare(self, *args, **kwargs):
        self.log.append("exchange")
        return super().exchange_declare(*args, **kwargs)

    def drain_events(self, timeout=None, callback=None, **kwargs):
        # Returns after the first message, as those that poll a service do.
        for queue in self._active_queues:
            try:
                message = self._get(queue)
            except Empty:
                continue
            (callback or self.connection._deliver)(message, queue)
            return
        raise Empty

    def close(self):
        self.log.append("close")
        super().close()


def test_verbs_that_pass_their_arguments_on_are_called():
    with connect(ServiceChannel) as connection:
        channel = connection.channel()
        queue = Queue("service", Exchange("services"), "k")(channel)
        queue.declare()
        for n in range(2):
            Producer(channel).publish(n, exchange="services", routing_key="k")
        got = []
        consumer = Consumer(channel, [queue], on_message=got.append)
        consumer.consume()
        connection.drain_events(timeout=5)
        connection.drain_events(timeout=5)
        got[0].ack()
        consumer.cancel()
        consumer = Consumer(channel, [queue], on_message=got.append, no_ack=True)
        consumer.consume(no_ack=True)
        assert channel.no_ack_queues == {"service"}
        channel.close()
        assert [message.payload for message in got] == [0, 1]
        # Consuming declares, too.
        assert set(channel.log) == {"exchange", "bind", "ack", "cancel", "close"}
        assert channel.log.count("ack") == 1
        assert channel.log[-1] == "close"


def test_a_message_of_a_no_ack_consumer_needs_no_answer():
    class Channel(ListChannel):
        lists = {}

        def __init__(self, connection, **kwargs):
            super().__init__(connection, **kwargs)
            self.no_ack_consumers = set()

        def basic_consume(self, queue, no_ack=False, *args, **kwargs):
            tag = super().basic_consume(queue, no_ack, *args, **kwargs)
            if no_ack:
                self.no_ack_consumers.add(tag)
            return tag

    with connect(Channel) as connection:
        Producer(connection).publish("m", routing_key="loose")
        got = []
        with Consumer(connection, [Queue("loose")], on_message=got.append, no_ack=True):
            connection.drain_events(timeout=5)
        got[0].ack()
        Producer(connection).publish("m", routing_key="strict")
        with Consumer(connection, [Queue("strict")], on_message=got.append):
            connection.drain_events(timeout=5)
        got[1].ack()
        assert got[1].acknowledged


def test_restore_at_beginning_is_called_in_order():
    restored = []

    class Channel(ListChannel):
        lists = {}

        def _restore_at_beginning(self, message):
            restored.append(message.payload)
            super()._restore_at_beginning(message)

    with connect(Channel) as connection:
        channel = connection.channel()
        for n in range(2):
            Producer(channel).publish(n, routing_key="front")
        got = [channel.basic_get("front") for _ in range(2)]
        got[1].requeue()
        got[0].requeue()
    assert restored == [1, 0]


def test_a_consumer_may_replace_what_an_estimate_allows():
    class OneAtATime(virtual.QoS):
        def can_consume_max_estimate(self):
            return 1 if not self._delivered else 0

    class Channel(ListChannel):
        QoS = OneAtATime
        lists = {}

    with connect(Channel) as connection:
        producer = Producer(connection)
        for n in range(3):
            producer.publish(n, routing_key="est")
        got = []
        with Consumer(connection, [Queue("est")], on_message=got.append):
            connection.drain_events(timeout=5)
            with pytest.raises(TimeoutError):
                connection.drain_events(timeout=0.1)
            got[0].ack()
            connection.drain_events(timeout=5)
            assert [message.payload for message in got] == [0, 1]


# -- over a backend ----------------------------------------------------------------------------


def test_times_hold_where_the_backend_stores_the_messages():
    class Special(memory.Channel.Message):
        pass

    class Channel(memory.Channel):
        Message = Special

    with connect(Channel, memory.Transport) as connection:
        channel = connection.channel()
        Queue("timed")(channel).declare()
        producer = Producer(channel)
        producer.publish("gone", routing_key="timed", expiration=0.0001)
        producer.publish("later", routing_key="timed", delay=60)
        producer.publish("now", routing_key="timed", expiration=60)
        message = channel.basic_get("timed")
        assert type(message) is Special
        assert message.payload == "now"
        assert channel.basic_get("timed") is None


def test_a_requeue_for_later_goes_to_the_backend_or_says_that_it_can_t():
    with connect(StampingChannel, StampingTransport) as connection:
        channel = connection.channel()
        Producer(channel).publish("m", routing_key="stamped-later")
        message = channel.basic_get("stamped-later")
        message.requeue(delay=60)
        assert channel.basic_get("stamped-later") is None
    with connect(ListChannel) as connection:
        channel = connection.channel()
        Producer(channel).publish("m", routing_key="list-later")
        message = channel.basic_get("list-later")
        with pytest.raises(ChannelError, match="can't delay"):
            message.requeue(delay=60)
        message.requeue(delay=0)
        assert channel.basic_get("list-later").delivery_info["redelivered"]
