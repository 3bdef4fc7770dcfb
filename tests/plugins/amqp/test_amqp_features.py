"""What RabbitMQ can do is of use here: each feature that the documentation names."""

from __future__ import annotations

import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import amqp
import pytest
from amqp import spec
from broker_double import BrokerDouble

from kombu import Connection, Consumer, Exchange, Queue, exceptions
from kombu.testing.faults.proxy import Proxy
from kombu.testing.fixtures import server_fixture
from kombu.testing.kit import Inbox, wait_until
from kombu.testing.servers import RabbitMQ

if TYPE_CHECKING:
    from kombu.testing.kit import Broker

#: Who comes with a certificate needs no password; and a type of exchange of a plugin's.
extended = server_fixture(
    RabbitMQ,
    lambda: RabbitMQ(
        tls=True,
        plugins=["rabbitmq_auth_mechanism_ssl", "rabbitmq_consistent_hash_exchange"],
        options={
            "auth_mechanisms.1": "PLAIN",
            "auth_mechanisms.2": "AMQPLAIN",
            "auth_mechanisms.3": "EXTERNAL",
            "ssl_options.verify": "verify_peer",
            "ssl_options.fail_if_no_peer_cert": "false",
            "ssl_cert_login_from": "subject_alternative_name",
            "ssl_cert_login_san_type": "dns",
            "ssl_cert_login_san_index": "0",
        },
    ),
    scope="module",
)


# -- logging in -------------------------------------------------------------------------------


@pytest.mark.parametrize("by_query", [False, True])
def test_a_certificate_is_enough_to_log_in(extended: RabbitMQ, by_query: bool) -> None:
    name = f"worker{by_query:d}.test"
    pair = extended.certificates.issue(name, file=name)
    extended.control("add_user", name, "unused")
    extended.control("clear_password", name)
    extended.control("set_permissions", name, ".*", ".*", ".*")
    files = {"certfile": str(pair.certificate), "keyfile": str(pair.key)}
    ssl = {"ca_certs": str(extended.certificates.authority), **files}
    url = f"amqps://127.0.0.1:{extended.tls_port}//"
    options: dict[str, Any] = {"ssl": ssl, "login_method": "EXTERNAL"}
    if by_query:
        url += "?login_method=EXTERNAL"
        del options["login_method"]
    with Connection(url, **options) as connection:
        with connection.SimpleQueue(name) as queue:
            queue.put("by certificate")
            message = queue.get(timeout=5)
            assert message.payload == "by certificate"
            message.ack()
        assert connection.connection.authentication[0].mechanism == b"EXTERNAL"
        assert name in extended.control("list_connections", "user")


def test_a_certificate_of_nobody_is_refused(extended: RabbitMQ) -> None:
    pair = extended.certificates.issue("nobody.test", file="nobody")
    files = {"certfile": str(pair.certificate), "keyfile": str(pair.key)}
    ssl = {"ca_certs": str(extended.certificates.authority), **files}
    url = f"amqps://127.0.0.1:{extended.tls_port}//"
    with pytest.raises(amqp.AccessRefused, match="mechanism EXTERNAL"):
        Connection(url, ssl=ssl, login_method="EXTERNAL").connect()


def causes(error: BaseException | None) -> list[BaseException]:
    """An error and its causes, down to the first."""
    found: list[BaseException] = []
    while error is not None:
        assert error not in found, "it is its own cause"
        found.append(error)
        error = error.__cause__
    return found


def test_a_refused_login_names_user_broker_and_virtual_host(rabbitmq: RabbitMQ) -> None:
    where = f"at {rabbitmq.host}:{rabbitmq.port}"
    with pytest.raises(amqp.AccessRefused, match=rf"user 'guest' {where}, virtual host") as caught:
        Connection(rabbitmq.url.replace("guest:guest", "guest:wrong")).connect()
    causes(caught.value)
    with pytest.raises(amqp.NotAllowed, match=rf"user 'guest' {where}, virtual host 'nobodys'"):
        Connection(f"{rabbitmq.url.rstrip('/')}/nobodys").connect()


def test_a_lost_connection_is_named_and_has_a_cause(rabbitmq: RabbitMQ, broker: Broker) -> None:
    with Proxy(rabbitmq.host, rabbitmq.port) as proxy:
        connection = broker.connect(proxy.through(rabbitmq.url))
        inbox = Inbox(connection, broker.queue())
        proxy.reset()
        with pytest.raises(OSError, match=f"{proxy.port} is lost: ") as caught:
            inbox.connection.drain_events(timeout=5)
        assert str(caught.value).count("Errno") == 1
        assert len(causes(caught.value)) == 2
        connection.collect()


def test_tls_where_there_is_none_is_told(rabbitmq: RabbitMQ) -> None:
    url = rabbitmq.url.replace("amqp:", "amqps:")
    with pytest.raises(OSError, match=f"{rabbitmq.port}: .*Does it speak TLS at that port"):
        Connection(url).connect()


# -- declaring --------------------------------------------------------------------------------


def test_what_is_there_is_found_passively(broker: Broker, connection: Any) -> None:
    exchange, queue = broker.exchange("topic"), broker.queue()
    broker.send(queue, "m")
    # Whoever only asks need not know the type and the arguments.
    Exchange(exchange.name, "direct")(connection.channel()).declare(passive=True)
    Exchange(exchange.name, "direct", passive=True)(connection.channel()).declare()
    found = Queue(queue.name, durable=False)(connection.channel()).queue_declare(passive=True)
    assert (found.queue, found.message_count, found.consumer_count) == (queue.name, 1, 0)


@pytest.mark.parametrize("kind", [Exchange, Queue])
def test_what_is_not_there_is_an_error_404(connection: Any, kind: Any) -> None:
    bound = kind("kit-nowhere")(connection.channel())
    declare = bound.declare if kind is Exchange else bound.queue_declare
    with pytest.raises(amqp.NotFound) as caught:
        declare(passive=True)
    assert caught.value.reply_code == 404
    assert isinstance(caught.value, exceptions.ChannelError)
    # The channel is of use again.
    connection.channel().queue_declare(exclusive=True)


def test_a_type_of_exchange_that_only_the_broker_knows_is_of_use(extended: RabbitMQ) -> None:
    with Connection(extended.url) as connection:
        channel = connection.channel()
        exchange = Exchange("hashed", "x-consistent-hash", auto_delete=True)
        queues = [
            Queue(f"part-{number}", exchange, routing_key="1", exclusive=True)(channel)
            for number in range(2)
        ]
        for queue in queues:
            queue.declare()
        producer = connection.Producer(channel)
        for number in range(200):
            producer.publish(number, exchange=exchange, routing_key=f"key-{number}")
        producer.flush(timeout=5)
        counts = [queue.queue_declare(passive=True).message_count for queue in queues]
    assert sum(counts) == 200
    assert all(counts), counts


def test_a_type_of_exchange_that_the_broker_does_not_know_is_an_error(
    broker: Broker, connection: Any
) -> None:
    with pytest.raises(exceptions.ConnectionError, match="x-nobodys"):
        Exchange(broker.name("x"), "x-nobodys")(connection.channel()).declare()


# -- consuming --------------------------------------------------------------------------------


def test_an_exclusive_consumer_is_alone(broker: Broker, connection: Any) -> None:
    queue, other = broker.queue(), broker.connect().channel()
    channel = connection.channel()
    channel.basic_consume(queue.name, consumer_tag="only", exclusive=True)
    with pytest.raises(amqp.AccessRefused, match="exclusive") as caught:
        other.basic_consume(queue.name, consumer_tag="second")
    assert isinstance(caught.value, exceptions.ChannelError)
    channel.basic_cancel("only")
    assert Inbox(broker.connect(), queue).messages == []


def test_an_exclusive_consumer_is_refused_where_there_is_one(
    broker: Broker, connection: Any
) -> None:
    queue = broker.queue()
    Inbox(broker.connect(), queue)
    with pytest.raises(amqp.AccessRefused, match="exclusive"):
        connection.channel().basic_consume(queue.name, consumer_tag="late", exclusive=True)


# -- confirms ---------------------------------------------------------------------------------


def test_confirms_are_asked_for_by_the_first_publish() -> None:
    """A channel that only consumes, or is about to be in a transaction, has none."""
    with BrokerDouble() as double:
        connection = Connection(double.url, heartbeat=0)
        channel = connection.channel()
        channel.queue_declare("q")
        heard = [sig for _, sig in double.heard]
        assert spec.Confirm.Select not in heard
        channel.basic_publish(channel.prepare_message("m"), "", "q")
        wait_until(lambda: (1, spec.Basic.Publish) in double.heard, "it is published")
        heard = [sig for _, sig in double.heard]
        assert heard.index(spec.Confirm.Select) < heard.index(spec.Basic.Publish)
        channel.basic_publish(channel.prepare_message("m"), "", "q")
        wait_until(
            lambda: [sig for _, sig in double.heard].count(spec.Basic.Publish) == 2, "a second"
        )
        assert [sig for _, sig in double.heard].count(spec.Confirm.Select) == 1
        connection.collect()


def test_a_message_of_the_window_that_fits_no_queue_is_for_on_return(broker: Broker) -> None:
    queue, connection = broker.queue(), broker.connect()
    returned: list[Any] = []
    producer = connection.Producer(on_return=lambda *given: returned.append(given))
    producer.publish("before", routing_key=queue.name)
    producer.publish("lost", routing_key="kit-nowhere", mandatory=True)
    producer.publish("after", routing_key=queue.name)
    producer.flush(timeout=5)
    assert len(returned) == 1
    assert "lost" in str(returned[0][-1].body)
    broker.holds(queue, "before", "after")


def test_what_can_not_be_sent_at_the_end_of_the_process_is_logged(
    broker: Broker, rabbitmq: RabbitMQ
) -> None:
    """And the end is held up for no longer than told; nothing is printed by the library itself."""
    program = (
        "import logging, sys; from kombu import Connection; from kombu_amqp.publish import outbox\n"
        "logging.basicConfig(format='%(name)s: %(message)s'); outbox.AT_EXIT = 0.5\n"
        "producer = Connection(sys.argv[1]).Producer()\n"
        "producer.publish(0, routing_key=sys.argv[2]); producer.flush()\n"
        "print('flushed', flush=True); sys.stdin.read(1)\n"
        "for number in range(7): producer.publish(number, routing_key=sys.argv[2])\n"
    )
    with Proxy(rabbitmq.host, rabbitmq.port) as proxy:
        process = subprocess.Popen(
            [sys.executable, "-c", program, proxy.through(rabbitmq.url), broker.queue().name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "flushed\n"
        proxy.blackhole()
        out, err = process.communicate("x", timeout=30)
    assert (process.returncode, out) == (0, "")
    assert err.startswith("kombu_amqp.publish.outbox: at the end of the process: ")
    assert "7 messages" in err
    assert len(err.splitlines()) == 1


# -- options ----------------------------------------------------------------------------------


def test_options_are_passed_on_to_py_amqp(broker: Broker) -> None:
    raw = broker.connect(
        frame_max=8192,
        locale="en_GB",
        login_method="AMQPLAIN",
        socket_settings={socket.TCP_USER_TIMEOUT: 4321},
    ).connection
    assert raw.frame_max == 8192
    assert raw.locale == "en_GB"
    assert raw.authentication[0].mechanism == b"AMQPLAIN"
    assert raw.sock.getsockopt(socket.SOL_TCP, socket.TCP_USER_TIMEOUT) == 4321


# -- recovery ---------------------------------------------------------------------------------


def test_after_a_loss_topology_limit_and_consumers_are_there_again(
    rabbitmq: RabbitMQ, broker: Broker
) -> None:
    """What the broker deleted with the connection is declared again by the same consumer."""
    exchange = Exchange(broker.name("x"), "topic", auto_delete=True)
    queue = Queue(broker.name(), exchange, routing_key="a.*", exclusive=True)
    got: list[Any] = []
    with Proxy(rabbitmq.host, rabbitmq.port) as proxy:
        connection = broker.connect(proxy.through(rabbitmq.url))
        consumer = Consumer(connection.channel(), [queue], on_message=got.append, prefetch_count=2)
        consumer.consume()
        proxy.reset()
        with pytest.raises(connection.connection_errors):
            connection.drain_events(timeout=5)
        # The broker has deleted the queue, and the exchange with its last binding.
        wait_until(lambda: queue.name not in rabbitmq.control("list_queues", "name"), "it is gone")
        assert exchange.name not in rabbitmq.control("list_exchanges", "name")
        connection.ensure_connection(max_retries=3, timeout=10)
        consumer.revive(connection.channel())
        consumer.consume()
        for number in range(4):
            broker.send(exchange, number, key=f"a.{number}")
        wait_until(lambda: bool(drained(connection) or len(got) >= 2), "two come")
        drained(connection)
        assert [message.payload for message in got] == [0, 1]  # the limit holds
        for message in got:
            message.ack()
        wait_until(lambda: bool(drained(connection) or len(got) == 4), "all come")
        for message in got[2:]:
            message.ack()
        consumer.cancel()


def test_after_a_loss_a_queue_that_the_broker_named_gets_a_name_again(
    rabbitmq: RabbitMQ, broker: Broker
) -> None:
    queue = Queue("", exclusive=True)
    got: list[Any] = []
    with Proxy(rabbitmq.host, rabbitmq.port) as proxy:
        connection = broker.connect(proxy.through(rabbitmq.url))
        consumer = Consumer(connection.channel(), [queue], on_message=got.append)
        consumer.consume()
        (first,) = [each.name for each in consumer.queues]
        proxy.reset()
        with pytest.raises(connection.connection_errors):
            connection.drain_events(timeout=5)
        connection.ensure_connection(max_retries=3, timeout=10)
        consumer.revive(connection.channel())
        consumer.consume()
        (second,) = [each.name for each in consumer.queues]
        assert second.startswith("amq.gen")
        assert second != first
        connection.Producer().publish("m", routing_key=second)
        wait_until(lambda: bool(drained(connection) or got), "it comes")
        got[0].ack()


def drained(connection: Any) -> None:
    """Handle what comes within a moment."""
    try:
        while True:
            connection.drain_events(timeout=0.1)
    except TimeoutError:
        pass
