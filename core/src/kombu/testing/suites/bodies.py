"""Bodies of every kind, names in every script, every serializer with every compression."""

from __future__ import annotations

import pytest

from kombu import compression
from kombu.exceptions import SerializerNotInstalled
from kombu.testing.kit import Broker, promise

__all__ = ("TestBodies", "TestEncodings", "TestNames")

#: What a message may be at least, where the transport names no limit (bytes).
LARGE = 16 * 1024 * 1024


@promise("bodies")
class TestBodies:
    """What is in a message is up to its sender."""

    def test_all_bytes_come_through(self, broker: Broker) -> None:
        queue, body = broker.queue(), bytes(range(256)) * 4
        broker.send(
            queue, body, content_type="application/data", content_encoding="binary", serializer=None
        )
        (message,) = broker.hold(queue)
        assert message.payload == body
        message.ack()

    @pytest.mark.parametrize("body", ["", b""], ids=["text", "bytes"])
    def test_an_empty_body_comes_through(self, broker: Broker, body: str | bytes) -> None:
        queue = broker.queue()
        kind = "text/plain" if isinstance(body, str) else "application/data"
        encoding = "utf-8" if isinstance(body, str) else "binary"
        broker.send(queue, body, content_type=kind, content_encoding=encoding)
        (message,) = broker.hold(queue)
        assert message.payload == body
        message.ack()

    def test_text_of_every_script_comes_through(self, broker: Broker) -> None:
        queue, text = broker.queue(), "äß 漢字 עברית 🙂 \u2028 \x7f \\ \" ' \r\n\t"
        broker.send(queue, {text: text})
        broker.holds(queue, {text: text})

    def test_a_large_body_comes_through(self, broker: Broker) -> None:
        limit = broker.capabilities.max_message_bytes
        # A body is a third longer on stores that keep text, and there are headers.
        size = LARGE if limit is None else min(LARGE, int(limit * 0.7) - 2048)
        body = (b"\x00\xff0123456789abcde" * (size // 17 + 1))[:size]
        queue = broker.queue()
        broker.send(queue, body, content_type="application/data", content_encoding="binary")
        (message,) = broker.hold(queue, within=30)
        assert len(message.body) == size
        assert message.body == body
        message.ack()

    def test_what_is_too_large_is_refused_and_harms_nobody(self, broker: Broker) -> None:
        limit = broker.capabilities.max_message_bytes
        if limit is None:
            pytest.skip("the transport names no limit (max_message_bytes)")
        queue, body = broker.queue(), b"x" * (limit + 1)
        with pytest.raises(broker.connection.channel_errors):
            broker.send(queue, body, content_type="application/data", content_encoding="binary")
        broker.send(queue, "fits")
        broker.holds(queue, "fits")


@promise("names")
class TestNames:
    """Names of queues, exchanges and routing keys."""

    @pytest.mark.parametrize(
        "text",
        ["ünï 漢字 🙂", "with space", "a/b\\c", "per%cent", "dot.dash-under_colon:", "*#?[x]"],
    )
    def test_a_name_is_just_a_name(self, broker: Broker, text: str) -> None:
        name, other = f"{text} {broker.name()}", broker.queue()
        queue = broker.queue(name)
        try:
            broker.send(queue, "m")
            assert queue.queue_declare(passive=True).queue == name
            broker.holds(queue, "m")
            broker.quiet(other)
        finally:
            queue.delete()

    def test_keys_and_exchanges_have_any_name(self, broker: Broker) -> None:
        exchange = broker.exchange()
        queue = broker.queue(exchange=exchange, routing_key="schlüssel 鍵/a:b")
        broker.send(exchange, "m", key="schlüssel 鍵/a:b")
        (message,) = broker.hold(queue)
        assert message.delivery_info["routing_key"] == "schlüssel 鍵/a:b"
        message.ack()

    def test_names_differ_by_case(self, broker: Broker) -> None:
        name = broker.name()
        lower, upper = broker.queue(f"{name}-a"), broker.queue(f"{name}-A")
        try:
            broker.send(lower, "m")
            broker.quiet(upper)
            broker.holds(lower, "m")
        finally:
            lower.delete()
            upper.delete()


@promise("encodings")
class TestEncodings:
    """Serializers and compressions."""

    @pytest.mark.parametrize("serializer", ["json", "yaml", "msgpack", "pickle"])
    def test_every_compression_goes_with_every_serializer(
        self, broker: Broker, serializer: str
    ) -> None:
        queue, body = broker.queue(), {"text": "ä" * 200, "numbers": [1, 2.5, None, True]}
        compressions = [None, *compression.encoders()]
        try:
            for each in compressions:
                broker.send(queue, body, serializer=serializer, compression=each)
        except SerializerNotInstalled as error:
            pytest.skip(str(error))
        for _ in compressions:
            message = queue.get(accept=[serializer])
            assert message is not None
            assert message.payload == body
            message.ack()
