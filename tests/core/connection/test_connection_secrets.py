"""No password is shown that nobody asked for: descriptions, errors, logs."""

from __future__ import annotations

import logging
import traceback
from typing import TYPE_CHECKING, Any

import pytest

from kombu import Connection, Producer, pools
from kombu.exceptions import OperationalError
from kombu_memory.transport import Transport as MemoryTransport

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "hunter2-and-more"


class Down(MemoryTransport):
    """Never there."""

    def establish_connection(self) -> Any:
        raise ConnectionRefusedError("nobody listens")


@pytest.fixture(
    params=[
        f"memory://u:{SECRET}@host:1//",
        f"memory://u:{SECRET}@one//;memory://u:{SECRET}@two//",
        [f"memory://u:{SECRET}@one//", f"memory://u:{SECRET}@two//"],
        f"memory+memory://u:{SECRET}@one//",
    ]
)
def connection(request: pytest.FixtureRequest) -> Iterator[Connection]:
    with Connection(request.param) as connection:
        yield connection


def test_descriptions_hide_it(connection: Connection) -> None:
    for _ in range(3):
        shown = [repr(connection), str(connection), connection.as_uri(), f"{connection.Pool(1)!r}"]
        assert not [text for text in shown if SECRET in text]
        assert SECRET in connection.as_uri(include_password=True)
        assert "%%" in connection.as_uri(mask="%%")
        connection.maybe_switch_next()


def test_errors_and_logs_hide_it(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = Connection(
        f"memory://u:{SECRET}@one//;memory://u:{SECRET}@two//",
        transport_options={"max_retries": 1, "interval_start": 0, "interval_step": 0},
    )
    monkeypatch.setattr(Connection, "get_transport_cls", lambda self: Down)
    monkeypatch.setattr("kombu.connection.connection.lookup.transport_spec", lambda _: None)
    with caplog.at_level(logging.DEBUG):
        for attempt in (
            lambda: connection.default_channel,
            lambda: connection.ensure_connection(max_retries=1),
            lambda: Producer(connection).publish("x", "q", retry=True),
        ):
            with pytest.raises(OperationalError, match="nobody listens") as raised:
                attempt()
            told = "".join(traceback.format_exception(raised.value))
            assert SECRET not in told
    assert "cannot connect to memory://u:**@" in caplog.text
    assert SECRET not in caplog.text


def test_a_pool_that_is_exhausted_hides_it() -> None:
    connection = Connection(f"memory://u:{SECRET}@exhausted//")
    pool = pools.connections[connection]
    held = [pool.acquire() for _ in range(pool.limit)]
    with pytest.raises(pool.LimitExceeded) as raised:
        pool.acquire(block=True, timeout=0.01)
    assert SECRET not in str(raised.value)
    assert SECRET not in repr(pool)
    for one in held:
        one.release()


def test_a_transport_that_is_not_there_is_told_without_it() -> None:
    with pytest.raises(KeyError) as raised:
        Connection(f"nosuchthing://u:{SECRET}@host//").connect()
    assert "nosuchthing" in str(raised.value)
    assert SECRET not in str(raised.value)
