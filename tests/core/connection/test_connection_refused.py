"""Who is refused is told so at once: no pause makes a password right."""

from __future__ import annotations

from typing import Any

import pytest

from kombu import Connection
from kombu.exceptions import AccessRefused, OperationalError
from kombu.exceptions import ConnectionError as BrokerConnectionError
from kombu.testing.checks import returns_within
from kombu.transport.memory import Transport as MemoryTransport


class Refusing(MemoryTransport):
    """Knows one host; the others refuse the user, or are away."""

    attempts: list[str] = []

    def establish_connection(self) -> Any:
        host = self.client.hostname.partition(":")[0]
        self.attempts.append(host)
        if host.startswith("refusing"):
            raise AccessRefused(f"{host} refuses the user")
        if host.startswith("away"):
            raise OSError(f"{host} is away")
        return super().establish_connection()


@pytest.fixture
def attempts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(Refusing, "attempts", [])
    return Refusing.attempts


def connection_to(*hosts: str) -> Connection:
    return Connection(";".join(f"{host}:1" for host in hosts), transport=Refusing)


def test_a_refused_user_is_told_at_once_and_as_such(attempts: list[str]) -> None:
    connection = connection_to("refusing")
    with pytest.raises(AccessRefused, match="refuses the user") as caught:
        returns_within(0.5, lambda: connection.ensure_connection(timeout=30))
    assert caught.value.reply_code == 403
    assert isinstance(caught.value, BrokerConnectionError)
    assert attempts == ["refusing"]


def test_a_publish_that_is_retried_tells_it_at_once(attempts: list[str]) -> None:
    connection = connection_to("refusing")
    with pytest.raises(AccessRefused):
        returns_within(
            0.5,
            lambda: connection.Producer().publish("m", routing_key="q", retry=True, timeout=30),
        )
    assert len(attempts) <= 2


def test_another_host_may_know_the_user(attempts: list[str]) -> None:
    connection = connection_to("refusing", "localhost")
    connection.ensure_connection(timeout=10)
    assert connection.connected
    assert attempts == ["refusing", "localhost"]
    connection.close()


def test_it_is_told_when_every_host_refused(attempts: list[str]) -> None:
    connection = connection_to("refusing-1", "refusing-2")
    with pytest.raises(AccessRefused, match="refusing-2"):
        returns_within(1, lambda: connection.ensure_connection(timeout=30))
    assert attempts == ["refusing-1", "refusing-2"]


def test_a_host_that_is_away_is_tried_again(attempts: list[str]) -> None:
    connection = connection_to("refusing", "away")
    with pytest.raises((OperationalError, AccessRefused)):
        connection.ensure_connection(max_retries=1, interval_start=0.01, timeout=5)
    assert attempts == ["refusing", "away"] * 2
