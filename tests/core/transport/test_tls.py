"""``ssl`` of a connection means the same to each transport, and errors of TLS say what to set."""

from __future__ import annotations

import socket
import ssl
import threading
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from kombu import Connection
from kombu.testing.servers import Certificates
from kombu.transport.tls import Tls, read_tls, tls_failure, tls_refused

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


def read(given: Any) -> Tls:
    tls = read_tls(given, "some")
    assert tls is not None
    return tls


@pytest.mark.parametrize("given", [None, False, {}])
def test_nothing_is_no_tls(given: Any) -> None:
    assert read_tls(given, "some") is None


def test_certificate_and_name_are_checked_unless_told_otherwise(
    certificates: Certificates,
) -> None:
    for given in (True, {"ca_certs": str(certificates.authority)}, {"cert_reqs": "required"}):
        context = read(given).context
        assert context.verify_mode == ssl.CERT_REQUIRED
        assert context.check_hostname
    context = read({"check_hostname": False}).context
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, False)
    for mode in (ssl.CERT_NONE, 0, "none", "CERT_NONE"):
        context = read({"cert_reqs": mode}).context
        assert (context.verify_mode, context.check_hostname) == (ssl.CERT_NONE, False)


def test_only_the_authority_that_is_named_is_trusted(certificates: Certificates) -> None:
    assert len(read({"ca_certs": certificates.authority}).context.get_ca_certs()) == 1


def test_the_query_of_a_url_says_the_same(certificates: Certificates) -> None:
    trust = f"ssl_ca_certs={certificates.authority}&ssl_check_hostname=false&ssl_server_hostname=h"
    tls = read(Connection(f"etcd://h/?{trust}").ssl)
    assert len(tls.context.get_ca_certs()) == 1
    assert not tls.context.check_hostname
    assert tls.server_hostname == "h"


def test_what_is_not_known_is_refused() -> None:
    with pytest.raises(TypeError, match=r"some transport is str.*dictionary"):
        read_tls("yes", "some")
    with pytest.raises(ValueError, match=r"some transport.*'keyfil'.*'keyfile'"):
        read_tls({"keyfil": "k"}, "some")
    with pytest.raises(ValueError, match="'perhaps'"):
        read_tls({"cert_reqs": "perhaps"}, "some")
    with pytest.raises(ValueError, match="no certfile"):
        read_tls({"keyfile": "k"}, "some")


def test_a_file_that_can_not_be_read_is_named(certificates: Certificates, tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.touch()
    for path in ("/nowhere.pem", str(empty)):
        for name in ("ca_certs", "certfile"):
            with pytest.raises(ValueError, match=rf"{name}.*{path}"):
                read_tls({name: path}, "some")
    one, two = certificates.issue(file="one"), certificates.issue(file="two")
    with pytest.raises(ValueError, match=r"one\.pem.*two\.key"):
        read_tls({"certfile": str(one.certificate), "keyfile": str(two.key)}, "some")


def test_a_key_with_a_password_does_not_ask_the_terminal(certificates: Certificates) -> None:
    pair = certificates.issue()
    key = load_pem_private_key(pair.key.read_bytes(), None)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"word"))
    pair.key.write_bytes(locked)
    files = {"certfile": str(pair.certificate), "keyfile": str(pair.key)}
    with pytest.raises(ValueError, match=r"server\.key"):
        read_tls(files, "some")
    read({**files, "keyfile_password": "word"})


def handshake(client: Tls, serve: Callable[[socket.socket], object], name: str) -> BaseException:
    """What the client meets that shakes hands with `serve`, and reads."""
    here, there = socket.socketpair()
    here.settimeout(5)
    there.settimeout(5)

    def run() -> None:
        with there:
            try:
                serve(there)
            except OSError:
                pass

    thread = threading.Thread(target=run)
    thread.start()
    with (
        here,
        pytest.raises(OSError) as met,
        client.context.wrap_socket(here, server_hostname=name) as secure,
    ):
        secure.recv(1)
    thread.join()
    return met.value


def test_what_went_wrong_says_what_to_set(certificates: Certificates, tmp_path: Path) -> None:
    pair = certificates.issue("right.example")
    theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=certificates.authority)
    theirs.load_cert_chain(pair.certificate, pair.key)

    def serve(line: socket.socket) -> None:
        with theirs.wrap_socket(line, server_side=True) as secure:
            secure.recv(1)

    def answer_plainly(line: socket.socket) -> None:
        line.recv(10_000)
        line.sendall(b"HTTP/1.1 400 Bad Request\r\n")

    def told(client: Tls, name: str = "right.example", to: Any = serve) -> str:
        failure = tls_failure(handshake(client, to, name))
        assert failure is not None
        return str(tls_refused("it at host:1", failure))

    trusting = read({"ca_certs": certificates.authority})
    assert "it at host:1" in told(read(True))
    assert "ssl={'ca_certs'" in told(read(True))
    assert "server_hostname" in told(trusting, "wrong.example")
    assert "does not speak TLS" in told(trusting, to=answer_plainly)
    theirs.verify_mode = ssl.CERT_REQUIRED
    assert "ssl={'certfile'" in told(trusting)
    theirs.maximum_version = ssl.TLSVersion.TLSv1_2
    assert "ssl={'certfile'" in told(trusting)
    trusting.context.minimum_version = ssl.TLSVersion.TLSv1_3
    assert "in common" in told(trusting)


def test_a_line_that_breaks_is_no_question_of_certificates() -> None:
    assert tls_failure(handshake(read(True), lambda line: line.recv(1000), "h")) is None
    assert tls_failure(ConnectionResetError()) is None


def test_what_a_driver_wraps_is_found() -> None:
    inner = ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number")
    outer = ValueError("outer", OSError("middle"))
    outer.args[1].__cause__ = inner
    inner.__context__ = outer  # and round in a circle
    assert tls_failure(outer) is inner
