"""Where messages go that leave a queue otherwise than by acknowledgement (RabbitMQ's DLX)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from .deaths import deaths
from .protocol import refused
from .waiting import bodies, expect, hold, nothing_in, receive, take, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from .protocol import Channel


class Pair(NamedTuple):
    """A queue, and the one that its dead letters go to by the default exchange."""

    queue: str
    dead: str


@pytest.fixture
def pair(channel: Channel, name: Callable[[str], str]) -> Callable[..., Pair]:
    """Declares a queue with further arguments and one for its dead letters."""

    def declare(**arguments: Any) -> Pair:
        queue, dead = name("q"), name("dead")
        channel.declare_queue(dead)
        letters = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead}
        further = {key.replace("_", "-"): value for key, value in arguments.items()}
        channel.declare_queue(queue, arguments=letters | further)
        return Pair(queue, dead)

    return declare


def reject_next(channel: Channel, queue: str) -> None:
    channel.reject(hold(channel, queue).tag, requeue=False)


# -- what makes a dead letter ----------------------------------------------------------------------


@pytest.mark.parametrize("way", ["reject", "nack", "nack multiple"])
def test_what_is_refused_for_good_is_dead_lettered(
    channel: Channel, pair: Callable[..., Pair], way: str
) -> None:
    queue, dead = pair()
    channel.publish("m", queue)
    got = channel.get(queue)
    assert got is not None
    if way == "reject":
        channel.reject(got.tag, requeue=False)
    else:
        channel.nack(got.tag, requeue=False, multiple=way == "nack multiple")
    expect(channel, dead, "m")
    expect(channel, queue)


def test_what_is_requeued_is_not_dead_lettered(channel: Channel, pair: Callable[..., Pair]) -> None:
    queue, dead = pair()
    channel.publish("m", queue)
    got = channel.get(queue)
    assert got is not None
    channel.reject(got.tag, requeue=True)
    nothing_in(channel, dead)
    expect(channel, queue, "m")


def test_what_is_acknowledged_purged_or_deleted_is_not_dead_lettered(
    channel: Channel, pair: Callable[..., Pair]
) -> None:
    queue, dead = pair()
    for body in ("acknowledged", "purged"):
        channel.publish(body, queue)
    got = channel.get(queue)
    assert got is not None
    channel.ack(got.tag)
    assert channel.purge(queue) == 1
    channel.publish("deleted", queue)
    assert channel.delete_queue(queue) == 1
    nothing_in(channel, dead)


def test_refused_messages_are_dead_lettered_in_their_order(
    channel: Channel, pair: Callable[..., Pair]
) -> None:
    queue, dead = pair()
    for number in range(5):
        channel.publish(str(number), queue)
    got = [channel.get(queue) for _ in range(5)]
    assert got[-1] is not None
    channel.nack(got[-1].tag, multiple=True, requeue=False)
    expect(channel, dead, "0", "1", "2", "3", "4")


# -- where it goes ---------------------------------------------------------------------------------


def test_a_dead_letter_keeps_its_routing_key_unless_the_queue_names_one(
    channel: Channel, name: Callable[[str], str]
) -> None:
    source, letters, queue, dead = name("x"), name("dlx"), name("q"), name("dead")
    channel.declare_exchange(source, "fanout")
    channel.declare_exchange(letters, "direct")
    channel.declare_queue(dead)
    channel.bind(dead, letters, "its own")
    channel.declare_queue(queue, arguments={"x-dead-letter-exchange": letters})
    channel.bind(queue, source)
    channel.publish("m", "its own", source)
    channel.publish("unbound", "another", source)
    reject_next(channel, queue)
    reject_next(channel, queue)
    (got,) = take(channel, dead)
    assert (got.body, got.exchange, got.key) == ("m", letters, "its own")
    assert got.headers["x-death"][0]["exchange"] == source
    nothing_in(channel, dead, queue)


def test_a_dead_letter_keeps_body_headers_and_properties(
    channel: Channel, pair: Callable[..., Pair]
) -> None:
    queue, dead = pair()
    channel.publish("m", queue, headers={"own": [1, "x"]}, priority=3, correlation_id="c")
    reject_next(channel, queue)
    (got,) = take(channel, dead)
    assert (got.body, got.headers["own"], got.priority, got.correlation_id) == (
        "m",
        [1, "x"],
        3,
        "c",
    )
    assert not got.redelivered


def test_a_dead_letter_goes_to_every_queue_that_its_exchange_leads_to(
    channel: Channel, name: Callable[[str], str]
) -> None:
    letters, queue, dead = name("dlx"), name("q"), [name("dead") for _ in range(3)]
    channel.declare_exchange(letters, "fanout")
    for each in dead:
        channel.declare_queue(each)
        channel.bind(each, letters)
    channel.declare_queue(queue, arguments={"x-dead-letter-exchange": letters})
    channel.publish("m", queue)
    reject_next(channel, queue)
    for each in dead:
        expect(channel, each, "m")


def test_a_dead_letter_whose_exchange_is_missing_is_dropped(
    channel: Channel, name: Callable[[str], str]
) -> None:
    queue, dead = name("q"), name("dead")
    channel.declare_queue(dead)
    channel.declare_queue(
        queue,
        arguments={"x-dead-letter-exchange": name("nowhere"), "x-dead-letter-routing-key": dead},
    )
    channel.publish("m", queue)
    reject_next(channel, queue)
    nothing_in(channel, dead, queue)


def test_a_dead_letter_exchange_may_be_declared_later(
    channel: Channel, name: Callable[[str], str]
) -> None:
    queue, dead, letters = name("q"), name("dead"), name("dlx")
    channel.declare_queue(queue, arguments={"x-dead-letter-exchange": letters})
    channel.publish("m", queue)
    channel.declare_exchange(letters, "fanout")
    channel.declare_queue(dead)
    channel.bind(dead, letters)
    reject_next(channel, queue)
    expect(channel, dead, "m")


def test_a_dead_letter_that_fits_no_queue_goes_to_the_alternate_exchange(
    channel: Channel, name: Callable[[str], str]
) -> None:
    letters, spare, queue, dead = name("dlx"), name("spare"), name("q"), name("dead")
    channel.declare_exchange(spare, "fanout")
    channel.declare_exchange(letters, "direct", arguments={"alternate-exchange": spare})
    channel.declare_queue(dead)
    channel.bind(dead, spare)
    channel.declare_queue(queue, arguments={"x-dead-letter-exchange": letters})
    channel.publish("m", queue)
    reject_next(channel, queue)
    expect(channel, dead, "m")


def test_a_dead_letter_routing_key_without_an_exchange_is_refused(
    channel: Channel, name: Callable[[str], str]
) -> None:
    with refused(406):
        channel.declare_queue(name("q"), arguments={"x-dead-letter-routing-key": "k"})


# -- what it says of its death ---------------------------------------------------------------------


def test_x_death_of_a_refused_message(
    channel: Channel, pair: Callable[..., Pair], name: Callable[[str], str]
) -> None:
    queue, dead = pair()
    exchange = name("x")
    channel.declare_exchange(exchange, "topic")
    channel.bind(queue, exchange, "a.*")
    channel.publish("m", "a.b", exchange)
    reject_next(channel, queue)
    (got,) = take(channel, dead)
    assert deaths(got) == [
        {
            "count": 1,
            "reason": "rejected",
            "queue": queue,
            "exchange": exchange,
            "routing-keys": ["a.b"],
        }
    ]
    assert {key: value for key, value in got.headers.items() if key != "x-death"} == {
        "x-first-death-exchange": exchange,
        "x-first-death-queue": queue,
        "x-first-death-reason": "rejected",
    }


def test_x_death_of_an_expired_message_keeps_its_expiration(
    channel: Channel, pair: Callable[..., Pair]
) -> None:
    queue, dead = pair()
    channel.publish("m", queue, expiration=50)
    (got,) = take(channel, dead)
    assert deaths(got) == [
        {
            "count": 1,
            "reason": "expired",
            "queue": queue,
            "exchange": "",
            "routing-keys": [queue],
            "original-expiration": "50",
        }
    ]
    assert got.expiration is None
    assert got.headers["x-first-death-reason"] == "expired"


def test_x_death_of_a_refused_message_that_would_have_expired_later(
    channel: Channel, pair: Callable[..., Pair]
) -> None:
    queue, dead = pair()
    channel.publish("m", queue, expiration=60_000)
    reject_next(channel, queue)
    (got,) = take(channel, dead)
    assert deaths(got)[0]["original-expiration"] == "60000"
    assert got.expiration is None


def test_x_death_of_a_message_that_the_queue_let_expire_names_no_expiration(
    channel: Channel, pair: Callable[..., Pair]
) -> None:
    queue, dead = pair(x_message_ttl=50)
    channel.publish("m", queue)
    (got,) = take(channel, dead)
    assert deaths(got) == [
        {"count": 1, "reason": "expired", "queue": queue, "exchange": "", "routing-keys": [queue]}
    ]


def test_x_death_of_a_message_that_had_no_room(channel: Channel, pair: Callable[..., Pair]) -> None:
    queue, dead = pair(x_max_length=1)
    channel.publish("old", queue)
    channel.publish("new", queue)
    (got,) = take(channel, dead)
    assert (got.body, deaths(got)) == (
        "old",
        [{"count": 1, "reason": "maxlen", "queue": queue, "exchange": "", "routing-keys": [queue]}],
    )
    assert got.headers["x-first-death-reason"] == "maxlen"
    expect(channel, queue, "new")


def test_x_death_counts_deaths_of_one_kind_in_one_queue(
    channel: Channel, pair: Callable[..., Pair]
) -> None:
    queue, dead = pair()
    channel.publish("m", queue)
    reject_next(channel, queue)
    for _ in range(2):
        (got,) = take(channel, dead)
        channel.publish("m", queue, headers=got.headers)
        reject_next(channel, queue)
    (got,) = take(channel, dead)
    assert [(d["queue"], d["reason"], d["count"]) for d in deaths(got)] == [(queue, "rejected", 3)]


def test_x_death_tells_the_newest_death_first(channel: Channel, name: Callable[[str], str]) -> None:
    first, second, last = name("first"), name("second"), name("last")
    channel.declare_queue(last)
    for queue, target in ((second, last), (first, second)):
        letters = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": target}
        channel.declare_queue(queue, arguments=letters)
    channel.publish("m", first, expiration=30)
    reject_next(channel, second)
    (got,) = take(channel, last)
    assert deaths(got) == [
        {
            "count": 1,
            "reason": "rejected",
            "queue": second,
            "exchange": "",
            "routing-keys": [second],
        },
        {
            "count": 1,
            "reason": "expired",
            "queue": first,
            "exchange": "",
            "routing-keys": [first],
            "original-expiration": "30",
        },
    ]
    assert {k: v for k, v in got.headers.items() if k.startswith("x-first")} == {
        "x-first-death-exchange": "",
        "x-first-death-queue": first,
        "x-first-death-reason": "expired",
    }


def test_x_death_tells_deaths_of_another_kind_apart(
    channel: Channel, name: Callable[[str], str]
) -> None:
    queue, dead = name("q"), name("dead")
    channel.declare_queue(dead)
    letters = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead}
    channel.declare_queue(queue, arguments=letters)
    channel.publish("m", queue)
    reject_next(channel, queue)
    (got,) = take(channel, dead)
    channel.publish("m", queue, headers=got.headers, expiration=30)
    (got,) = take(channel, dead)
    channel.publish("m", queue, headers=got.headers)
    reject_next(channel, queue)
    (got,) = take(channel, dead)
    assert [(d["queue"], d["reason"], d["count"]) for d in deaths(got)] == [
        (queue, "rejected", 2),
        (queue, "expired", 1),
    ]
    assert got.headers["x-first-death-reason"] == "rejected"


def test_first_death_headers_are_believed_only_beside_x_death(
    channel: Channel, pair: Callable[..., Pair]
) -> None:
    queue, dead = pair()
    claimed = {
        "x-first-death-exchange": "e",
        "x-first-death-queue": "q",
        "x-first-death-reason": "expired",
    }
    channel.publish("m", queue, headers=claimed)
    reject_next(channel, queue)
    (got,) = take(channel, dead)
    first = {k: v for k, v in got.headers.items() if k.startswith("x-first")}
    assert first == {
        "x-first-death-exchange": "",
        "x-first-death-queue": queue,
        "x-first-death-reason": "rejected",
    }
    channel.publish("m", queue, headers=got.headers | claimed)
    reject_next(channel, queue)
    (got,) = take(channel, dead)
    assert {k: v for k, v in got.headers.items() if k.startswith("x-first")} == claimed


def test_a_foreign_x_death_is_kept_behind(channel: Channel, pair: Callable[..., Pair]) -> None:
    queue, dead = pair()
    foreign = {"queue": "elsewhere", "reason": "rejected", "count": 7}
    channel.publish("m", queue, headers={"x-death": [foreign]})
    reject_next(channel, queue)
    (got,) = take(channel, dead)
    assert got.headers["x-death"][1:] == [foreign]
    assert (got.headers["x-death"][0]["queue"], got.headers["x-death"][0]["count"]) == (queue, 1)
    assert not [key for key in got.headers if key.startswith("x-first")]


def test_an_x_death_that_is_none_is_replaced(channel: Channel, pair: Callable[..., Pair]) -> None:
    queue, dead = pair()
    channel.publish("m", queue, headers={"x-death": "of no use"})
    reject_next(channel, queue)
    (got,) = take(channel, dead)
    assert [(d["queue"], d["reason"], d["count"]) for d in deaths(got)] == [(queue, "rejected", 1)]


# -- circles ---------------------------------------------------------------------------------------


def test_a_message_that_expires_in_a_circle_is_dropped(
    channel: Channel, name: Callable[[str], str]
) -> None:
    first, second = name("first"), name("second")
    for queue, target in ((first, second), (second, first)):
        channel.declare_queue(
            queue,
            arguments={
                "x-dead-letter-exchange": "",
                "x-dead-letter-routing-key": target,
                "x-message-ttl": 20,
            },
        )
    channel.publish("m", first)
    nothing_in_at_last(channel, first, second)


def test_a_message_that_expires_into_its_own_queue_is_dropped(
    channel: Channel, name: Callable[[str], str]
) -> None:
    queue = name("q")
    channel.declare_queue(
        queue,
        arguments={
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": queue,
            "x-message-ttl": 20,
        },
    )
    channel.publish("m", queue)
    nothing_in_at_last(channel, queue)


def test_a_refused_message_may_go_round_in_a_circle(
    channel: Channel, name: Callable[[str], str]
) -> None:
    queue, retry = name("q"), name("retry")
    channel.declare_queue(
        queue, arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": retry}
    )
    channel.declare_queue(
        retry,
        arguments={
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": queue,
            "x-message-ttl": 20,
        },
    )
    channel.publish("m", queue)
    channel.consume(queue)
    for round_ in range(3):
        (got,) = receive(channel)
        counts = {(d["queue"], d["reason"]): d["count"] for d in got.headers.get("x-death", [])}
        wanted = {(queue, "rejected"): round_, (retry, "expired"): round_} if round_ else {}
        assert counts == wanted
        channel.reject(got.tag, requeue=False)


def test_a_refused_message_may_come_back_to_its_own_queue(
    channel: Channel, name: Callable[[str], str]
) -> None:
    queue = name("q")
    channel.declare_queue(
        queue, arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": queue}
    )
    channel.publish("m", queue)
    for _ in range(3):
        reject_next(channel, queue)
    (got,) = take(channel, queue)
    assert [(d["reason"], d["count"]) for d in deaths(got)] == [("rejected", 3)]


def test_a_queue_of_a_circle_is_left_out_and_others_are_not(
    channel: Channel, name: Callable[[str], str]
) -> None:
    queue, aside, letters = name("q"), name("aside"), name("dlx")
    channel.declare_exchange(letters, "fanout")
    channel.declare_queue(queue, arguments={"x-dead-letter-exchange": letters, "x-message-ttl": 20})
    channel.declare_queue(aside)
    for each in (queue, aside):
        channel.bind(each, letters)
    channel.publish("m", queue)
    assert bodies(take(channel, aside)) == ["m"]
    nothing_in(channel, queue, aside)


def nothing_in_at_last(channel: Channel, *queues: str) -> None:
    """The queues empty themselves, and stay empty (looked at without taking anything)."""

    def empty() -> bool:
        return not any(channel.declare_queue(q, passive=True).messages for q in queues)

    wait_until(empty, "the queues empty themselves")
    nothing_in(channel, *queues)
