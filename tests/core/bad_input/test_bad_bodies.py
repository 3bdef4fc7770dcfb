"""Bodies that can't be read: a typed error or `on_decode_error`, and the message stays."""

from __future__ import annotations

import gzip
import pickle
from typing import TYPE_CHECKING, Any

import pytest
from brokers import drain_until, publish, waiting

from kombu import Connection, Consumer, Exchange, Queue, compression
from kombu.exceptions import ContentDisallowed, DecodeError, KombuError

if TYPE_CHECKING:
    from collections.abc import Iterator

JSON = "application/json"
PICKLE = "application/x-python-serialize"
executed: list[str] = []


class Bomb:
    """What runs code where it is unpickled."""

    def __reduce__(self) -> Any:
        return executed.append, ("boom",)


def gzipped(body: bytes) -> bytes:
    return compression.compress(body, "gzip")[0]


#: (body, content type, encoding, headers, error, what it says)
BODIES: dict[str, tuple[Any, str, str, dict[str, Any], type[KombuError], str]] = {
    "refused": (
        pickle.dumps(Bomb()), PICKLE, "binary", {}, ContentDisallowed, "accept argument",
    ),
    "corrupt": (b'{"a": nope}', JSON, "utf-8", {}, DecodeError, "the body is not application/json"),
    "truncated": (b'{"a": [1, 2', JSON, "utf-8", {}, DecodeError, "the body is not"),
    "not its character set": (b'"\xff"', JSON, "utf-8", {}, DecodeError, "the body is not"),
    "empty": (b"", JSON, "utf-8", {}, DecodeError, "the body is not application/json"),
    "deep list": (b"[" * 200_000, JSON, "utf-8", {}, DecodeError, "nested too deeply"),
    "deep object": (b'{"a":' * 200_000, JSON, "utf-8", {}, DecodeError, "nested too deeply"),
    "corrupt compression": (
        b"no gzip at all", JSON, "utf-8", {"compression": "application/x-gzip"}, DecodeError,
        "cannot be expanded from application/x-gzip",
    ),
    "truncated compression": (
        gzipped(b'{"a": 1}' * 100)[:-5], JSON, "utf-8", {"compression": "application/x-gzip"},
        DecodeError, "truncated",
    ),
    "empty compression": (
        b"", JSON, "utf-8", {"compression": "application/x-gzip"}, DecodeError, "truncated",
    ),
    "over-expanding": (
        gzip.compress(b"0" * 100_000), JSON, "utf-8", {"compression": "application/x-gzip"},
        DecodeError, "expands to more than 10000 bytes",
    ),
    "unknown compression": (
        b"{}", JSON, "utf-8", {"compression": "application/x-odd"}, KombuError,
        "no compressor is registered for 'application/x-odd'",
    ),
}  # fmt: skip


@pytest.fixture(params=BODIES)
def bad(request: pytest.FixtureRequest, connection: Connection, queue: Queue) -> Iterator[Any]:
    """A queue with one bad message, and the error that it has to be."""
    body, content_type, encoding, headers, error, says = BODIES[request.param]
    compression.set_max_decompressed_size(10_000)
    executed.clear()
    publish(
        connection,
        queue,
        body,
        content_type=content_type,
        content_encoding=encoding,
        headers=headers,
    )
    yield error, says
    compression.set_max_decompressed_size(256 * 1024 * 1024)
    assert executed == [], "it was decoded although it was refused"


def test_without_on_decode_error_the_error_is_raised_and_the_message_stays(
    connection: Connection, queue: Queue, bad: Any
) -> None:
    error, says = bad
    channel = connection.channel()
    seen: list[Any] = []
    consumer = Consumer(channel, queue, callbacks=[lambda *args: seen.append(args)])
    with pytest.raises(error, match=says), consumer:
        connection.drain_events(timeout=5)
    assert seen == []
    channel.close()
    message = queue.channel.basic_get(queue.name)
    assert message is not None
    assert message.delivery_info["redelivered"]
    with pytest.raises(error, match=says):
        message.decode()
    message.reject()


def test_on_decode_error_gets_the_message_and_decides(
    connection: Connection, queue: Queue, bad: Any
) -> None:
    error, says = bad
    told: list[Any] = []

    def on_decode_error(message: Any, exc: BaseException) -> None:
        told.append((message, exc))
        assert not message.acknowledged
        message.reject()

    with Consumer(
        connection.channel(),
        queue,
        callbacks=[lambda *args: told.append(args)],
        on_decode_error=on_decode_error,
    ):
        drain_until(connection, lambda: bool(told))
    ((message, exc),) = told
    assert isinstance(exc, error)
    assert says in str(exc)
    assert message.acknowledged
    assert waiting(connection, queue) == []


def test_those_behind_a_bad_message_are_delivered(
    connection: Connection, queue: Queue, bad: Any
) -> None:
    publish(connection, queue, "good")
    seen: list[Any] = []

    def on_decode_error(message: Any, exc: BaseException) -> None:
        message.reject()

    def receive(body: Any, message: Any) -> None:
        seen.append(body)
        message.ack()

    with Consumer(
        connection.channel(), queue, callbacks=[receive], on_decode_error=on_decode_error
    ):
        drain_until(connection, lambda: bool(seen))
    assert seen == ["good"]


def test_get_raises_and_the_message_stays(connection: Connection, queue: Queue, bad: Any) -> None:
    error, says = bad
    mine = queue(connection.channel())
    with pytest.raises(error, match=says):
        mine.get(accept=["json"]).decode()
    assert queue.queue_declare(passive=True).message_count == 0
    mine.channel.close()
    assert queue.queue_declare(passive=True).message_count == 1


def test_a_simple_queue_hands_it_over_and_reading_it_raises_each_time(
    connection: Connection, queue: Queue, bad: Any
) -> None:
    error, says = bad
    with connection.SimpleQueue(queue) as simple:
        message = simple.get(timeout=5)
        for _ in range(2):
            with pytest.raises(error, match=says):
                message.payload
        message.reject()
    assert waiting(connection, queue) == []


def test_an_empty_body_of_text_or_data_is_empty(connection: Connection, queue: Queue) -> None:
    publish(connection, queue, "", b"")
    assert waiting(connection, queue) == ["", b""]


def test_a_poison_message_ends_in_the_dead_letter_queue(connection: Connection) -> None:
    """Also where the consumer never answers: the delivery limit of the queue ends it."""
    executed.clear()
    graves = Queue("graves", Exchange("dead", "fanout"))(connection.channel())
    graves.declare()
    arguments = {"x-dead-letter-exchange": "dead", "x-delivery-limit": 2}
    poisoned = Queue("poisoned", queue_arguments=arguments)
    poisoned(connection.channel()).declare()
    body = pickle.dumps(Bomb())
    publish(connection, "poisoned", body, content_type=PICKLE, content_encoding="binary")
    refusals = []
    for _ in range(10):
        channel = connection.channel()
        consumer = Consumer(channel, poisoned, callbacks=[print])
        try:
            with consumer:
                connection.drain_events(timeout=0.2)
        except ContentDisallowed as exc:
            refusals.append(str(exc))
        except TimeoutError:
            break
        finally:
            channel.close()
    assert 1 <= len(refusals) <= 3
    assert all("pickle" in refusal and "accept" in refusal for refusal in refusals)
    letter = graves.get()
    assert letter is not None
    assert letter.body == body
    assert letter.headers["x-death"][0]["reason"] == "delivery_limit"
    letter.ack()
    assert executed == []
