"""Messages that come back: later each time, and to the dead letters in the end."""

from __future__ import annotations

import time
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

import pytest
from brokers import Inbox, publish, waiting
from leased_store import LeasedPlugin, Server, fresh_servers
from plain_store import PlainPlugin

from kombu import Connection, Exchange, Queue, plugins
from kombu.exceptions import ChannelError, NotEquivalentError
from kombu.message import Message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(autouse=True)
def transports() -> Iterator[None]:
    with (
        plugins.registered(LeasedPlugin(), "leased-store"),
        plugins.registered(PlainPlugin(), "plain-store"),
    ):
        yield from fresh_servers()


def arrival(inbox: Inbox, count: int) -> float:
    """How many seconds it takes until so many have come."""
    started = monotonic()
    inbox.drain(count)
    return monotonic() - started


@pytest.mark.parametrize("scheme", ["memory", "leased"])
def test_a_message_can_be_requeued_for_later(scheme: str, url: str) -> None:
    with Connection(url if scheme == "memory" else "leased://store") as connection:
        publish(connection, "q", 1, 2)
        inbox = Inbox(connection, Queue("q")).drain(2)
        inbox.messages[0].requeue(delay=0.2)
        assert inbox.messages[0].acknowledged
        assert 0.15 < arrival(inbox, 3) < 2
        assert inbox.payloads == [1, 2, 1]
        assert inbox.messages[2].headers["x-delivery-count"] == 1
        if scheme == "memory":
            # What a store with a wire keeps of a release is its author's choice.
            assert abs(inbox.messages[2].headers["x-first-seen"] - time.time()) < 10


def test_a_store_that_can_t_delay_says_so_and_keeps_the_message() -> None:
    with Connection("plain://") as connection:
        publish(connection, "q", 1)
        message = Queue("q")(connection).get()
        with pytest.raises(ChannelError, match=r"plain transport can't delay") as caught:
            message.requeue(delay=1)
        assert caught.value.reply_code == 540
        assert not message.acknowledged
        message.requeue()
        assert waiting(connection, "q") == [1]
        with pytest.raises(ChannelError, match="can't delay"):
            publish(connection, "q", 1, delay=5)
        assert waiting(connection, "q") == []


def test_a_channel_without_delays_says_so() -> None:
    class Bare:
        no_ack_consumers = None

        def basic_reject(self, tag: Any, requeue: bool = False) -> None:
            raise AssertionError("nothing was to be sent")

    message = Message(channel=Bare(), delivery_tag=1)
    with pytest.raises(ChannelError, match="requeue\\(\\) without a delay"):
        message.requeue(delay=1)
    assert not message.acknowledged


def test_an_unknown_tag_can_t_be_requeued(connection: Connection) -> None:
    with pytest.raises(ChannelError, match="unknown delivery tag"):
        connection.channel().basic_requeue(7, 1)


def backing_off(connection: Connection, **arguments: Any) -> Inbox:
    queue = Queue("q", queue_arguments=arguments)(connection)
    queue.declare()
    publish(connection, "q", "m")
    return Inbox(connection, Queue("q", no_declare=True)).drain(1)


def test_a_queue_says_how_long_its_messages_wait(connection: Connection) -> None:
    inbox = backing_off(connection, **{"x-requeue-backoff": 60, "x-requeue-backoff-max": 100})
    pauses = []
    for returned in range(1, 4):
        inbox.messages[-1].requeue()
        pauses.append(arrival(inbox, returned + 1))
    assert pauses[0] > 0.05
    assert all(pause > 0.09 for pause in pauses[1:])
    assert sum(pauses) < 1
    # Asked for by the caller, whatever the queue says.
    inbox.messages[-1].requeue(delay=0)
    assert arrival(inbox, 5) < 0.05


def test_the_queue_s_back_off_comes_before_the_connection_s(
    connect: Callable[..., Connection],
) -> None:
    connection = connect(transport_options={"requeue_backoff": 30})
    inbox = backing_off(connection, **{"x-requeue-backoff": 10})
    inbox.messages[-1].requeue()
    inbox.drain(2)


def test_what_is_given_back_unseen_waits_for_nothing(connection: Connection) -> None:
    """A channel that closes tried nothing: others get its messages at once."""
    inbox = backing_off(connection, **{"x-requeue-backoff": 60_000})
    inbox.channel.close()
    assert waiting(connection, "q") == ["m"]


def test_a_back_off_is_part_of_the_declaration(connection: Connection) -> None:
    backing_off(connection, **{"x-requeue-backoff": 10})
    with pytest.raises(NotEquivalentError, match="x-requeue-backoff"):
        Queue("q", queue_arguments={"x-requeue-backoff": 20})(connection).declare()
    with pytest.raises(ChannelError, match=r"'x-requeue-backoff' .* is not a whole number"):
        Queue("r", queue_arguments={"x-requeue-backoff": "soon"})(connection).declare()


# -- long delays -------------------------------------------------------------------------------


def test_a_delay_that_is_too_long_for_the_store_holds_all_the_same() -> None:
    with Connection("shortdelay://store") as connection:
        queue = Queue("q")(connection)
        queue.declare()
        started = monotonic()
        publish(connection, "q", "later", delay=0.35)
        publish(connection, "q", "now")
        inbox = Inbox(connection, Queue("q")).drain(2)
        assert monotonic() - started > 0.34
        assert inbox.payloads == ["now", "later"]
        assert not inbox.messages[1].delivery_info["redelivered"]
        # Three times as long as the store can: it came early, and went back.
        assert Server.named["store"].commands.count("settle") >= 2


@pytest.mark.parametrize("no_ack", [True, False])
def test_getting_waits_for_long_delays_too(no_ack: bool) -> None:
    with Connection("shortdelay://store") as connection:
        queue = Queue("q")(connection)
        queue.declare()
        started = monotonic()
        publish(connection, "q", "later", delay=0.25)
        while (message := queue.get(no_ack=no_ack)) is None:
            assert monotonic() - started < 5
            sleep(0.01)
        assert monotonic() - started > 0.24
        assert message.payload == "later"


def test_a_requeue_waits_no_longer_than_the_store_can() -> None:
    with Connection("shortdelay://store") as connection:
        publish(connection, "q", 1)
        inbox = Inbox(connection, Queue("q")).drain(1)
        inbox.messages[0].requeue(delay=60)
        assert 0.05 < arrival(inbox, 2) < 5


def test_what_expired_is_not_delivered_where_the_store_can_t_tell() -> None:
    with Connection("leased://store") as connection:
        graves = Queue("graves", Exchange("dead", "fanout"))(connection)
        graves.declare()
        Queue("q", queue_arguments={"x-dead-letter-exchange": "dead"})(connection).declare()
        publish(connection, "q", "stale", expiration=0.05)
        publish(connection, "q", "fresh", expiration=60)
        sleep(0.1)
        assert Inbox(connection, Queue("q", no_declare=True)).drain(1).payloads == ["fresh"]
        (death,) = graves.get().headers["x-death"]
        assert death["reason"] == "expired"


# -- poison ------------------------------------------------------------------------------------


def poisoned(connection: Connection, limit: int) -> Any:
    graves = Queue("graves", Exchange("dead", "fanout"))(connection)
    graves.declare()
    arguments = {"x-delivery-limit": limit, "x-dead-letter-exchange": "dead"}
    Queue("q", queue_arguments=arguments)(connection).declare()
    publish(connection, "q", "poison")
    return graves


def test_what_kills_every_consumer_ends_with_the_dead_letters(
    connect: Callable[..., Connection],
) -> None:
    """Nobody rejects it: connections just end with it, again and again."""
    connection = connect()
    graves = poisoned(connection, limit=2)
    for _ in range(3):
        with connect() as victim:
            assert Inbox(victim, Queue("q", no_declare=True)).drain(1).payloads == ["poison"]
    letter = graves.get()
    assert letter.payload == "poison"
    assert letter.headers["x-death"][0]["reason"] == "delivery_limit"
    assert letter.headers["x-first-death-queue"] == "q"
    assert letter.headers["x-deliveries"] == 3
    assert abs(letter.headers["x-first-seen"] - time.time()) < 10
    assert waiting(connection, "q") == []


def test_backing_off_ends_with_the_delivery_limit(connect: Callable[..., Connection]) -> None:
    connection = connect(transport_options={"requeue_backoff": 0.01})
    graves = poisoned(connection, limit=2)
    inbox = Inbox(connection, Queue("q", no_declare=True))
    for returned in range(1, 4):
        inbox.drain(returned)
        inbox.messages[-1].requeue()
    letter = graves.get()
    assert letter.headers["x-death"][0]["reason"] == "delivery_limit"
    assert letter.headers["x-deliveries"] == 3
    inbox.drain()
    assert len(inbox.messages) == 3


def test_what_waits_for_its_queue_goes_with_it(connection: Connection) -> None:
    inbox = backing_off(connection)
    inbox.messages[0].requeue(delay=0.05)
    queue = Queue("q")(connection)
    queue.delete()
    sleep(0.1)
    queue.declare()
    assert waiting(connection, "q") == []


@pytest.mark.parametrize("overflow", ["reject-publish", "reject-publish-dlx", "drop-head"])
def test_a_delayed_message_that_finds_no_room_is_a_dead_letter(
    connection: Connection, overflow: str
) -> None:
    graves = Queue("graves", Exchange("dead", "fanout"))(connection)
    graves.declare()
    arguments = {"x-overflow": overflow, "x-max-length": 1, "x-dead-letter-exchange": "dead"}
    Queue("q", queue_arguments=arguments)(connection).declare()
    publish(connection, "q", "late", delay=0.05)
    publish(connection, "q", "early")
    sleep(0.1)
    stays, dies = ("late", "early") if overflow == "drop-head" else ("early", "late")
    assert waiting(connection, "q") == [stays]
    letter = graves.get()
    assert letter.payload == dies
    assert letter.headers["x-death"][0]["reason"] == "maxlen"


def test_a_message_that_was_accepted_comes_back_to_a_full_queue(connection: Connection) -> None:
    inbox = backing_off(connection, **{"x-overflow": "reject-publish", "x-max-length": 1})
    inbox.consumer.cancel()
    publish(connection, "q", "new")
    inbox.messages[0].requeue(delay=0.05)
    sleep(0.1)
    assert waiting(connection, "q") == ["new", "m"]


def test_what_is_refused_after_some_tries_tells_how_many(connection: Connection) -> None:
    graves = poisoned(connection, limit=10)
    inbox = Inbox(connection, Queue("q", no_declare=True)).drain(1)
    inbox.messages[0].requeue()
    inbox.drain(2)
    inbox.messages[1].reject()
    headers = graves.get().headers
    assert headers["x-death"][0]["reason"] == "rejected"
    assert headers["x-deliveries"] == 2


def test_what_may_not_be_decoded_is_dead_lettered_and_does_not_loop(
    connection: Connection,
) -> None:
    graves = poisoned(connection, limit=10)
    waiting(connection, "q")
    publish(connection, "q", {"a": 1}, serializer="pickle")
    channel = connection.channel()
    errors: list[Exception] = []

    def on_decode_error(message: Any, error: Exception) -> None:
        errors.append(error)
        message.reject()

    consumer = channel.Consumer([Queue("q", no_declare=True)], accept=["json"])
    consumer.register_callback(lambda body, message: pytest.fail("it was decoded"))
    consumer.on_decode_error = on_decode_error
    consumer.consume()
    connection.drain_events(timeout=1)
    with pytest.raises(TimeoutError):
        connection.drain_events(timeout=0.05)
    assert len(errors) == 1
    assert "pickle" in str(errors[0])
    assert graves.get().headers["x-death"][0]["reason"] == "rejected"


# -- dead letters on a store with a wire -------------------------------------------------------


@pytest.mark.parametrize(("scheme", "steps"), [("leased", ["put", "settle"]), ("moving", ["move"])])
def test_dead_letters_move_in_one_step_where_the_store_can(scheme: str, steps: list[str]) -> None:
    with Connection(f"{scheme}://store") as connection:
        graves = poisoned(connection, limit=5)
        message = Queue("q", no_declare=True)(connection).get()
        server = Server.named["store"]
        server.commands.clear()
        message.reject()
        assert server.commands == steps
        assert graves.get().payload == "poison"


def test_a_dead_letter_whose_claim_was_lost_does_not_move() -> None:
    with Connection("moving://store", transport_options={"lease": 30}) as connection:
        graves = poisoned(connection, limit=5)
        message = Queue("q", no_declare=True)(connection).get()
        Server.named["store"].claims.clear()
        with pytest.raises(Exception, match="was lost before it was settled"):
            message.reject()
        assert graves.get() is None
