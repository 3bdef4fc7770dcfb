"""Bindings shared between processes.  Quotations are of `kombu.transport.backend`."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from contract_store import put, soon

from kombu.transport.backend import Binding, QueueSpec, Session, Topology


@pytest.mark.capability("shared_topology")
class TestTopology:
    """Bindings are shared between processes."""

    @pytest.fixture
    def exchange(self) -> str:
        return f"e-{uuid.uuid4().hex[:12]}"

    @pytest.fixture
    def here(self, session: Session) -> Any:
        assert isinstance(session, Topology)
        return session

    @pytest.fixture
    def there(self, other: Session) -> Any:
        return other

    @pytest.mark.parametrize("type", ["direct", "topic", "fanout", "headers", None])
    def test_a_binding_is_seen_by_every_connection(
        self, here: Any, there: Any, exchange: str, type: str | None
    ) -> None:
        """bind and load: every field of a binding comes back."""
        wanted = [
            Binding(exchange, "queue ü", "a.*.#"),
            Binding(exchange, "q", "", {"x-match": "any", "n": 1, "deep": {"a": [1]}}),
            Binding(exchange, "other exchange", "k", None, to_exchange=True),
        ]
        for binding in wanted:
            here.bind(binding, type, soon())
        _, found = there.load(exchange, type, soon())
        assert sorted(found, key=str) == sorted(wanted, key=str)

    def test_binding_again_is_harmless(self, here: Any, exchange: str) -> None:
        """bind: "storing it again is harmless"."""
        binding = Binding(exchange, "q", "k", {"a": 1, "b": 2})
        here.bind(binding, "topic", soon())
        here.bind(Binding(exchange, "q", "k", {"b": 2, "a": 1}), "topic", soon())
        assert list(here.load(exchange, "topic", soon())[1]) == [binding]

    def test_one_binding_is_removed_and_no_other(
        self, here: Any, there: Any, exchange: str
    ) -> None:
        """unbind: "unknown ones are ignored"."""
        kept, removed = Binding(exchange, "q", "k"), Binding(exchange, "q", "l")
        here.bind(kept, "topic", soon())
        here.bind(removed, "topic", soon())
        there.unbind(removed, "topic", soon())
        there.unbind(removed, "topic", soon())
        assert list(here.load(exchange, "topic", soon())[1]) == [kept]

    def test_an_unknown_exchange_has_no_bindings(self, here: Any, exchange: str) -> None:
        """load: nothing, with a stamp that stands until something is bound."""
        stamp, found = here.load(exchange, "topic", soon())
        assert list(found) == []
        assert here.fresh(exchange, stamp)

    def test_what_nobody_changed_stays_fresh(self, here: Any, exchange: str, queue: str) -> None:
        """fresh: nothing changed, so nothing is loaded again."""
        here.bind(Binding(exchange, queue, "k"), "topic", soon())
        stamp, _ = here.load(exchange, "topic", soon())
        for _ in range(3):
            put(here, queue, b"1", exchange=exchange)
            assert here.fresh(exchange, stamp)

    @pytest.mark.parametrize("change", ["bind", "unbind"])
    def test_a_change_elsewhere_is_known_after_the_next_put(
        self, here: Any, there: Any, exchange: str, queue: str, change: str
    ) -> None:
        """fresh: what was loaded stood when a message of the exchange was stored."""
        first, second = Binding(exchange, queue, "k"), Binding(exchange, "another", "k")
        here.bind(first, "topic", soon())
        stamp, _ = here.load(exchange, "topic", soon())
        if change == "bind":
            there.bind(second, "topic", soon())
        else:
            there.unbind(first, "topic", soon())
        put(here, queue, b"1", exchange=exchange)
        assert not here.fresh(exchange, stamp)
        stamp, found = here.load(exchange, "topic", soon())
        assert list(found) == (
            [first, second]
            if change == "bind" and found[0] == first
            else [second, first]
            if change == "bind"
            else []
        )
        assert here.fresh(exchange, stamp)

    def test_a_change_of_ones_own_is_known_at_once(self, here: Any, exchange: str) -> None:
        """fresh: the answer to the session's own bind is an answer too."""
        stamp, _ = here.load(exchange, "topic", soon())
        here.bind(Binding(exchange, "q", "k"), "topic", soon())
        assert not here.fresh(exchange, stamp)

    def test_a_deleted_queue_takes_its_bindings_along(
        self, here: Any, there: Any, exchange: str, queue: str
    ) -> None:
        """delete_queue: "Where bindings are shared those that lead to the queue go with it"."""
        here.declare_queue(QueueSpec(queue), soon())
        kept = Binding(exchange, "another", "k")
        for binding in (Binding(exchange, queue, "k"), Binding(exchange, queue, "l"), kept):
            here.bind(binding, "topic", soon())
        there.delete_queue(queue, soon())
        assert list(here.load(exchange, "topic", soon())[1]) == [kept]
