"""Which queues a message goes to: the four types of exchanges, and bindings between them."""

from __future__ import annotations

import pytest

from kombu import Exchange, binding
from kombu.testing.kit import Broker, Inbox, promise

__all__ = ("TestDirect", "TestExchangeBindings", "TestFanout", "TestHeaders", "TestTopic")


@promise("direct")
class TestDirect:
    """The routing key, letter by letter."""

    def test_the_default_exchange_leads_to_each_queue_by_its_name(self, broker: Broker) -> None:
        one, two = broker.queue(), broker.queue()
        broker.send(Exchange(""), 1, key=one.name)
        broker.holds(one, 1)
        broker.quiet(two)

    def test_only_the_same_key_leads_to_the_queue(self, broker: Broker) -> None:
        exchange = broker.exchange("direct")
        queue = broker.queue(exchange=exchange, routing_key="a.b")
        for key in ("a", "a.b.c", "A.B", "a.*", ""):
            broker.send(exchange, key, key=key)
        broker.send(exchange, "it", key="a.b")
        broker.holds(queue, "it")

    def test_all_queues_with_the_key_get_the_message(self, broker: Broker) -> None:
        exchange = broker.exchange("direct")
        queues = [broker.queue(exchange=exchange, routing_key="k") for _ in range(3)]
        broker.send(exchange, "m", key="k")
        for queue in queues:
            broker.holds(queue, "m")

    def test_two_bindings_of_one_queue_bring_one_message(self, broker: Broker) -> None:
        exchange = broker.exchange("direct")
        queue = broker.queue(
            bindings=[binding(exchange, routing_key="a"), binding(exchange, routing_key="b")]
        )
        broker.send(exchange, 1, key="a")
        broker.send(exchange, 2, key="b")
        broker.holds_all(queue, [1, 2])

    def test_what_is_unbound_gets_nothing(self, broker: Broker) -> None:
        exchange = broker.exchange("direct")
        queue = broker.queue(exchange=exchange, routing_key="k")
        broker.send(exchange, "bound", key="k")
        broker.holds(queue, "bound")
        queue.unbind_from(exchange, routing_key="k")
        broker.send(exchange, "unbound", key="k")
        broker.quiet(queue)

    @promise("shared_topology")
    def test_a_queue_that_another_connection_binds_is_found(self, broker: Broker) -> None:
        exchange = broker.exchange("direct")
        broker.send(exchange, "too early", key="k")
        other = Broker(broker.url, broker.options)
        try:
            queue = other.queue(exchange=Exchange(exchange.name, "direct"), routing_key="k")
            broker.send(exchange, "m", key="k")
            other.holds(queue, "m")
        finally:
            other.close()


@promise("topic")
class TestTopic:
    """Patterns of words."""

    @pytest.mark.parametrize(
        ("pattern", "fits", "others"),
        [
            ("stock.*", ["stock.usd"], ["stock", "stock.usd.nyse", "stocks.usd"]),
            ("stock.#", ["stock", "stock.usd", "stock.usd.nyse"], ["stocks", "usd.stock"]),
            ("#", ["", "a", "a.b.c"], []),
            ("*.b.#", ["a.b", "a.b.c.d"], ["b", "a.c.b"]),
            ("#.end", ["end", "a.b.end"], ["end.a", "endless"]),
            ("a.b", ["a.b"], ["axb", "a.b.c"]),
        ],
    )
    def test_words_fit_patterns(
        self, broker: Broker, pattern: str, fits: list[str], others: list[str]
    ) -> None:
        exchange = broker.exchange("topic")
        queue = broker.queue(exchange=exchange, routing_key=pattern)
        for key in others + fits:
            broker.send(exchange, key, key=key)
        broker.holds_all(queue, fits)

    def test_two_patterns_that_fit_bring_one_message(self, broker: Broker) -> None:
        exchange = broker.exchange("topic")
        queue = broker.queue(
            bindings=[binding(exchange, routing_key="a.*"), binding(exchange, routing_key="#")]
        )
        broker.send(exchange, "m", key="a.b")
        broker.holds(queue, "m")


@promise("fanout")
class TestFanout:
    """Everybody."""

    def test_all_queues_get_every_message(self, broker: Broker) -> None:
        exchange = broker.exchange("fanout")
        queues = [broker.queue(exchange=exchange) for _ in range(3)]
        inboxes = [Inbox(broker.connect(), queue) for queue in queues]
        broker.send(exchange, 1, 2, key="whatever")
        for inbox in inboxes:
            inbox.wait(2)
            assert sorted(inbox.bodies) == [1, 2]

    def test_nobody_elses_queue_gets_any(self, broker: Broker) -> None:
        exchange = broker.exchange("fanout")
        broker.queue(exchange=broker.exchange("fanout"))
        other = broker.queue(exchange=broker.exchange("fanout"))
        broker.send(exchange, "m")
        broker.quiet(other)


@promise("headers")
class TestHeaders:
    """Headers, all or any."""

    @pytest.mark.parametrize(("match", "fitting"), [("all", ["both"]), ("any", ["both", "one"])])
    def test_headers_fit_arguments(self, broker: Broker, match: str, fitting: list[str]) -> None:
        exchange = broker.exchange("headers")
        wanted = {"x-match": match, "kind": "order", "size": 7}
        queue = broker.queue(exchange=exchange, binding_arguments=wanted)
        broker.send(exchange, "both", headers={"kind": "order", "size": 7, "more": 1})
        broker.send(exchange, "one", headers={"kind": "order", "size": 8})
        broker.send(exchange, "none", headers={"kind": "offer"})
        broker.send(exchange, "no headers")
        broker.holds_all(queue, fitting)


@promise("exchange_bindings")
class TestExchangeBindings:
    """Exchanges that are bound to exchanges."""

    def test_a_message_goes_on_to_the_next_exchange(self, broker: Broker) -> None:
        source, target = broker.exchange("direct"), broker.exchange("direct")
        queue = broker.queue(exchange=target, routing_key="k")
        target.bind_to(source, routing_key="k")
        broker.send(source, "m", key="k")
        broker.send(source, "other", key="other")
        broker.holds(queue, "m")

    def test_ways_that_meet_bring_one_message(self, broker: Broker) -> None:
        source = broker.exchange("direct")
        middle = [broker.exchange("direct") for _ in range(2)]
        queue = broker.queue(bindings=[binding(each, routing_key="k") for each in middle])
        for each in middle:
            each.bind_to(source, routing_key="k")
        broker.send(source, "m", key="k")
        broker.holds(queue, "m")

    def test_a_circle_ends(self, broker: Broker) -> None:
        one, two = broker.exchange("direct"), broker.exchange("direct")
        queue = broker.queue(exchange=two, routing_key="k")
        two.bind_to(one, routing_key="k")
        one.bind_to(two, routing_key="k")
        broker.send(one, "m", key="k")
        broker.holds(queue, "m")

    def test_what_is_unbound_leads_nowhere(self, broker: Broker) -> None:
        source, target = broker.exchange("direct"), broker.exchange("direct")
        queue = broker.queue(exchange=target, routing_key="k")
        target.bind_to(source, routing_key="k")
        target.unbind_from(source, routing_key="k")
        broker.send(source, "m", key="k")
        broker.quiet(queue)
