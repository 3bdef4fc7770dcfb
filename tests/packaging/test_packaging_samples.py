"""Sample plugins, installed from their wheels and used."""

from __future__ import annotations

import tokenize
from typing import TYPE_CHECKING

import pytest
from wheels import SAMPLES

if TYPE_CHECKING:
    from wheels import Environment

pytestmark = pytest.mark.packaging


def test_a_transport_takes_less_than_100_logical_lines() -> None:
    lines = 0
    for path in (SAMPLES / "transport").rglob("*.py"):
        with path.open("rb") as source:
            lines += sum(t.type == tokenize.NEWLINE for t in tokenize.tokenize(source.readline))
    assert 50 < lines < 100


def test_what_is_installed_is_listed_from_metadata(plugged: Environment) -> None:
    code = """if True:
        import sys
        from kombu.plugins import installed
        for row in installed():
            print(row.group, row.name, row.distribution, row.version)
        print([name for name in sys.modules if name.startswith("kombu_")])
        """
    assert plugged.run(code).splitlines() == [
        "kombu.transports memory kombu-memory 6.0.0",
        "kombu.transports sample kombu-sample-transport 1.0",
        "kombu.serializers sample-literal kombu-sample-serializer 1.0",
        "kombu.compressors sample-deflate kombu-sample-compressor 1.0",
        "kombu.compressors sample-raw kombu-sample-compressor 1.0",
        "kombu.exchange_types x-longest-prefix kombu-sample-exchange-type 1.0",
        "kombu.plugins sample-wrapper kombu-sample-wrapper 1.0",
        "[]",
    ]


def test_the_sample_store_fits_the_interface_of_a_backend(plugged: Environment) -> None:
    code = """if True:
        import threading, time
        from types import SimpleNamespace
        from kombu.transport.backend import Backend, Envelope, QueueSpec, Role, Session, Want, Wants
        from kombu_sample_transport.store import Store

        def soon(seconds=5.0):
            return time.monotonic() + seconds

        store = Store(SimpleNamespace(virtual_host=None), None)
        sender, receiver = store.open(Role.COMMAND, soon()), store.open(Role.RECEIVE, soon())
        print(isinstance(store, Backend), isinstance(sender, Session))
        for name in ("a", "b"):
            sender.declare_queue(QueueSpec(name), soon())
        envelopes = [Envelope(str(n), None, None, {}, {}, "", "") for n in range(6)]
        refused = sender.put([("a", e) for e in envelopes[:5]] + [("b", envelopes[5])], soon())
        wants = Wants(a=Want(3), b=Want(10), c=Want(0))
        print(list(refused), [(d.queue, d.envelope.body) for d in receiver.fetch(wants, 3, soon())])
        sender.put([("b", envelopes[5])], soon())
        print(sorted({receiver.fetch(wants, 1, soon())[0].queue for _ in range(2)}))
        print(sender.size("a", soon()), sender.delete_queue("a", soon(), if_empty=True))
        print(sender.purge("a", soon()))
        begun = time.monotonic()
        print(receiver.fetch(wants, 1, soon(0.1)), 0.1 <= time.monotonic() - begun < 1)
        threading.Timer(0.1, receiver.interrupt).start()
        print(receiver.fetch(wants, 1, soon()), time.monotonic() - begun < 2)
        print(sender.delete_queue("a", soon()), sender.find_queue("a", soon()))
        print(sender.find_queue("b", soon())[1])
        """
    assert plugged.run(code).splitlines() == [
        "True True",
        "[] [('a', '0'), ('b', '5'), ('a', '1')]",
        "['a', 'b']",
        "2 None",
        "2",
        "[] True",
        "[] True",
        "0 None",
        "0",
    ]


@pytest.mark.usefixtures("connection")
def test_a_backend_gets_its_transport_class_from_the_core(plugged: Environment) -> None:
    code = """if True:
        from kombu.transport import get_transport_cls
        cls = get_transport_cls("sample")
        print(cls.driver_type, cls is get_transport_cls("sample"))
        from kombu_sample_transport.store import Store
        from kombu import Connection
        print(type(cls(Connection("sample://")).new_backend()) is Store)
        """
    assert plugged.run(code) == "sample True\nTrue"


def test_the_serializer_is_found_by_name_and_content_type(plugged: Environment) -> None:
    code = """if True:
        from kombu.plugins import find_serializer, find_serializer_for
        spec = find_serializer_for("application/x-sample-literal")
        print(spec == find_serializer("sample-literal"), spec.decoder(spec.encoder({1: (2, 3)})))
        """
    assert plugged.run(code) == "True {1: (2, 3)}"


def test_the_compressor_is_found_by_all_its_names(plugged: Environment) -> None:
    code = """if True:
        from kombu.plugins import find_compressor
        names = "sample-deflate", "sample-raw", "application/x-sample-deflate"
        specs = {find_compressor(name) for name in names}
        spec = specs.pop()
        small = spec.encoder(b"a" * 1000)
        print(specs, len(small) < 20, spec.decoder(small) == b"a" * 1000)
        """
    assert plugged.run(code) == "set() True True"


def test_the_exchange_type_routes(plugged: Environment) -> None:
    code = """if True:
        from kombu.plugins import find_exchange_type
        from kombu.transport.backend import Binding
        bindings = [Binding("calls", queue, queue) for queue in ("4", "49", "1", "49")]
        route = find_exchange_type("x-longest-prefix").route
        print([b.destination for b in route(bindings, "4930", {})], route(bindings, "7", {}))
        """
    assert plugged.run(code) == "['49', '49'] []"


def test_the_wrapping_plugin_sees_a_transport_being_opened(plugged: Environment) -> None:
    # The transport is the standard library's SimpleNamespace, which takes a client too.
    code = """if True:
        import sys
        from kombu.plugins import TransportSpec, open_transport
        spec = TransportSpec("own", ("own",), transport="types:SimpleNamespace")
        print("kombu_sample_wrapper" in sys.modules)
        transport = open_transport(spec, "the client")
        from kombu_sample_wrapper import opened
        print(transport.client, opened == [("own", transport)])
        """
    assert plugged.run(code) == "False\nthe client True"


@pytest.mark.usefixtures("connection")
def test_all_samples_work_together(plugged: Environment) -> None:
    code = """if True:
        from kombu import Connection, Consumer, Exchange, Producer, Queue
        from kombu_sample_wrapper import opened

        calls = Exchange("calls", type="x-longest-prefix")
        queues = [Queue(f"to-{key}", calls, routing_key=key) for key in ("4", "49")]
        received = []

        def receive(body, message):
            received.append((message.delivery_info["routing_key"], body))
            message.ack()

        with Connection("sample://") as connection:
            producer = Producer(connection, calls, serializer="sample-literal")
            with Consumer(
                connection, queues, callbacks=[receive], accept=["sample-literal"]
            ) as consumer:
                producer.publish({(1, 2): b"3"}, routing_key="4930", compression="sample-deflate")
                connection.drain_events(timeout=5)
                left = [queue(connection.default_channel).queue_declare().message_count
                        for queue in queues]
        print(received, left, [name for name, _ in opened])
        """
    assert plugged.run(code) == "[('4930', {(1, 2): b'3'})] [0, 0] ['sample']"


@pytest.mark.usefixtures("connection")
def test_the_sample_transport_keeps_order_and_wakes_a_waiting_consumer(
    plugged: Environment,
) -> None:
    code = """if True:
        import threading, time
        from kombu import Connection

        with Connection("sample://") as sender, Connection("sample://") as receiver:
            inbox = receiver.SimpleQueue("inbox")
            outbox = sender.SimpleQueue("inbox")
            for number in range(100):
                outbox.put(number)
            bodies = []
            for _ in range(100):
                message = inbox.get(timeout=5)
                bodies.append(message.payload)
                message.ack()
            threading.Timer(0.2, outbox.put, ["late"]).start()
            begun = time.monotonic()
            late = inbox.get(timeout=5)
            late.ack()
            print(bodies == list(range(100)), late.payload, time.monotonic() - begun < 2)
        """
    assert plugged.run(code) == "True late True"


@pytest.mark.usefixtures("connection", "memory_plugin")
def test_the_memory_plugin_works_from_its_wheel(plugged: Environment) -> None:
    code = """if True:
        from kombu import Connection
        with Connection("memory://") as connection:
            queue = connection.SimpleQueue("inbox")
            queue.put({"hello": "world"})
            message = queue.get(timeout=5)
            message.ack()
            print(message.payload)
        """
    assert plugged.run(code) == "{'hello': 'world'}"
