"""Every form of URL leads to the server: TCP, TLS, unix socket, users, databases, sentinels."""

from __future__ import annotations

import re
import time
import uuid
from queue import Empty
from typing import TYPE_CHECKING, Any

import pytest
from redis_sentinel import Sentinel

from kombu import Connection
from kombu.exceptions import ConnectionError as BrokerConnectionError
from kombu.exceptions import KombuError, RecoverableConnectionError
from kombu.testing.fixtures import server_fixture
from kombu.testing.kit import wait_until
from kombu.testing.runs import patient
from kombu.testing.servers import Redis
from kombu.testing.servers.base import ask

if TYPE_CHECKING:
    from collections.abc import Iterator

secured = server_fixture(
    Redis, lambda: Redis(tls=True, users={"alice": "s%c/r@t", "bob": "x"}), scope="module"
)


def works(url: str, **options: Any) -> None:
    """A message goes there and comes back."""
    name = f"address-{uuid.uuid4().hex[:8]}"
    with Connection(url, **options) as connection:
        queue = connection.SimpleQueue(name)
        queue.put("m")
        message = queue.get(timeout=5)
        assert message.payload == "m"
        message.ack()
        queue.close()


def test_by_tcp_with_a_user(secured: Redis) -> None:
    works(secured.url)


def test_by_a_unix_socket(secured: Redis) -> None:
    works(secured.socket_url)


def test_by_tls_that_is_verified(secured: Redis) -> None:
    works(secured.tls_url)


def test_by_tls_that_the_arguments_describe(secured: Redis) -> None:
    plain = f"redis://alice:s%25c%2Fr%40t@localhost:{secured.tls_port}/0"
    works(plain, ssl={"ssl_ca_certs": str(secured.certificates.authority)})


def test_rediss_verifies_unless_it_is_told_not_to(secured: Redis) -> None:
    url = f"rediss://alice:s%25c%2Fr%40t@127.0.0.1:{secured.tls_port}/0"
    with Connection(url) as connection, pytest.raises(RecoverableConnectionError) as caught:
        connection.connect()
    assert "CERTIFICATE_VERIFY_FAILED" in str(caught.value)
    works(f"{url}?ssl_cert_reqs=none")


def test_a_wrong_password_is_told_and_not_shown(secured: Redis) -> None:
    url = f"redis://alice:wr0ng@127.0.0.1:{secured.port}/0"
    with Connection(url) as connection, pytest.raises(BrokerConnectionError) as caught:
        connection.connect()
    assert f"127.0.0.1:{secured.port}" in str(caught.value)
    assert "wr0ng" not in str(caught.value)


@pytest.mark.parametrize("form", ["path", "query"])
def test_databases_are_apart(secured: Redis, form: str) -> None:
    name = f"db-{uuid.uuid4().hex[:8]}"
    if form == "path":
        first, second = secured.url, secured.url.removesuffix("0") + "1"
    else:
        first, second = secured.socket_url, f"{secured.socket_url}?virtual_host=1"
    with Connection(first) as here, Connection(second) as there:
        here.SimpleQueue(name).put("m")
        assert there.SimpleQueue(name).qsize() == 0
        assert here.SimpleQueue(name).qsize() == 1
        here.SimpleQueue(name).clear()


def test_nobody_there_is_told_in_time_with_host_and_port() -> None:
    began = time.monotonic()
    with (
        Connection("redis://127.0.0.1:1/0", connect_timeout=1) as connection,
        pytest.raises(RecoverableConnectionError) as caught,
    ):
        connection.connect()
    assert "127.0.0.1:1" in str(caught.value)
    assert time.monotonic() - began < 1.5


def test_a_database_that_is_no_number_is_refused() -> None:
    with Connection("redis://127.0.0.1:1/zero") as connection, pytest.raises(ValueError) as caught:
        connection.connect()
    assert "wanted is a number" in str(caught.value)


@pytest.fixture(scope="module")
def watched(secured: Redis) -> Iterator[tuple[Redis, Sentinel]]:
    with Redis(options={"repl-diskless-sync-delay": "0"}) as master:
        replica = Redis(options={"replicaof": f"{master.host} {master.port}"})
        with replica, Sentinel(master, down_after=0.5) as sentinel:
            wait_until(lambda: replicas_of(sentinel) == 1, "the sentinel knows it", 20)
            address = (master.host, master.port)
            wait_until(
                lambda: b"state=online" in ask(address, b"INFO replication\r\n"), "it follows", 20
            )
            yield master, sentinel


def replicas_of(sentinel: Sentinel) -> int:
    answer = ask((sentinel.host, sentinel.port), b"SENTINEL REPLICAS mine\r\n")
    return int(answer[1 : answer.index(b"\r")])


def followed(master: Redis) -> bool:
    """Whether the replica has all that was written so far."""
    told = ask((master.host, master.port), b"INFO replication\r\n").decode()
    here = re.search(r"master_repl_offset:(\d+)", told)
    there = re.search(r"slave0:.*offset=(\d+)", told)
    return bool(here and there) and there[1] == here[1]


@pytest.mark.timeout(300)
def test_sentinels_name_the_master_and_the_next_one(watched: tuple[Redis, Sentinel]) -> None:
    master, sentinel = watched
    # Sentinels cut the lines to a server that they promote: what was just fetched is held then.
    options = {"master_name": "mine", "lease": 2}
    urls = f"sentinel://127.0.0.1:1;{sentinel.url}"
    works(urls, transport_options=options)
    works(f"{sentinel.url}/1", transport_options=options)
    with Connection(sentinel.url, transport_options=options) as connection:
        connection.SimpleQueue("kept").put("m")
        # Or it is gone with the master: Redis confirms before its replicas have anything.
        wait_until(lambda: followed(master), "the replica has it", 20)
        master.kill9()
        # A sentinel that was held up for two seconds does nothing for thirty (its TILT mode).
        deadline = time.monotonic() + patient(75)
        message = None
        while message is None and time.monotonic() < deadline:
            try:
                connection.collect()
                message = connection.SimpleQueue("kept").get(timeout=1)
            except (OSError, KombuError, Empty):
                time.sleep(0.1)  # the next one is not the master yet
        assert message is not None
        assert message.payload == "m"
        message.ack()


def test_sentinels_that_know_no_such_master_say_so(watched: tuple[Redis, Sentinel]) -> None:
    url = watched[1].url
    with (
        Connection(url, transport_options={"master_name": "other"}) as connection,
        pytest.raises(RecoverableConnectionError) as caught,
    ):
        connection.connect()
    assert "'other'" in str(caught.value)


def test_a_missing_master_name_is_told() -> None:
    with Connection("sentinel://127.0.0.1:1") as connection, pytest.raises(ValueError) as caught:
        connection.connect()
    assert "master_name" in str(caught.value)
