"""What is put comes out as it went in.  Quotations are of `kombu.transport.backend`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from contract_store import as_bytes, bodies, fetch, make_envelope, put, soon

from kombu.transport.backend import Session, Want, Wants

if TYPE_CHECKING:
    from contract_store import Store


class TestEnvelopes:
    """What is put comes out as it went in."""

    def test_one_call_stores_messages_of_several_queues(
        self, session: Session, queues: list[str]
    ) -> None:
        """put: "Store each envelope in its queue"; an empty answer means that all are stored."""
        items = [(queues[n % 3], make_envelope(b"%d" % n)) for n in range(30)]
        assert list(session.put(items, soon())) == []
        for n, queue in enumerate(queues):
            got = bodies(fetch(session, queue, 10))
            assert sorted(got, key=int) == [b"%d" % k for k in range(n, 30, 3)]

    def test_putting_nothing_stores_nothing(self, session: Session, queue: str) -> None:
        """put: no item, nothing refused."""
        assert list(session.put([], soon())) == []
        assert session.size(queue, soon()) == 0

    @pytest.mark.parametrize(
        "body",
        [b"", b"\x00\xff\r\n\x00", "text ü 队列", b"\xf0\x9f", b"{}", b"x" * 200, b"9" * 40000],
        ids=["empty", "binary", "text", "broken utf-8", "json", "short", "long"],
    )
    def test_any_body_comes_back_whole(
        self, session: Session, queue: str, body: str | bytes
    ) -> None:
        """Envelope.body: text or any bytes."""
        assert not session.put([(queue, make_envelope(body))], soon())
        assert bodies(fetch(session, queue, 1)) == [as_bytes(body)]

    def test_a_big_body_comes_back_whole(self, store: Store, session: Session, queue: str) -> None:
        """Envelope.body: a megabyte, or what the store takes (Capabilities.max_message_bytes)."""
        most = store.capabilities.max_message_bytes
        # The limit is of what is stored: a body may be a third longer there, and is described.
        size = 1 << 20 if most is None else min(1 << 20, int(most * 0.7) - 2048)
        body = bytes(range(256)) * (size // 256)
        assert not session.put([(queue, make_envelope(body))], soon())
        assert bodies(fetch(session, queue, 1)) == [body]

    @pytest.mark.capability("max_message_bytes")
    def test_a_refused_item_is_named_and_the_others_are_stored(
        self, store: Store, session: Session, queue: str
    ) -> None:
        """put: "Returns the items that were refused"."""
        too_big = b"x" * ((store.capabilities.max_message_bytes or 0) + 1)
        items = [(queue, make_envelope(body)) for body in (b"1", too_big, b"3")]
        refused = session.put(items, soon())
        assert [item.index for item in refused] == [1]
        assert isinstance(refused[0].error, Exception)
        assert sorted(bodies(fetch(session, queue, 2))) == [b"1", b"3"]

    def test_what_describes_a_message_comes_back(
        self, session: Session, other: Session, queue: str
    ) -> None:
        """Envelope: every field but ``wire`` travels."""
        headers = {"task": "t", "retries": 3, "ü": [1, {"deep": None}], "ok": True}
        properties = {"correlation_id": "c", "reply_to": "r", "delivery_mode": 2}
        sent = make_envelope(
            b"x",
            content_type="application/json",
            content_encoding="utf-8",
            headers=dict(headers),
            properties=dict(properties),
            exchange="exchange ü",
            routing_key="a.b.#",
            priority=5,
            expires_at=4102444800.5,
        )
        assert not session.put([(queue, sent)], soon())
        (delivery,) = fetch(other, queue, 1)
        got = delivery.envelope
        assert (got.content_type, got.content_encoding) == ("application/json", "utf-8")
        assert (got.headers, got.properties) == (headers, properties)
        assert (got.exchange, got.routing_key, got.priority) == ("exchange ü", "a.b.#", 5)
        assert (got.expires_at, got.not_before) == (4102444800.5, None)

    def test_missing_descriptions_stay_missing(self, session: Session, queue: str) -> None:
        """Envelope: a content type and encoding of None stay None."""
        envelope = make_envelope(b"x", content_type=None, content_encoding=None)
        assert not session.put([(queue, envelope)], soon())
        (delivery,) = fetch(session, queue, 1)
        assert delivery.envelope.content_type is None
        assert delivery.envelope.content_encoding is None

    def test_one_envelope_in_several_queues_is_several_messages(
        self, session: Session, queues: list[str]
    ) -> None:
        """put: "One envelope may stand for several queues"; each has a message of its own."""
        envelope = make_envelope(b"x", headers={"a": 1}, properties={"p": 1})
        assert not session.put([(queue, envelope) for queue in queues], soon())
        for queue in queues:
            (delivery,) = session.fetch(Wants({queue: Want(1)}), 1, soon())
            assert delivery.envelope.headers == {"a": 1}
            assert delivery.envelope.properties == {"p": 1}
            assert delivery.envelope.count == 0
            delivery.envelope.headers["a"] = 2
            delivery.envelope.properties["p"] = 2
            delivery.envelope.count = 7

    @pytest.mark.capability("ordering")
    def test_a_put_without_waiting_keeps_the_order(self, session: Session, queue: str) -> None:
        """Capabilities.ordering: one producer's messages come out as they went in."""
        for n in range(50):
            put(session, queue, b"%d" % n)
        assert bodies(fetch(session, queue, 50)) == [b"%d" % n for n in range(50)]
