"""The connection is lost, or the broker; what was accepted is not."""

from __future__ import annotations

from typing import Any

import pytest

from kombu.testing.faults.proxies import Proxies
from kombu.testing.kit import Broker, Inbox, promise

__all__ = ("TestConnectionLoss", "TestRestart")


def connected(connection: Any) -> None:
    """Connect again within five seconds of the repair (I5)."""
    connection.ensure_connection(interval_start=0.05, interval_step=0.05, timeout=5)


@promise("reconnection")
class TestConnectionLoss:
    """A line that is cut."""

    @pytest.mark.parametrize("way", ["reset", "finish"])
    def test_a_publish_with_retry_arrives(
        self, broker: Broker, needed_server: Any, way: str
    ) -> None:
        queue = broker.queue()
        with Proxies(needed_server) as proxy:
            producer = broker.connect(proxy.url, **proxy.options).Producer()
            producer.publish(1, routing_key=queue.name)
            producer.flush(timeout=5)
            getattr(proxy, way)()
            producer.publish(2, routing_key=queue.name, retry=True, timeout=5)
            producer.flush(timeout=5)
            assert set(broker.take(queue, 2)) == {1, 2}

    def test_a_consumer_is_told_or_goes_on(self, broker: Broker, needed_server: Any) -> None:
        queue = broker.queue()
        with Proxies(needed_server) as proxy:
            connection = broker.connect(proxy.url, **proxy.options)
            inbox = Inbox(connection, queue)
            proxy.reset()
            try:
                connection.drain_events(timeout=2)
            except TimeoutError:
                pass  # its driver connects again without a word: then it has to be of use
            except connection.connection_errors:
                connection.collect()
                connected(connection)
                inbox = Inbox(connection, queue)
            broker.send(queue, "after")
            inbox.wait(1)
            assert inbox.bodies == ["after"]

    def test_a_refused_connection_is_an_error_of_its_kind(
        self, broker: Broker, needed_server: Any
    ) -> None:
        with Proxies(needed_server) as proxy:
            proxy.refuse()
            connection = broker.connect(proxy.url, **proxy.options)
            with pytest.raises(connection.connection_errors):
                connection.connect(timeout=5)


@promise("reconnection")
class TestRestart:
    """A broker that goes and comes back."""

    def test_work_goes_on_after_a_restart(self, broker: Broker, needed_server: Any) -> None:
        queue = broker.queue()
        needed_server.restart()
        broker.connection.collect()
        connected(broker.connection)
        again = broker.queue(queue.name)
        inbox = Inbox(broker.connect(), again)
        broker.send(again, "after")
        inbox.wait(1)
        assert inbox.bodies == ["after"]

    @promise("durable")
    def test_what_was_accepted_survives_a_kill(self, broker: Broker, needed_server: Any) -> None:
        queue = broker.queue()
        broker.send(queue, *range(10))
        needed_server.kill9()
        needed_server.start()
        broker.connection.collect()
        connected(broker.connection)
        broker.holds_all(broker.seen_by(broker.connection, queue), range(10))
