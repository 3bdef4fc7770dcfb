"""URLs of connections: what is read is what was written, and what is malformed is told."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kombu import Connection
from kombu.utils.url import as_url

SECRET = "hunter2-and-more"

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
HOSTS = st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,12}[a-z0-9])?", fullmatch=True)


def described(connection: Connection) -> tuple[Any, ...]:
    return (
        connection.hostname,
        connection.port,
        connection.userid,
        connection.password,
        connection.virtual_host,
    )


# The first one imports what the others use.
@settings(deadline=None)
@given(
    HOSTS | st.ip_addresses(v=6).map(str),
    st.none() | st.integers(1, 65535),
    st.none() | TEXT,
    st.none() | TEXT,
    TEXT,
)
def test_a_connection_reads_what_was_written_and_writes_what_it_read(
    host: str, port: int | None, userid: str | None, password: str | None, vhost: str
) -> None:
    connection = Connection(as_url("memory", host, port, userid, password, vhost))
    assert described(connection) == (host, port, userid, password, vhost)
    # Not without a password: where there is none the transport's own may be shown.
    again = Connection(connection.as_uri(include_password=True))
    assert described(again) == described(connection)
    assert described(connection.clone()) == described(connection)
    assert described(pickle.loads(pickle.dumps(connection))) == described(connection)
    assert again.__eqhash__() == connection.__eqhash__()


@settings(deadline=None)
@given(st.lists(HOSTS, min_size=2, max_size=5, unique=True), st.integers(0, 9))
def test_a_text_of_several_urls_is_a_list_of_them(hosts: list[str], steps: int) -> None:
    urls = [f"memory://u:p@{host}:1//" for host in hosts]
    one, other = Connection(";".join(urls)), Connection(urls)
    for connection in (one, other):
        for _ in range(steps):
            connection.maybe_switch_next()
    assert described(one) == described(other)
    assert one.hostname == hosts[steps % len(hosts)]


@pytest.mark.parametrize(
    ("url", "what"),
    [
        (f"memory://u:{SECRET}@host:port//", "port"),
        (f"memory://u:{SECRET}@host:99999999//", "port"),
        (f"memory://u:{SECRET}@[::1//", "URL"),
        (f"memory://u:{SECRET}@host//?password=x", "twice"),
    ],
)
def test_a_malformed_url_is_told_at_once_and_without_the_password(url: str, what: str) -> None:
    with pytest.raises(ValueError, match=what) as raised:
        Connection(url)
    cause: BaseException | None = raised.value
    while cause is not None:
        assert SECRET not in repr(cause)
        cause = None if cause.__suppress_context__ else cause.__cause__ or cause.__context__


def test_an_unknown_parameter_of_the_query_is_told_without_the_password() -> None:
    with pytest.raises(TypeError, match="'colour', which connections do not have") as raised:
        Connection(f"memory://u:{SECRET}@host//?colour=blue")
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize(
    ("query", "name", "value"),
    [
        ("heartbeat=7", "heartbeat", 7.0),
        ("connect_timeout=1.5", "connect_timeout", 1.5),
        ("login_method=PLAIN", "login_method", "PLAIN"),
        ("virtual_host=vh", "virtual_host", "vh"),
        ("userid=u", "userid", "u"),
    ],
)
def test_parameters_may_stand_in_the_query(query: str, name: str, value: Any) -> None:
    assert getattr(Connection(f"memory://host?{query}"), name) == value
