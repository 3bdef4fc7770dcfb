"""The parts without I/O: names, texts, batches, the server's clock."""

from __future__ import annotations

import base64
import json
from email.utils import formatdate

import pytest

from kombu.transport.backend import Envelope
from kombu_sqs.batches import cut
from kombu_sqs.clock import ServerClock
from kombu_sqs.names import entity_name, sqs_name
from kombu_sqs.wire import decode, encode, largest_body


def envelope(body: str | bytes = b"x", **properties: object) -> Envelope:
    return Envelope(body, "text/plain", "utf-8", {}, dict(properties), "e", "k")


@pytest.mark.parametrize(
    ("name", "at_sqs"),
    [
        ("tasks", "tasks"),
        ("a.b", "a-b"),
        ("a:b/c#d", "a_b_c_d"),
        ("orders.fifo", "orders.fifo"),
        ("a.b.fifo", "a-b.fifo"),
        ("celery@host.celery.pidbox", "celery_host-celery-pidbox"),
        ("Q" * 80, "Q" * 80),
    ],
)
def test_names_are_those_of_kombu_5(name: str, at_sqs: str) -> None:
    assert sqs_name(name) == entity_name(name) == at_sqs


@pytest.mark.parametrize("name", ["größe", "a b", "Q" * 81, "", "é.fifo", "Q" * 76 + ".fifo"])
def test_what_sqs_refuses_gets_a_name_that_it_takes(name: str) -> None:
    found = sqs_name(name)
    assert len(found) <= 80
    assert found.removesuffix(".fifo").replace("-", "").replace("_", "").isascii()
    assert found.endswith(".fifo") == name.endswith(".fifo")
    assert found != sqs_name(name + "x")
    assert found == sqs_name(name)


def test_a_text_is_the_envelope_of_kombu_5_in_base64() -> None:
    payload = json.loads(base64.b64decode(encode(envelope(b"\x00\xff", priority=3)).body))
    assert base64.b64decode(payload["body"]) == b"\x00\xff"
    assert payload["content-type"] == "text/plain"
    assert payload["properties"]["delivery_info"] == {"exchange": "e", "routing_key": "k"}
    assert payload["properties"]["delivery_tag"]
    assert json.loads(encode(envelope(), in_base64=False).body)["properties"]


def test_attributes_go_beside_the_text() -> None:
    attributes = {"a": {"DataType": "String", "StringValue": "1"}}
    sent = envelope(message_attributes=attributes)
    text = encode(sent)
    assert text.attributes == attributes
    assert "message_attributes" not in decode(text.body).properties
    assert sent.properties == {"message_attributes": attributes}
    assert text.size == len(text.body) + len("a" + "String" + "1")


@pytest.mark.parametrize(
    ("text", "body"),
    [
        ('{"x": 1}', b'{"x": 1}'),
        ("hello text", b"hello text"),
        (base64.b64encode(b"plain").decode(), b"plain"),
        (base64.b64encode(b"\xff\xfe\xfd").decode(), base64.b64encode(b"\xff\xfe\xfd")),
        ("[1,2]", b"[1,2]"),
        ('{"properties": 7}', b'{"properties": 7}'),
        ("", b""),
    ],
)
def test_what_others_wrote_is_the_body(text: str, body: bytes) -> None:
    found = decode(text)
    assert (found.body, found.content_type, found.headers) == (body, None, {})


def test_the_largest_body_fits_and_no_larger_one() -> None:
    for limit in (1024, 262_144, 1_048_576):
        largest = largest_body(limit)
        empty = Envelope(b"x" * largest, None, None, {}, {}, "", "")
        assert encode(empty).size <= limit
        empty.body += b"xxxx"
        assert encode(empty).size > limit


def test_batches_keep_to_ten_and_to_the_limit() -> None:
    assert [len(batch) for batch in cut(range(25), 100)] == [10, 10, 5]
    assert list(cut([60, 30, 20, 200, 1], 100, lambda size: size)) == [[60, 30], [20], [200], [1]]
    assert list(cut([], 100)) == []


class TestTheServersClock:
    """An answer that is read late was given earlier."""

    def test_answers_that_come_at_once_are_new(self) -> None:
        clock = ServerClock()
        for now in (10.0, 10.3, 11.2, 12.9, 500.0):
            assert clock.answered(formatdate(1_000_000 + now), now) == now

    def test_an_answer_that_was_read_late_is_old(self) -> None:
        clock = ServerClock()
        for now in (10.0, 10.5, 11.0):
            clock.answered(formatdate(1_000_000 + now), now)
        given = clock.answered(formatdate(1_000_000 + 12.0), 20.0)
        assert 12.0 <= given <= 13.1

    def test_a_server_that_tells_no_date_is_believed(self) -> None:
        clock = ServerClock()
        assert clock.answered(None, 5.0) == 5.0
        assert clock.answered("yesterday", 6.0) == 6.0

    def test_a_server_whose_clock_is_put_back_is_doubted_for_a_while_only(self) -> None:
        clock = ServerClock()
        clock.answered(formatdate(1_000_000), 0.0)
        assert clock.answered(formatdate(1_000_000 + 90), 100.0) < 92
        assert clock.answered(formatdate(1_000_000 + 99_990), 100_000.0) == 100_000.0
