"""Queues and exchanges come into being, are found, and go."""

from __future__ import annotations

import pytest

from kombu import Queue
from kombu.exceptions import ChannelError
from kombu.testing.kit import Broker, promise

__all__ = ("TestDeclarations", "TestSizes")


@promise("declarations")
class TestDeclarations:
    """Declare, delete, passive."""

    def test_declaring_again_is_harmless(self, broker: Broker) -> None:
        queue = broker.queue()
        broker.send(queue, "kept")
        queue.declare()
        broker.holds(queue, "kept")

    def test_a_queue_is_told_by_its_name(self, broker: Broker) -> None:
        name = broker.name()
        assert broker.connection.channel().queue_declare(name).queue == name

    def test_what_is_there_is_found_passively(self, broker: Broker) -> None:
        queue = broker.queue()
        assert queue.queue_declare(passive=True).queue == queue.name

    def test_what_is_not_there_is_an_error_404(self, broker: Broker) -> None:
        with pytest.raises(ChannelError) as caught:
            Queue(broker.name())(broker.connection.channel()).queue_declare(passive=True)
        assert caught.value.reply_code == 404

    def test_another_connection_finds_the_queue(self, broker: Broker) -> None:
        queue = broker.queue()
        other = broker.connect().channel()
        assert other.queue_declare(queue.name, passive=True).queue == queue.name

    def test_what_is_deleted_is_gone_with_its_messages(self, broker: Broker) -> None:
        queue = broker.queue()
        broker.send(queue, "gone")
        queue.delete()
        with pytest.raises(ChannelError):
            broker.connection.channel().queue_declare(queue.name, passive=True)
        queue.declare()
        broker.quiet(queue)

    def test_deleting_what_is_not_there_is_harmless(self, broker: Broker) -> None:
        Queue(broker.name())(broker.connection.channel()).delete()

    def test_what_is_purged_is_gone(self, broker: Broker) -> None:
        queue = broker.queue()
        broker.send(queue, 1, 2, 3)
        queue.purge()
        broker.quiet(queue)

    def test_purging_spares_what_is_held(self, broker: Broker) -> None:
        queue = broker.queue()
        broker.send(queue, "held")
        (held,) = broker.hold(queue)
        queue.purge()
        held.requeue()
        broker.holds(queue, "held")

    def test_only_what_is_empty_is_deleted_if_empty(self, broker: Broker) -> None:
        queue = broker.queue()
        broker.send(queue, "stays")
        with pytest.raises(ChannelError) as caught:
            broker.seen_by(broker.connection.channel(), queue).delete(if_empty=True)
        assert caught.value.reply_code == 406
        broker.holds(queue, "stays")

    def test_an_exchange_that_is_deleted_routes_nothing(self, broker: Broker) -> None:
        exchange = broker.exchange()
        queue = broker.queue(exchange=exchange, routing_key="k")
        exchange.delete()
        exchange.declare()
        broker.send(exchange, "lost", key="k")
        broker.quiet(queue)


@promise("exact_size")
class TestSizes:
    """The sizes that are told are true."""

    def test_a_declaration_tells_how_many_are_ready(self, broker: Broker) -> None:
        queue = broker.queue()
        broker.send(queue, 1, 2, 3)
        channel = broker.connection.channel()
        assert channel.queue_declare(queue.name, passive=True).message_count == 3
        broker.hold(queue)
        assert channel.queue_declare(queue.name, passive=True).message_count == 2

    def test_purging_and_deleting_tell_how_many_went(self, broker: Broker) -> None:
        queue = broker.queue()
        broker.send(queue, 1, 2, 3)
        assert queue.purge() == 3
        broker.send(queue, 1, 2)
        assert queue.delete() == 2
