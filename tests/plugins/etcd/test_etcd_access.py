"""TLS, certificates and users of the transports for etcd."""

from __future__ import annotations

import json
import logging
import ssl
import threading
import time
from queue import Queue
from time import monotonic
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import pytest

from kombu import Connection
from kombu.exceptions import ChannelError, RecoverableConnectionError
from kombu.exceptions import ConnectionError as BrokerConnectionError
from kombu.testing.fixtures import server_fixture
from kombu.testing.servers import Certificates, Etcd
from kombu.testing.servers.http import send_json
from kombu_etcd.access import Access
from kombu_etcd.address import address_of
from kombu_etcd.gateway import Gateway
from kombu_etcd.keys import Keys
from kombu_etcd.watching import Watch

if TYPE_CHECKING:
    from pathlib import Path

SCHEMES = pytest.mark.parametrize("scheme", ["etcd", "etcd2"])
PASSWORD = "s%c/r@t €"

open_to_all = server_fixture(Etcd, lambda: Etcd(tls=True), scope="module")
#: Asks for certificates, too; its tokens end after a second.
closed = server_fixture(
    Etcd,
    lambda: Etcd(
        tls=True,
        client_certificates=True,
        users={"alice": PASSWORD, "bob": "x"},
        options={"auth-token-ttl": "1", "bcrypt-cost": "4"},
    ),
    scope="module",
)


def passes(connection: Connection, name: str = "q") -> None:
    """A message goes in and comes out."""
    with connection.SimpleQueue(name) as queue:
        queue.put({"n": 1})
        message = queue.get(timeout=5)
        assert message.payload == {"n": 1}
        message.ack()
        assert queue.qsize() == 0


def plain(server: Etcd, scheme: str, login: str = "") -> str:
    return f"{scheme}://{login}{server.host}:{server.port}"


def secure(server: Etcd, scheme: str, login: str = "") -> str:
    return f"{scheme}://{login}{server.host}:{server.tls_port}"


def trusting(server: Etcd, **more: Any) -> dict[str, Any]:
    return {"ca_certs": str(server.certificates.authority), **more}


# -- TLS -------------------------------------------------------------------------------------


@SCHEMES
def test_messages_pass_by_tls(open_to_all: Etcd, scheme: str) -> None:
    with Connection(open_to_all.url_for(scheme, tls=True)) as connection:
        passes(connection)
    with Connection(secure(open_to_all, scheme), ssl=trusting(open_to_all)) as connection:
        passes(connection)


def test_a_watch_wakes_by_tls(open_to_all: Etcd) -> None:
    url = open_to_all.tls_url
    options = {"polling_interval": 30}
    with Connection(url) as sender, Connection(url, transport_options=options) as connection:
        there, here = sender.SimpleQueue("woken"), connection.SimpleQueue("woken")
        timer = threading.Timer(1, there.put, ["now"])
        timer.start()
        began = monotonic()
        here.get(timeout=20).ack()
        assert monotonic() - began < 5
        timer.join()


@SCHEMES
def test_an_unknown_authority_is_told_at_once_with_what_to_set(
    open_to_all: Etcd, scheme: str
) -> None:
    connection = Connection(secure(open_to_all, scheme), ssl=True)
    began = monotonic()
    with pytest.raises(BrokerConnectionError, match=r"certificate.*ca_certs") as told:
        connection.ensure_connection(timeout=20)
    assert monotonic() - began < 5
    assert f"{open_to_all.host}:{open_to_all.tls_port}" in str(told.value)
    assert not isinstance(told.value, RecoverableConnectionError)


def test_what_the_environment_says_of_authorities_counts_for_nothing(
    open_to_all: Etcd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # requests would take this, and not what it was given.
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(Certificates(tmp_path).authority))
    with Connection(open_to_all.tls_url) as connection:
        passes(connection)


# urllib3 says each time that nothing is verified.
@pytest.mark.filterwarnings("ignore:Unverified HTTPS")
@SCHEMES
def test_the_name_in_the_certificate_is_checked(open_to_all: Etcd, scheme: str) -> None:
    url = secure(open_to_all, scheme)
    wrong = trusting(open_to_all, server_hostname="other.example")
    with pytest.raises(BrokerConnectionError, match="server_hostname"):
        Connection(url, ssl=wrong).connect(timeout=5)
    for less in (
        trusting(open_to_all, server_hostname="localhost"),
        wrong | {"check_hostname": False},
        {"cert_reqs": ssl.CERT_NONE},
        {"ssl_cert_reqs": "none"},
    ):
        with Connection(url, ssl=less) as connection:
            passes(connection)


@SCHEMES
def test_tls_where_there_is_none_is_told(open_to_all: Etcd, scheme: str) -> None:
    # It ends the connection without a word.
    with pytest.raises(RecoverableConnectionError, match="whether TLS is spoken there"):
        Connection(plain(open_to_all, scheme), ssl=True).connect(timeout=5)


@SCHEMES
def test_no_tls_where_there_is_nothing_else_is_told(open_to_all: Etcd, scheme: str) -> None:
    with pytest.raises(RecoverableConnectionError, match="whether TLS is wanted"):
        Connection(secure(open_to_all, scheme)).connect(timeout=5)


@SCHEMES
def test_a_server_that_is_killed_by_tls_is_a_lost_connection(scheme: str) -> None:
    with Etcd(tls=True) as server, Connection(server.url_for(scheme, tls=True)) as connection:
        passes(connection)
        server.kill9()
        with pytest.raises(RecoverableConnectionError):
            connection.default_channel.queue_declare("other")
        server.start()
        passes(connection)


# -- Certificates of clients -----------------------------------------------------------------


@SCHEMES
def test_a_certificate_that_is_asked_for(closed: Etcd, scheme: str, tmp_path: Path) -> None:
    with Connection(closed.url_for(scheme, tls=True)) as connection:
        passes(connection)
    url = secure(closed, scheme, "bob:x@")
    stranger = Certificates(tmp_path).issue()
    for given in (
        trusting(closed),
        trusting(closed, certfile=str(stranger.certificate), keyfile=str(stranger.key)),
    ):
        # Which of the two is luck: the server ends the line behind its refusal.
        with pytest.raises(BrokerConnectionError, match=r"certfile|a client's certificate"):
            Connection(url, ssl=given).connect(timeout=5)


# -- Users -----------------------------------------------------------------------------------


@SCHEMES
def test_users_of_the_url(closed: Etcd, scheme: str) -> None:
    assert "alice:s%25c%2Fr%40t%20%E2%82%AC@" in closed.url
    with Connection(closed.url_for(scheme)) as connection:
        passes(connection)
    with Connection(plain(closed, scheme), userid="bob", password="x") as connection:
        passes(connection)


@SCHEMES
@pytest.mark.parametrize("login", ["bob:wrong-secret@", "nobody:wrong-secret@", ""])
def test_a_wrong_password_is_told_at_once_and_kept_to_itself(
    closed: Etcd, scheme: str, login: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    connection = Connection(plain(closed, scheme, login))
    began = monotonic()
    with pytest.raises(BrokerConnectionError, match=r"refuses.*URL") as told:
        connection.ensure_connection(timeout=20)
    assert monotonic() - began < 5
    assert told.value.reply_code == 403
    assert not isinstance(told.value, RecoverableConnectionError)
    chain: BaseException | None = told.value
    while chain is not None:
        assert "wrong-secret" not in repr(chain)
        chain = chain.__cause__ or chain.__context__
    assert "wrong-secret" not in caplog.text
    assert "wrong-secret" not in repr(connection.transport)


@SCHEMES
def test_a_user_where_everybody_may_do_everything(open_to_all: Etcd, scheme: str) -> None:
    with Connection(plain(open_to_all, scheme, "me:secret@")) as connection:
        passes(connection)


def test_a_token_that_ended_is_asked_for_anew(closed: Etcd) -> None:
    with Connection(closed.url) as connection:
        passes(connection)
        backend = connection.transport._backend
        before = backend._access.token
        assert before
        time.sleep(2.5)
        passes(connection)
        assert backend._access.token not in (None, before)


def test_a_watch_whose_token_ended_asks_for_another(closed: Etcd) -> None:
    class Listening:
        def __init__(self) -> None:
            self.bells: Queue[str | None] = Queue()

        def heard(self, bell: str | None) -> None:
            self.bells.put(bell)

    address = address_of(Connection(closed.url), "etcd")
    access = Access(address)
    access.token = "ended.1"
    watch, listening = Watch(Gateway(address, access), Keys("")), Listening()
    watch.listen(listening)
    try:
        assert listening.bells.get(timeout=5) is None
        assert access.token not in (None, "ended.1")
        with Connection(closed.url) as connection:
            connection.SimpleQueue("rung").put("now")
        assert listening.bells.get(timeout=5) == "/kombu/bells/rung"
    finally:
        watch.close()


def test_what_a_user_may_not_do_is_told() -> None:
    with Etcd(users={"root": "r"}, options={"bcrypt-cost": "4"}) as server:
        auth = f"http://{server.host}:{server.port}/v3/auth"
        answer = send_json("POST", f"{auth}/authenticate", {"name": "root", "password": "r"})
        token = {"Authorization": json.loads(answer)["token"]}
        user = json.dumps({"name": "eve", "password": "e"}).encode()
        urlopen(Request(f"{auth}/user/add", user, token), timeout=5).close()
        with pytest.raises(ChannelError, match="role") as told:
            Connection(plain(server, "etcd", "eve:e@")).connect(timeout=5)
        assert told.value.reply_code == 403
