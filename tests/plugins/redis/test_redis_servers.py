"""R-28 to R-31: sentinels and a master that is cut off, TLS, users and their passwords."""

from __future__ import annotations

import contextlib
import time
import uuid
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from redis_scenarios import LOST, Work, declared, looking
from redis_sentinel import DOWN_AFTER, Sentinel

from full_scale import record
from kombu import Connection
from kombu.exceptions import AccessRefused, KombuError
from kombu.testing.checks import returns_within
from kombu.testing.kit import Inbox, wait_until
from kombu.testing.servers import Redis
from kombu.testing.servers.certificates import Certificates

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.timeout(180)
def test_r28_writes_move_away_from_a_master_that_is_cut_off(name: str) -> None:
    """It is frozen and not dead; when it is back it takes no writes that would be lost."""
    options = {
        "repl-diskless-sync-delay": "0",
        "min-replicas-to-write": "1",
        "min-replicas-max-lag": "1",
    }
    with contextlib.ExitStack() as stack:
        master = stack.enter_context(Redis(options=options))
        replica = stack.enter_context(Redis(options={"replicaof": f"{master.host} {master.port}"}))
        sentinels = [stack.enter_context(Sentinel(master)) for _ in range(1)]
        sentinel = sentinels[0]
        look = stack.enter_context(looking(sentinel))
        wait_until(lambda: len(look.execute_command("SENTINEL", "REPLICAS", "mine")) == 1, "", 30)
        old, new = (stack.enter_context(looking(server)) for server in (master, replica))
        wait_until(lambda: old.info("replication").get("min_slaves_good_slaves") == 1, "good", 20)
        stale = stack.enter_context(Connection(master.url))
        declared(stale, name)
        given = {"master_name": "mine", "socket_timeout": 1}
        with Work(sentinel.url, name, rate=100, options=given) as work:
            master.pause()
            paused = time.monotonic()
            # It is noticed after DOWN_AFTER, the sentinels take their turn, clients come after.
            took = work.goes_on(paused + 0.1, within=2 * DOWN_AFTER + 12)
            assert new.info("replication")["role"] == "master"
            master.resume()
            wait_until(
                lambda: (
                    old.info("replication")["role"] == "slave"
                    or old.info("replication").get("min_slaves_good_slaves") == 0
                ),
                "the old one notices",
                10,
            )
            with pytest.raises(LOST, match="takes no commands now"):
                stale.Producer().publish("lost", routing_key=name)
            work.goes_on(time.monotonic())
        wait_until(lambda: old.info("replication")["role"] == "slave", "it follows", 20)
        stale.collect(socket_timeout=1)
    record("redis: R-28, a master cut off", took, down_after=DOWN_AFTER)


def query(**options: Any) -> dict[str, Any]:
    return {f"ssl_{name}": str(value) for name, value in options.items()}


@pytest.mark.parametrize(
    "wrong", ["nothing", "authority", "host", "expired", "no certificate", "no verification"]
)
def test_r29_only_what_is_right_connects_by_tls(wrong: str, tmp_path: Path) -> None:
    """The default verifies; a server may want a certificate of its clients."""
    with Redis(tls=True, options={"tls-auth-clients": "yes"}) as server:
        certificates = server.certificates
        if wrong == "host":
            given = certificates.issue("elsewhere.example", file="other")
        elif wrong == "expired":
            past = datetime.now(timezone.utc) - timedelta(days=2)
            given = certificates.issue(
                file="other", not_before=past - timedelta(days=9), not_after=past
            )
        else:
            given = None
        if given is not None:
            with looking(server) as look:
                pair = (str(given.certificate), "tls-key-file", str(given.key))
                look.config_set("tls-cert-file", *pair)
        mine = certificates.issue("client", file="client")
        trusted = certificates.authority
        if wrong == "authority":
            trusted = Certificates(tmp_path / "stranger").authority
        ssl: dict[str, Any] = query(ca_certs=trusted, certfile=mine.certificate, keyfile=mine.key)
        if wrong == "no certificate":
            ssl = query(ca_certs=trusted)
        if wrong == "no verification":
            ssl = query(cert_reqs="none", certfile=mine.certificate, keyfile=mine.key)
        url = f"rediss://127.0.0.1:{server.tls_port}/0"
        with Connection(url, ssl=ssl) as connection:
            if wrong in ("nothing", "no verification"):
                queue = connection.SimpleQueue(f"tls-{uuid.uuid4().hex[:8]}")
                queue.put("m")
                queue.get(timeout=5).ack()
                return
            with pytest.raises((KombuError, OSError)) as caught:
                returns_within(5, lambda: connection.connect(timeout=5))
            assert str(server.tls_port) in str(caught.value)


def test_r30_sentinels_behind_tls_with_users(name: str) -> None:
    """Their own user and authority are apart from the server's."""
    with contextlib.ExitStack() as stack:
        master = stack.enter_context(Redis(users={"alice": "secret"}))
        sentinel = stack.enter_context(Sentinel(master, secured=True))
        options: dict[str, Any] = {
            "master_name": "mine",
            "sentinel_kwargs": {
                "ssl": True,
                "ssl_ca_certs": str(sentinel.certificates.authority),
                "username": "watcher",
                "password": "w0rd",
            },
        }
        url = f"sentinel://alice:secret@{sentinel.host}:{sentinel.tls_port}/0"
        with Connection(url, transport_options=options) as connection:
            queue = connection.SimpleQueue(name)
            queue.put("m")
            queue.get(timeout=5).ack()
        right = options["sentinel_kwargs"]
        for kwargs in (
            {**right, "password": "wrong"},
            {**right, "ssl_ca_certs": None},
            {"username": "watcher", "password": "w0rd"},
        ):
            given = {**options, "sentinel_kwargs": kwargs}
            with Connection(url, transport_options=given) as connection:
                with pytest.raises((KombuError, OSError)) as caught:
                    returns_within(5, lambda: connection.connect(timeout=5))
                assert "No sentinel" in str(caught.value)
        unsure = {**options, "min_other_sentinels": 1}
        with (
            Connection(url, transport_options=unsure) as connection,
            pytest.raises(KombuError, match="min_other_sentinels wants 1"),
        ):
            connection.connect()


class Provider:
    """Gives the password that is right just now, as those of cloud services do."""

    def __init__(self) -> None:
        self.word = "first"
        self.asked = 0

    def get_credentials(self) -> tuple[str, str]:
        self.asked += 1
        return "rotating", self.word

    async def get_credentials_async(self) -> tuple[str, str]:
        return self.get_credentials()


@pytest.mark.parametrize("way", ["provider", "both passwords"])
def test_r31_rotated_credentials_drop_nothing(server: Redis, name: str, way: str) -> None:
    """A provider is asked whenever a line is opened; two passwords may hold for a while."""
    from redis.credentials import CredentialProvider

    class ForDriver(Provider, CredentialProvider):  # type: ignore[misc]  # the driver has no types
        pass

    provider = ForDriver()
    with looking(server) as look:
        allow(look, "first")
        url = server.url.replace("redis://", "redis://rotating:first@")
        arguments: dict[str, Any] = {}
        if way == "provider":
            url, arguments = server.url, {"credential_provider": provider}
        try:
            given = {"lease": 2}
            with (
                Connection(url, transport_options=given, **arguments) as connection,
                Connection(url, transport_options=given, **arguments) as sender,
            ):
                queue = declared(connection, name)
                inbox = Inbox(connection, queue)
                for number, word in enumerate(["second", "third"]):
                    producer = sender.Producer()
                    producer.publish(number, routing_key=name)
                    inbox.wait(number * 2 + 1)
                    allow(look, word, keep=way == "both passwords")
                    provider.word = word
                    if way == "provider":
                        # As a server does with those whose password is old.
                        look.client_kill_filter(_type="normal", skipme=True)
                    producer.publish(f"{number}b", routing_key=name, retry=True)
                    inbox = again(connection, queue, inbox, number * 2 + 2)
                bodies = inbox.bodies
                for message in inbox.messages:
                    with contextlib.suppress(*LOST):
                        message.ack()
            assert {"0b", "1b"} <= set(bodies)
            if way == "provider":
                assert provider.asked > 2
        finally:
            look.acl_deluser("rotating")


def allow(look: Any, word: str, keep: bool = False) -> None:
    look.acl_setuser(
        "rotating",
        enabled=True,
        reset=not keep,
        passwords=[f"+{word}"],
        keys=["*"],
        channels=["*"],
        categories=["+@all"],
    )


def again(connection: Any, queue: Any, inbox: Inbox, count: int) -> Inbox:
    """Wait for messages; consume anew where the line broke."""
    deadline = time.monotonic() + 10
    while True:
        try:
            inbox.wait(count, within=max(deadline - time.monotonic(), 0.1))
            return inbox
        except LOST:
            connection.collect(socket_timeout=1)
            connection.ensure_connection(interval_start=0.05, timeout=5)
            seen = inbox.messages
            inbox = Inbox(connection, queue)
            inbox.messages[:0] = seen


@pytest.mark.parametrize("what", ["password", "user", "nothing"])
def test_who_is_refused_is_told_at_once(server: Redis, what: str) -> None:
    """However long the policy would try; a server that is away is tried again."""
    with looking(server) as look:
        allow(look, "first")
        look.config_set("requirepass", "other")
        try:
            login = {"password": "rotating:wrong@", "user": "nobody:x@", "nothing": ""}[what]
            url = server.url.replace("redis://", f"redis://{login}")
            with Connection(url) as connection:
                with pytest.raises(AccessRefused) as caught:
                    returns_within(1, lambda: connection.ensure_connection(timeout=30))
                assert caught.value.reply_code == 403
                assert "wrong" not in str(caught.value)
                with pytest.raises(AccessRefused):
                    returns_within(
                        1,
                        lambda: connection.Producer().publish(
                            "m", routing_key="q", retry=True, timeout=30
                        ),
                    )
        finally:
            look.config_set("requirepass", "")
            look.acl_deluser("rotating")


def test_a_host_that_refuses_leaves_others_to_try(server: Redis) -> None:
    with Redis(users={"alice": "x"}) as other:
        bad = f"redis://alice:wrong@{other.host}:{other.port}/0"
        with Connection(f"{bad};{server.url}") as connection:
            connection.ensure_connection(interval_start=0.05, timeout=10)
            assert connection.connected


@pytest.mark.timeout(60)
def test_a_server_that_loads_or_is_away_is_tried_again(name: str) -> None:
    with Redis() as server, Connection(server.url) as connection:
        declared(connection, name)
        server.kill9()
        connection.collect(socket_timeout=1)
        failures: list[BaseException] = []

        def failed(exc: BaseException, pause: float) -> None:
            failures.append(exc)
            if len(failures) == 2:
                server.start()

        connection.ensure_connection(
            errback=failed, interval_start=0.1, interval_step=0.1, timeout=30
        )
        assert len(failures) >= 2
        assert connection.connected
