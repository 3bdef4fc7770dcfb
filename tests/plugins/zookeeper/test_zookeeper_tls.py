"""TLS and certificates of the ZooKeeper transport."""

from __future__ import annotations

import socket
import ssl
import threading
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest

from kombu import Connection
from kombu.exceptions import ConnectionError as BrokerConnectionError
from kombu.exceptions import RecoverableConnectionError
from kombu.testing.fixtures import server_fixture
from kombu.testing.servers import Certificates, ZooKeeper
from kombu.transport.tls import Tls
from kombu_zookeeper.handler import SecureHandler

if TYPE_CHECKING:
    from pathlib import Path

server = server_fixture(
    ZooKeeper, lambda: ZooKeeper(tls=True, client_certificates=True), scope="module"
)


def passes(connection: Connection, count: int = 1) -> None:
    """Messages go in and come out."""
    with connection.SimpleQueue("q") as queue:
        for number in range(count):
            queue.put({"n": number})
        for number in range(count):
            message = queue.get(timeout=5)
            assert message.payload == {"n": number}
            message.ack()
        assert queue.qsize() == 0


def secure(server: ZooKeeper, path: str = "") -> str:
    return f"zookeeper://{server.host}:{server.tls_port}/{path}"


def known(server: ZooKeeper, **more: Any) -> dict[str, Any]:
    """Options by which both sides know each other."""
    return {
        "ca_certs": str(server.certificates.authority),
        "certfile": str(server.client.certificate),
        "keyfile": str(server.client.key),
        **more,
    }


def test_messages_pass_by_tls(server: ZooKeeper) -> None:
    with Connection(server.tls_url) as connection:
        passes(connection, 50)
    with Connection(secure(server, "base"), ssl=known(server)) as connection:
        passes(connection)


def test_a_large_message_passes_by_tls(server: ZooKeeper) -> None:
    with Connection(server.tls_url) as connection, connection.SimpleQueue("large") as queue:
        queue.put("x" * 700_000)
        message = queue.get(timeout=10)
        assert len(message.payload) == 700_000
        message.ack()


def test_an_idle_consumer_is_woken_by_tls(server: ZooKeeper) -> None:
    with Connection(server.tls_url) as sender, Connection(server.tls_url) as connection:
        there, here = sender.SimpleQueue("woken"), connection.SimpleQueue("woken")
        timer = threading.Timer(1, there.put, ["now"])
        timer.start()
        began = monotonic()
        here.get(timeout=20).ack()
        assert monotonic() - began < 5
        timer.join()


def test_users_and_tls_go_together(server: ZooKeeper) -> None:
    where = f"{server.host}:{server.tls_port}"
    with Connection(f"zookeeper://me:secret@{where}/closed", ssl=known(server)) as connection:
        passes(connection)


def test_an_unknown_authority_is_told_at_once_with_what_to_set(server: ZooKeeper) -> None:
    connection = Connection(secure(server), ssl=True)
    began = monotonic()
    with pytest.raises(BrokerConnectionError, match=r"certificate.*ca_certs") as told:
        connection.ensure_connection(timeout=20)
    assert monotonic() - began < 5
    assert f"{server.host}:{server.tls_port}" in str(told.value)
    assert not isinstance(told.value, RecoverableConnectionError)


def test_a_certificate_that_is_asked_for(server: ZooKeeper, tmp_path: Path) -> None:
    stranger = Certificates(tmp_path).issue()
    authority = {"ca_certs": str(server.certificates.authority)}
    files = {"certfile": str(stranger.certificate), "keyfile": str(stranger.key)}
    for given in (authority, authority | files):
        # Which of the two is luck: the server ends the line behind its refusal.
        with pytest.raises(
            (BrokerConnectionError, ConnectionRefusedError), match=r"certfile|TLS is spoken"
        ):
            Connection(secure(server), ssl=given).connect(timeout=5)


def test_the_name_in_the_certificate_is_checked(server: ZooKeeper) -> None:
    wrong = known(server, server_hostname="other.example")
    with pytest.raises(BrokerConnectionError, match="server_hostname"):
        Connection(secure(server), ssl=wrong).connect(timeout=5)
    for less in (
        known(server, server_hostname="localhost"),
        wrong | {"check_hostname": False},
        known(server, ca_certs=None, cert_reqs=ssl.CERT_NONE),
    ):
        with Connection(secure(server), ssl=less) as connection:
            connection.connect(timeout=5)


def test_one_of_several_servers_is_enough(server: ZooKeeper) -> None:
    # The first speaks no TLS.
    url = f"zookeeper://{server.host}:{server.port};{secure(server)}"
    with Connection(url, ssl=known(server)) as connection:
        connection.connect(timeout=10)
        assert connection.connected


def test_the_wrong_protocol_is_told(server: ZooKeeper) -> None:
    with pytest.raises(ConnectionRefusedError, match="whether TLS is wanted"):
        Connection(f"zookeeper://{server.host}:{server.tls_port}/").connect(timeout=5)
    with pytest.raises(
        (BrokerConnectionError, ConnectionRefusedError), match=r"whether TLS is|does not speak TLS"
    ):
        Connection(f"zookeeper://{server.host}:{server.port}/", ssl=True).connect(timeout=5)


def test_a_server_that_is_killed_by_tls_is_a_lost_connection(server: ZooKeeper) -> None:
    with Connection(server.tls_url) as connection:
        passes(connection)
        server.kill9()
        with pytest.raises((RecoverableConnectionError, OSError)):
            connection.default_channel.queue_declare("other")
        server.start()
    with Connection(server.tls_url) as another:
        passes(another)


def test_what_was_decrypted_already_is_not_waited_for(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path)
    pair = certificates.issue()
    ours = ssl.create_default_context(cafile=certificates.authority)
    theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    theirs.load_cert_chain(pair.certificate, pair.key)
    handler = SecureHandler(Tls(ours))
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with theirs.wrap_socket(listener.accept()[0], server_side=True) as line:
            line.sendall(b"ab")
            line.recv(1)

    serving = threading.Thread(target=serve)
    serving.start()
    line = handler.create_connection(listener.getsockname(), "localhost", timeout=5)
    with listener, line:
        assert line.recv(1) == b"a"
        began = monotonic()
        assert handler.select([line], [], [], 5)[0] == [line]
        assert monotonic() - began < 1
        assert line.recv(1) == b"b"
        assert handler.select([line], [], [], 0.1)[0] == []
        line.sendall(b"x")
    serving.join()
