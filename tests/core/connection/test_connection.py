"""Connections: parameters, opening and closing, failover, retrying."""

from __future__ import annotations

import copy
import json
import pickle
import threading
from itertools import cycle
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest
from brokers import fresh_name, publish, waiting

from kombu import BrokerConnection, Connection, Queue
from kombu.connection import is_connection, maybe_channel
from kombu.exceptions import OperationalError, RecoverableConnectionError
from kombu.plugins import PluginNotFound
from kombu.transport import TRANSPORT_ALIASES
from kombu_memory.transport import Transport as MemoryTransport

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "s3cr3t"


class Flaky(MemoryTransport):
    """Cannot be reached as often as `failures` says; notes which hosts were tried."""

    failures = 0
    tried: list[str] = []

    def establish_connection(self) -> Any:
        self.tried.append(self.client.hostname)
        if Flaky.failures > 0:
            Flaky.failures -= 1
            raise ConnectionRefusedError(f"nobody listens at {self.client.hostname}")
        return super().establish_connection()


@pytest.fixture
def flaky() -> Iterator[type[Flaky]]:
    Flaky.failures = 0
    Flaky.tried = []
    yield Flaky
    Flaky.failures = 0


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses are noted and take no time."""
    pauses: list[float] = []
    monkeypatch.setattr("kombu.utils.functional.sleep", pauses.append)
    return pauses


# -- parameters ------------------------------------------------------------------------------


def described(connection: Connection) -> tuple[Any, ...]:
    return (
        connection.transport_cls,
        connection.hostname,
        connection.port,
        connection.userid,
        connection.password,
        connection.virtual_host,
    )


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("memory://", ("memory", None, None, None, None, "/")),
        ("memory://host", ("memory", "host", None, None, None, "/")),
        ("amqp://", ("amqp", None, None, None, None, "/")),
        ("amqp://u:p@host:5673/vh", ("amqp", "host", 5673, "u", "p", "vh")),
        ("amqp://u:p@host:5673//", ("amqp", "host", 5673, "u", "p", "/")),
        ("amqp://host//lead", ("amqp", "host", None, None, None, "/lead")),
        ("amqp://u%40x:p%2F@host//", ("amqp", "host", None, "u@x", "p/", "/")),
        ("amqp://[::1]:5673//", ("amqp", "::1", 5673, None, None, "/")),
        ("redis://host:1/2", ("redis", "host", 1, None, None, "2")),
        ("host", (None, "host", None, None, None, "/")),
    ],
)
def test_a_url_says_everything(url: str, parts: tuple[Any, ...]) -> None:
    assert described(Connection(url)) == parts


def test_arguments_fill_in_what_the_url_leaves_out() -> None:
    connection = Connection(
        "amqp://host", userid="u", password="p", virtual_host="vh", port=7, heartbeat=3
    )
    assert described(connection) == ("amqp", "host", 7, "u", "p", "vh")
    assert connection.heartbeat == 3.0
    assert described(Connection("amqp://a:b@host:5//vh", userid="u", password="p", port=7)) == (
        "amqp",
        "host",
        5,
        "a",
        "b",
        "/vh",
    )


def test_the_query_of_a_url_holds_parameters() -> None:
    connection = Connection("amqp://host//?heartbeat=20&connect_timeout=2.5&login_method=PLAIN")
    assert (connection.heartbeat, connection.connect_timeout) == (20.0, 2.5)
    assert connection.login_method == "PLAIN"
    with pytest.raises(TypeError, match="names 'visibility', which connections"):
        Connection("amqp://host//?visibility=3")


def test_a_scheme_with_a_plus_is_left_to_the_transport() -> None:
    connection = Connection(f"sqla+postgresql://u:{SECRET}@host/db")
    assert (connection.transport_cls, connection.uri_prefix) == ("sqla", "sqla")
    assert connection.hostname == f"postgresql://u:{SECRET}@host/db"
    assert connection.as_uri() == "sqla+postgresql://u:**@host/db"
    assert connection.as_uri(include_password=True) == f"sqla+postgresql://u:{SECRET}@host/db"
    twin = connection.clone()
    assert described(twin) == described(connection)
    assert twin.uri_prefix == "sqla"


def test_the_default_is_a_local_amqp_broker() -> None:
    connection = Connection()
    assert (connection.hostname, connection.transport_cls) == ("localhost", None)
    assert connection.info()["transport"] == "amqp"
    assert BrokerConnection is Connection


def test_a_missing_transport_is_told_when_it_is_needed() -> None:
    connection = Connection("gcpubsub://host")
    assert "gcpubsub://host" in repr(connection)
    for use in (connection.connect, lambda: connection.default_channel, connection.channel):
        with pytest.raises(PluginNotFound, match=r"kombu\[gcpubsub\]"):
            use()
    with pytest.raises(PluginNotFound, match="Did you mean 'memory'"):
        Connection("memroy://").connect()


# -- descriptions never show secrets ---------------------------------------------------------


@pytest.mark.parametrize(
    "connection",
    [
        Connection(f"memory://u:{SECRET}@host//"),
        Connection("memory://host//", userid="u", password=SECRET),
        Connection(f"memory://u:{SECRET}@one//;memory://v:{SECRET}@two//"),
        Connection([f"memory://u:{SECRET}@one//", f"memory://v:{SECRET}@two//"]),
        Connection("memory://one//", alternates=[f"memory://v:{SECRET}@two//"]),
        Connection(f"sqla+mysql://u:{SECRET}@host/db"),
    ],
    ids=["url", "argument", "several", "list", "alternates", "plus"],
)
def test_a_description_shows_no_password(connection: Connection) -> None:
    for _ in range(max(len(connection.alt), 1)):
        for shown in (repr(connection), str(connection), connection.as_uri()):
            assert SECRET not in shown
        connection.maybe_switch_next()


def test_the_password_is_shown_on_request() -> None:
    connection = Connection(f"memory://u:{SECRET}@host:1//")
    assert connection.as_uri() == "memory://u:**@host:1//"
    assert connection.as_uri(include_password=True) == f"memory://u:{SECRET}@host:1//"
    assert connection.as_uri(mask="##") == "memory://u:##@host:1//"


def test_the_uri_leads_to_the_same_place() -> None:
    for url in ("memory://u:p@host:1/v%2Fh", "memory://a%40b:c%2Fd@host//", "memory://host/x"):
        connection = Connection(url)
        twin = Connection(connection.as_uri(include_password=True))
        assert described(twin) == described(connection)


def test_an_error_while_connecting_shows_no_password(
    flaky: type[Flaky], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level("DEBUG")
    monkeypatch.setitem(TRANSPORT_ALIASES, "flaky", flaky)
    flaky.failures = 5
    connection = Connection(f"flaky://u:{SECRET}@one//;flaky://v:{SECRET}@two//")
    with pytest.raises(OperationalError) as caught:
        connection.ensure_connection(max_retries=0)
    assert flaky.tried == ["one", "two"]
    assert SECRET not in str(caught.value)
    assert SECRET not in caplog.text
    assert "cannot connect to" in caplog.text


# -- plain forms -----------------------------------------------------------------------------


def test_info_is_what_json_can_hold() -> None:
    connection = Connection(
        f"memory://u:{SECRET}@host//;memory://two//",
        transport_options={"lease": 3},
        heartbeat=5,
        failover_strategy="shuffle",
    )
    info = connection.info()
    assert json.loads(json.dumps(info)) == info
    assert set(info) == {
        "hostname",
        "userid",
        "password",
        "virtual_host",
        "port",
        "insist",
        "ssl",
        "transport",
        "connect_timeout",
        "transport_options",
        "login_method",
        "uri_prefix",
        "heartbeat",
        "failover_strategy",
        "alternates",
        "credential_provider",
    }
    assert (info["hostname"], info["userid"], info["password"]) == ("host", "u", SECRET)
    assert info["failover_strategy"] == "shuffle"
    assert Connection("sqla+sqlite:///x").info()["hostname"] == "sqla+sqlite:///x"


@pytest.mark.parametrize(
    "way", [copy.copy, lambda c: c.clone(), lambda c: pickle.loads(pickle.dumps(c))]
)
def test_a_copy_has_the_same_parameters(way: Any) -> None:
    connection = Connection(
        "memory://u:p@one:1/vh;memory://two:2//",
        transport_options={"lease": 3},
        heartbeat=5,
        ssl={"ca_certs": "x"},
        connect_timeout=2,
        login_method="PLAIN",
        failover_strategy="shuffle",
    )
    twin = way(connection)
    assert twin is not connection
    assert twin.info() == connection.info()
    assert twin.alt == connection.alt
    assert pickle.loads(pickle.dumps(twin)).info() == connection.info()


def test_a_copy_is_not_connected_and_can_differ(url: str) -> None:
    with Connection(url) as connection:
        connection.connect()
        twin = connection.clone(virtual_host="other", heartbeat=9)
        assert not twin.connected
        assert (twin.virtual_host, twin.heartbeat) == ("other", 9)
        assert connection.virtual_host == "/"


def test_equal_parameters_are_one_key() -> None:
    def key(*args: Any, **kwargs: Any) -> Any:
        return Connection(*args, **kwargs).__eqhash__()

    url = "memory://u:p@host:1/vh"
    assert key(url) == key(url)
    assert hash(key(url)) == hash(key(url))
    assert key(url)[4] == "vh"
    for other in (
        key("memory://u:p@host:1/other"),
        key("memory://v:p@host:1/vh"),
        key("memory://u:q@host:1/vh"),
        key("memory://u:p@other:1/vh"),
        key("memory://u:p@host:2/vh"),
        key("amqp://u:p@host:1/vh"),
        key(url, transport_options={"a": 1}),
    ):
        assert other != key(url)
    several = Connection("memory://one//;memory://two//")
    before = several.__eqhash__()
    several.maybe_switch_next()
    assert several.__eqhash__() != before


def test_host_is_name_and_port() -> None:
    assert Connection("memory://host:5//").host == "host:5"
    assert Connection("memory://").host == "localhost"


# -- opening and closing ---------------------------------------------------------------------


def test_nothing_is_opened_before_it_is_used(flaky: type[Flaky], url: str) -> None:
    connection = Connection(url, transport=flaky)
    connection.transport_cls = flaky
    assert not connection.connected
    repr(connection)
    connection.info()
    assert flaky.tried == []
    assert connection.connect() is connection.connection
    assert connection.connected
    assert len(flaky.tried) == 1
    assert connection.connect() is connection.connection
    assert len(flaky.tried) == 1
    connection.release()
    assert not connection.connected


def test_a_virtual_connection_is_its_transport(connection: Connection) -> None:
    channel = connection.channel()
    assert connection.connection is connection.transport is channel.connection
    assert channel.connection.client is connection
    assert connection.transport.client is connection


def test_the_default_channel_is_opened_again_after_it_was_closed(connection: Connection) -> None:
    channel = connection.default_channel
    assert connection.default_channel is channel
    channel.close()
    again = connection.default_channel
    assert again is not channel
    connection.close()
    assert again.closed
    assert connection.connection is None
    third = connection.default_channel
    assert not third.closed
    assert connection.connected


def test_a_closed_connection_is_opened_again_by_use(connection: Connection) -> None:
    connection.connect()
    connection.close()
    assert connection.connection is None
    assert not connection.connected
    channel = connection.channel()
    assert connection.connected
    publish(connection, "q", 1)
    assert waiting(connection, "q") == [1]
    connection.close()
    assert channel.closed
    connection.connect()
    assert connection.connected


def test_the_context_closes(url: str) -> None:
    with Connection(url) as connection:
        connection.connect()
        assert connection.connected
    assert not connection.connected


def test_collect_lets_go_and_the_next_use_connects(connection: Connection) -> None:
    old = connection.default_channel
    connection.declared_entities.add(1)
    connection.collect()
    assert old.closed
    assert not connection.declared_entities
    assert not connection.connected
    connection.collect()
    assert connection.default_channel is not old
    assert connection.connected


def test_errors_while_closing_are_logged_not_raised(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="kombu.connection")

    def lost(*args: Any) -> None:
        raise ConnectionResetError("lost already")

    for let_go in (connection.close, connection.collect):
        channel = connection.default_channel
        monkeypatch.setattr(channel, "close", lost)
        monkeypatch.setattr(connection.transport, "close_connection", lost)
        let_go()
        assert not connection.connected
        monkeypatch.undo()
        caplog.set_level("DEBUG", logger="kombu.connection")
    assert "lost already" in caplog.text


def test_connection_errors_can_be_caught(connection: Connection) -> None:
    errors = connection.connection_errors + connection.channel_errors
    assert isinstance(errors, tuple)
    caught = None
    try:
        raise ConnectionResetError("lost")
    except errors as exc:
        caught = exc
    assert str(caught) == "lost"
    assert OSError in connection.recoverable_connection_errors
    assert connection.recoverable_channel_errors == ()
    channel = connection.channel()
    with pytest.raises(connection.channel_errors):
        channel.queue_declare("absent", passive=True)


def test_a_channel_limit_is_told(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    from kombu.exceptions import ChannelLimitExceeded

    monkeypatch.setattr(connection.transport, "channel_max", 2)
    first = connection.channel()
    connection.channel()
    with pytest.raises(ChannelLimitExceeded, match="2 channels open"):
        connection.channel()
    first.close()
    assert connection.channel().channel_id == 3


def test_what_a_transport_can_do_is_told(connection: Connection) -> None:
    assert not connection.supports_heartbeats
    assert not connection.is_evented
    assert not connection.qos_semantics_matches_spec
    assert connection.supports_exchange_type("headers")
    assert not connection.supports_exchange_type("x-fancy")
    assert connection.get_heartbeat_interval() == 0
    assert connection.heartbeat_check() is None
    assert connection.register_with_event_loop(None) is None
    assert connection.transport.driver_version() == "N/A"
    assert connection.transport.implements.asynchronous is False
    assert connection.transport.default_connection_params == {
        "port": None,
        "hostname": "localhost",
    }


def test_the_manager_lists_the_bindings(connection: Connection) -> None:
    channel = connection.channel()
    channel.exchange_declare("e")
    channel.queue_declare("q")
    channel.queue_bind("q", "e", "k")
    wanted = {"source": "e", "destination": "q", "routing_key": "k"}
    assert connection.manager.get_bindings() == [wanted]
    assert connection.get_manager().get_bindings() == [wanted]
    assert list(channel.get_bindings()) == [wanted]
    assert channel.list_bindings() == [("q", "e", "k")]
    assert channel.get_table("e") == [("k", None, "q")]
    connection.manager.close()


def test_a_connection_is_told_from_a_channel(connection: Connection) -> None:
    channel = connection.channel()
    assert is_connection(connection)
    assert not is_connection(channel)
    assert maybe_channel(channel) is channel
    assert maybe_channel(connection) is connection.default_channel


def test_a_transport_is_given_as_a_class_or_a_path(url: str, flaky: type[Flaky]) -> None:
    for transport in (flaky, "kombu_memory.transport:Transport", "memory"):
        with Connection("localhost", transport=transport) as connection:
            connection.connect()
            assert isinstance(connection.transport, MemoryTransport)


# -- several hosts ---------------------------------------------------------------------------


def several(*names: str, transport: Any, **options: Any) -> Connection:
    """A connection with several hosts; the transport stays the same when it switches."""
    connection = Connection(list(names), transport=transport, **options)
    assert connection.alt == list(names)
    return connection


def test_hosts_are_tried_one_after_the_other(flaky: type[Flaky], no_pauses: list[float]) -> None:
    flaky.failures = 5
    seen: list[Any] = []
    connection = several("one", "two", "three", transport=flaky)
    connection.ensure_connection(errback=lambda exc, pause: seen.append((str(exc), pause)))
    assert flaky.tried == ["one", "two", "three", "one", "two", "three"]
    # Only a round over all hosts is followed by a pause.
    assert [pause > 0 for _, pause in seen] == [False, False, True, False, False]
    assert connection.hostname == "three"
    connection.release()


def test_max_retries_counts_rounds_over_all_hosts(
    flaky: type[Flaky], no_pauses: list[float]
) -> None:
    flaky.failures = 100
    for retries, attempts in ((0, 2), (1, 4)):
        flaky.tried.clear()
        with pytest.raises(OperationalError, match="nobody listens"):
            several("one", "two", transport=flaky).ensure_connection(max_retries=retries)
        assert len(flaky.tried) == attempts


def test_urls_are_given_in_one_text_or_a_list() -> None:
    for hosts in (
        "memory://u:p@one:1/v1;memory://two//",
        "memory://u:p@one:1/v1; memory://two//",
        ["memory://u:p@one:1/v1", "memory://two//"],
    ):
        connection = Connection(hosts)
        assert described(connection) == ("memory", "one", 1, "u", "p", "v1")
        connection.maybe_switch_next()
        assert described(connection) == ("memory", "two", None, None, None, "/")
        connection.maybe_switch_next()
        assert described(connection) == ("memory", "one", 1, "u", "p", "v1")


def test_a_switch_keeps_what_is_of_no_host() -> None:
    connection = Connection(
        "memory://one//;memory://two//",
        transport_options={"lease": 3},
        heartbeat=7,
        connect_timeout=2,
        failover_strategy="shuffle",
        login_method="PLAIN",
    )
    connection.declared_entities.add(1)
    connection.switch("memory://u:p@three//")
    assert described(connection) == ("memory", "three", None, "u", "p", "/")
    assert connection.transport_options == {"lease": 3}
    assert (connection.heartbeat, connection.connect_timeout) == (7, 2)
    assert connection.info()["failover_strategy"] == "shuffle"
    assert connection.login_method == "PLAIN"
    assert len(connection.alt) == 2
    assert not connection.declared_entities
    connection.switch("four")
    assert connection.hostname == "four"


def test_a_switch_leads_to_another_store() -> None:
    first, second = fresh_name(), fresh_name()
    connection = Connection(f"memory://{first}//;memory://{second}//")
    publish(connection, "q", 1)
    connection.maybe_switch_next()
    publish(connection, "q", 2)
    assert waiting(connection, "q") == [2]
    connection.maybe_switch_next()
    assert waiting(connection, "q") == [1]
    connection.release()


def test_the_order_of_hosts_may_be_the_users_own(flaky: type[Flaky]) -> None:
    connection = several(
        "one", "two", "three", transport=flaky, failover_strategy=lambda hosts: cycle(hosts[::-1])
    )
    order = []
    for _ in range(4):
        connection.maybe_switch_next()
        order.append(connection.hostname)
    # The first of the strategy stands for the one that was parsed.
    assert order == ["two", "one", "three", "two"]
    shuffled = several("one", "two", transport=flaky, failover_strategy="shuffle")
    shuffled.maybe_switch_next()
    assert shuffled.hostname in ("one", "two")
    with pytest.raises(
        ValueError, match="'best' is no failover strategy: use one of 'round-robin'"
    ):
        several("one", "two", transport=flaky, failover_strategy="best")


def test_the_name_of_a_failover_strategy_is_left_alone_where_there_is_one_host() -> None:
    # Settings are handed through as they are.
    assert Connection("memory://", failover_strategy="best").failover_strategy == "best"
    assert Connection("memory://", failover_strategy=None).failover_strategy is cycle
    assert Connection("memory://").failover_strategy is cycle


def test_one_host_has_nothing_to_switch_to(connection: Connection) -> None:
    before = connection.hostname
    connection.maybe_switch_next()
    assert connection.hostname == before
    assert connection.cycle is None
    assert connection.completes_cycle(0)
    assert not Connection("memory://a;memory://b").completes_cycle(0)
    assert Connection("memory://a;memory://b").completes_cycle(1)


# -- retrying --------------------------------------------------------------------------------


def test_ensure_connection_returns_the_connection(
    flaky: type[Flaky], no_pauses: list[float]
) -> None:
    flaky.failures = 3
    connection = Connection("host", transport=flaky)
    seen: list[Any] = []
    found = connection.ensure_connection(
        errback=lambda exc, pause: seen.append(pause),
        max_retries=5,
        interval_start=1,
        interval_step=2,
        interval_max=3,
    )
    assert found is connection
    assert seen == [1, 3, 3]
    assert len(flaky.tried) == 4
    assert connection.ensure_connection() is connection
    assert len(flaky.tried) == 4
    # Jitter only ever shortens a pause.
    assert 0 < sum(no_pauses) <= 1 + 3 + 3
    connection.release()


def test_a_callback_ends_the_attempts(flaky: type[Flaky], no_pauses: list[float]) -> None:
    flaky.failures = 100

    class ShuttingDown(BaseException):
        pass

    def callback() -> None:
        if len(flaky.tried) == 3:
            raise ShuttingDown

    with pytest.raises(ShuttingDown):
        Connection("host", transport=flaky).ensure_connection(callback=callback)
    assert len(flaky.tried) == 3


def test_connecting_ends_with_the_timeout(flaky: type[Flaky]) -> None:
    flaky.failures = 10**9
    begun = monotonic()
    with pytest.raises(OperationalError):
        Connection("host", transport=flaky).ensure_connection(timeout=0.2)
    assert 0.1 < monotonic() - begun < 1
    begun = monotonic()
    options = {"operation_timeout": 0.2}
    with pytest.raises(OperationalError):
        _ = Connection("host", transport=flaky, transport_options=options).default_channel
    assert monotonic() - begun < 1


def test_connect_tries_once_and_raises_what_happened(flaky: type[Flaky]) -> None:
    flaky.failures = 100
    with pytest.raises(ConnectionRefusedError, match="nobody listens at host"):
        Connection("host", transport=flaky).connect()
    assert flaky.tried == ["host"]


def test_options_say_how_often_the_default_channel_is_tried(
    flaky: type[Flaky], no_pauses: list[float]
) -> None:
    flaky.failures = 100
    options = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}
    with pytest.raises(OperationalError):
        _ = Connection("host", transport=flaky, transport_options=options).default_channel
    assert len(flaky.tried) == 2


def test_ensure_calls_again_on_a_new_connection(connection: Connection) -> None:
    revived: list[Any] = []
    calls: list[Any] = []
    connection.connect()
    first = connection.default_channel

    class Holder:
        def revive(self, channel: Any) -> None:
            revived.append(channel)

    def work(a: int, b: int = 0) -> int:
        """Adds."""
        calls.append((a, b))
        if len(calls) < 3:
            raise ConnectionResetError("lost")
        return a + b

    seen: list[Any] = []
    ensured = connection.ensure(Holder(), work, on_revive=seen.append)
    assert (ensured.__name__, ensured.__doc__) == ("work(ensured)", "Adds.")
    assert ensured(1, b=2) == 3
    assert calls == [(1, 2)] * 3
    assert seen == revived
    assert len(revived) == 2
    assert first.closed
    assert revived[-1] is connection.default_channel


def test_ensure_gives_up_at_its_limit(connection: Connection) -> None:
    calls: list[int] = []

    def lost() -> None:
        calls.append(1)
        raise RecoverableConnectionError("gone")

    for retries, text in ((0, "not retried"), (2, "after 3 attempts")):
        calls.clear()
        with pytest.raises(OperationalError, match=f"gone .*{text}") as caught:
            connection.ensure(None, lost, max_retries=retries)()
        assert len(calls) == retries + 1
        assert isinstance(caught.value.__cause__, RecoverableConnectionError)
    begun = monotonic()
    with pytest.raises(OperationalError):
        connection.ensure(None, lost, timeout=0.1)()
    assert monotonic() - begun < 1


def test_ensure_tells_errback_where_connecting_fails(
    flaky: type[Flaky], no_pauses: list[float]
) -> None:
    connection = Connection("host", transport=flaky)
    connection.connect()
    seen: list[Any] = []
    results: list[Any] = [ConnectionResetError("lost"), "done"]

    def work() -> Any:
        result = results.pop(0)
        if isinstance(result, Exception):
            flaky.failures = 2
            raise result
        return result

    ensured = connection.ensure(
        None, work, errback=lambda exc, pause: seen.append((str(exc), pause)), max_retries=3
    )
    assert ensured() == "done"
    assert seen == [("nobody listens at host", 1), ("nobody listens at host", 2)]
    connection.release()


def test_other_errors_are_not_retried_unless_named(connection: Connection) -> None:
    calls: list[int] = []

    def wrong() -> str:
        calls.append(1)
        if len(calls) < 3:
            raise KeyError("wrong")
        return "right"

    with pytest.raises(KeyError):
        connection.ensure(None, wrong)()
    assert len(calls) == 1
    channel = connection.default_channel
    assert connection.ensure(None, wrong, retry_errors=(KeyError,))() == "right"
    assert connection.default_channel is channel


def test_autoretry_passes_a_channel_and_gives_it_back(connection: Connection) -> None:
    calls: list[Any] = []

    def declare(name: str, channel: Any) -> str:
        calls.append(channel)
        if len(calls) == 1:
            raise ConnectionResetError("lost")
        return channel.queue_declare(name).queue  # type: ignore[no-any-return]

    result, channel = connection.autoretry(declare, max_retries=3)("q")
    assert result == "q"
    assert channel is calls[1]
    assert calls[0] is not calls[1]
    mine = connection.channel()
    calls.append("so that it does not fail")
    assert connection.autoretry(declare, mine)("p") == ("p", mine)


def test_revive_closes_the_default_channel_for_another(connection: Connection) -> None:
    old = connection.default_channel
    connection.revive(old)
    assert not old.closed
    connection.revive(connection.channel())
    assert old.closed
    assert connection.default_channel is not old


def test_errors_of_the_transport_become_the_librarys_own(connection: Connection) -> None:
    with (
        pytest.raises(OperationalError, match="lost") as caught,
        connection._reraise_as_library_errors(),
    ):
        raise ConnectionResetError("lost")
    assert isinstance(caught.value.__cause__, ConnectionResetError)
    with pytest.raises(OperationalError, match="mine"), connection._reraise_as_library_errors():
        raise OperationalError("mine")
    with pytest.raises(KeyError), connection._reraise_as_library_errors():
        raise KeyError("other")


def test_unknown_options_name_the_nearest() -> None:
    from kombu.transport.options import UnknownOptionWarning

    with (
        pytest.warns(UnknownOptionWarning, match="did you mean 'lease'"),
        Connection("memory://", transport_options={"leese": 3}) as connection,
    ):
        connection.connect()
    with (
        pytest.warns(UnknownOptionWarning, match="known are"),
        Connection("memory://", transport_options={"zzz": 3}) as connection,
    ):
        connection.connect()


def test_threads_may_open_channels_at_once(connection: Connection) -> None:
    connection.connect()
    channels: list[Any] = []
    threads = [
        threading.Thread(target=lambda: channels.extend(connection.channel() for _ in range(50)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({channel.channel_id for channel in channels}) == 200
    assert set(connection.transport.channels) == set(channels)


def test_factories_make_what_stands_above(connection: Connection) -> None:
    queue = Queue("q")
    channel = connection.channel()
    assert connection.Producer(channel).channel is channel
    assert connection.Consumer(queue, channel).channel is channel
    assert connection.SimpleQueue("s", channel=channel).channel is channel
    assert connection.SimpleBuffer("b", channel=channel).channel is channel
    assert connection.Pool(3).limit == connection.ChannelPool(3).limit == 3


def test_a_transport_that_reads_urls_itself_describes_them(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    transport = connection.transport
    monkeypatch.setattr(transport, "can_parse_url", True)
    monkeypatch.setattr(
        type(transport), "as_uri", lambda self, uri, include_password, mask: f"{uri}?{mask}"
    )
    assert connection.as_uri() == f"{connection.hostname}?**"


def test_a_transport_that_reads_urls_itself_gets_all_of_it(flaky: type[Flaky]) -> None:
    class Reads(flaky):  # type: ignore[misc,valid-type]
        can_parse_url = True

    connection = Connection("memory://u:p@host/x?heartbeat=3")
    connection.transport_cls = Reads
    assert isinstance(connection.transport, Reads)
    assert connection.hostname == "memory://u:p@host/x?heartbeat=3"


def test_channel_errors_that_can_be_cured_become_the_librarys_own(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection.transport, "recoverable_channel_errors", (LookupError,), False)
    with pytest.raises(OperationalError, match="gone"), connection._reraise_as_library_errors():
        raise LookupError("gone")


def test_draining_opens_the_connection_and_passes_on_what_it_is_given(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(TimeoutError):
        connection.drain_events(timeout=0)
    assert connection.connected
    given: list[Any] = []
    monkeypatch.setattr(
        connection.transport, "drain_events", lambda conn, **kwargs: given.append(kwargs)
    )
    connection.drain_events(timeout=1, ignore_timeouts=True)
    assert given == [{"timeout": 1, "ignore_timeouts": True}]


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("memory://x:1/v", "elsewhere"),
        ("memory://x;memory://y", "elsewhere"),
        ("x", "elsewhere"),
        ("sqla+sqlite:///x", "sqla"),
    ],
)
def test_a_named_transport_goes_before_the_scheme(url: str, wanted: str) -> None:
    connection = Connection(url, transport="elsewhere")
    assert connection.transport_cls == wanted
    assert connection.clone().transport_cls == wanted
    # A URL that comes later has its own.
    connection.switch("memory://z")
    assert connection.transport_cls == "memory"
