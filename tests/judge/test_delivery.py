"""Order, acknowledgement, rejection and redelivery."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .protocol import refused
from .waiting import bodies, expect, receive, receive_nothing, take

if TYPE_CHECKING:
    from collections.abc import Callable

    from .protocol import Broker, Channel, Got


@pytest.fixture
def queue(channel: Channel, name: Callable[[str], str]) -> str:
    return channel.declare_queue(name("q")).name


def publish(channel: Channel, queue: str, *messages: str) -> None:
    for body in messages:
        channel.publish(body, queue)


def get(channel: Channel, queue: str, count: int = 1) -> list[Got]:
    got = []
    for _ in range(count):
        message = channel.get(queue)
        assert message is not None
        got.append(message)
    return got


# -- order and requeueing --------------------------------------------------------------------------


def test_messages_come_in_the_order_in_which_they_were_published(
    channel: Channel, queue: str
) -> None:
    wanted = [str(number) for number in range(50)]
    publish(channel, queue, *wanted)
    channel.consume(queue, no_ack=True)
    assert bodies(receive(channel, 50)) == wanted


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_requeued_messages_come_back_to_where_they_were(
    channel: Channel, queue: str, order: tuple[int, ...]
) -> None:
    publish(channel, queue, "a", "b", "c", "d")
    got = get(channel, queue, 3)
    for index in order:
        channel.reject(got[index].tag, requeue=True)
    expect(channel, queue, "a", "b", "c", "d")


def test_a_message_requeued_from_the_middle_comes_back_to_where_it_was(
    channel: Channel, queue: str
) -> None:
    publish(channel, queue, "a", "b", "c", "d")
    got = get(channel, queue, 3)
    channel.ack(got[0].tag)
    channel.reject(got[2].tag, requeue=True)
    channel.reject(got[1].tag, requeue=True)
    expect(channel, queue, "b", "c", "d")


def test_a_message_requeued_while_others_are_out_is_the_next_one(
    channel: Channel, queue: str
) -> None:
    publish(channel, queue, "a", "b", "c", "d")
    got = get(channel, queue, 3)
    channel.reject(got[1].tag, requeue=True)
    expect(channel, queue, "b", "d")


def test_requeueing_several_keeps_their_order(channel: Channel, queue: str) -> None:
    publish(channel, queue, "a", "b", "c", "d")
    got = get(channel, queue, 3)
    channel.nack(got[2].tag, multiple=True, requeue=True)
    expect(channel, queue, "a", "b", "c", "d")


def test_a_closed_channel_gives_back_what_it_held_in_order(
    channel: Channel, other: Channel, queue: str
) -> None:
    publish(channel, queue, "a", "b", "c", "d")
    get(other, queue, 3)
    other.close()
    got = take(channel, queue, 4)
    assert [(m.body, m.redelivered) for m in got] == [
        ("a", True),
        ("b", True),
        ("c", True),
        ("d", False),
    ]


def test_a_closed_connection_gives_back_what_it_held(
    side: object, channel: Channel, connect: Callable[[], Broker], queue: str
) -> None:
    publish(channel, queue, "a", "b")
    stranger = connect()
    get(stranger.channel(), queue, 2)
    assert channel.get(queue) is None
    stranger.close()
    assert bodies(take(channel, queue, 2)) == ["a", "b"]


def test_what_a_cancelled_consumer_holds_stays_its_channel_s(channel: Channel, queue: str) -> None:
    publish(channel, queue, "a")
    tag = channel.consume(queue)
    (got,) = receive(channel)
    channel.cancel(tag)
    assert channel.get(queue) is None
    channel.ack(got.tag)
    expect(channel, queue)


# -- the redelivered flag --------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["reject", "nack", "recover", "close"])
def test_a_message_that_comes_again_says_so(
    channel: Channel, other: Channel, queue: str, way: str
) -> None:
    publish(channel, queue, "m")
    (got,) = get(other, queue)
    assert not got.redelivered
    if way == "reject":
        other.reject(got.tag, requeue=True)
    elif way == "nack":
        other.nack(got.tag)
    elif way == "recover":
        other.recover()
    else:
        other.close()
    (again,) = take(channel, queue)
    assert again.redelivered


def test_a_message_that_a_consumer_gets_again_says_so(channel: Channel, queue: str) -> None:
    publish(channel, queue, "m")
    channel.consume(queue)
    (got,) = receive(channel)
    channel.reject(got.tag, requeue=True)
    (again,) = receive(channel)
    assert (again.body, again.redelivered) == ("m", True)
    assert again.tag > got.tag


# -- acknowledging ---------------------------------------------------------------------------------


def test_what_is_acknowledged_never_comes_again(
    channel: Channel, other: Channel, queue: str
) -> None:
    publish(channel, queue, "a")
    (got,) = get(other, queue)
    other.ack(got.tag)
    other.close()
    expect(channel, queue)


def test_acknowledging_several_takes_all_up_to_the_tag(
    channel: Channel, other: Channel, queue: str
) -> None:
    publish(channel, queue, "a", "b", "c", "d")
    got = get(other, queue, 4)
    other.ack(got[1].tag, multiple=True)
    other.close()
    expect(channel, queue, "c", "d")


def test_acknowledging_several_with_tag_0_takes_all(
    channel: Channel, other: Channel, queue: str
) -> None:
    publish(channel, queue, "a", "b", "c")
    get(other, queue, 3)
    other.ack(0, multiple=True)
    other.close()
    expect(channel, queue)


def test_refusing_several_with_tag_0_takes_all(channel: Channel, queue: str) -> None:
    publish(channel, queue, "a", "b", "c")
    get(channel, queue, 3)
    channel.nack(0, multiple=True, requeue=False)
    expect(channel, queue)


def test_acknowledging_several_leaves_out_what_was_acknowledged_before(
    channel: Channel, other: Channel, queue: str
) -> None:
    publish(channel, queue, "a", "b", "c")
    got = get(other, queue, 3)
    other.ack(got[0].tag)
    other.reject(got[1].tag, requeue=True)
    other.ack(got[2].tag, multiple=True)
    other.close()
    expect(channel, queue, "b")


def test_acknowledging_all_where_nothing_is_held_is_harmless(channel: Channel, queue: str) -> None:
    channel.ack(0, multiple=True)
    publish(channel, queue, "m")
    expect(channel, queue, "m")


@pytest.mark.parametrize("way", ["ack", "ack multiple", "nack", "nack multiple", "reject"])
def test_an_unknown_delivery_tag_is_refused(channel: Channel, way: str) -> None:
    with refused(406):
        if way == "reject":
            channel.reject(99, requeue=True)
        elif way.startswith("ack"):
            channel.ack(99, multiple=way.endswith("multiple"))
        else:
            channel.nack(99, multiple=way.endswith("multiple"))


def test_acknowledging_twice_is_refused(channel: Channel, queue: str) -> None:
    publish(channel, queue, "m")
    (got,) = get(channel, queue)
    channel.ack(got.tag)
    with refused(406):
        channel.ack(got.tag)


def test_a_delivery_is_its_channel_s_alone_to_acknowledge(
    channel: Channel, other: Channel, queue: str
) -> None:
    publish(channel, queue, "m")
    (got,) = get(channel, queue)
    with refused(406):
        other.ack(got.tag)


@pytest.mark.parametrize("way", ["get", "consume"])
def test_what_needs_no_acknowledgement_cannot_be_acknowledged(
    channel: Channel, queue: str, way: str
) -> None:
    publish(channel, queue, "m")
    if way == "get":
        got = channel.get(queue, no_ack=True)
        assert got is not None
    else:
        channel.consume(queue, no_ack=True)
        (got,) = receive(channel)
    with refused(406):
        channel.ack(got.tag)


def test_delivery_tags_count_up_from_1(channel: Channel, queue: str) -> None:
    publish(channel, queue, "a", "b", "c")
    assert [got.tag for got in get(channel, queue, 2)] == [1, 2]
    channel.consume(queue, no_ack=True)
    assert receive(channel)[0].tag == 3


# -- recovering ------------------------------------------------------------------------------------


def test_recover_requeues_all_that_is_held_in_order(channel: Channel, queue: str) -> None:
    publish(channel, queue, "a", "b", "c", "d")
    got = get(channel, queue, 3)
    channel.ack(got[1].tag)
    channel.recover()
    again = take(channel, queue, 3)
    assert [(m.body, m.redelivered) for m in again] == [("a", True), ("c", True), ("d", False)]


def test_recovered_deliveries_are_held_no_more(channel: Channel, queue: str) -> None:
    publish(channel, queue, "a")
    (got,) = get(channel, queue)
    channel.recover()
    with refused(406):
        channel.ack(got.tag)


def test_recover_leaves_other_channels_alone(channel: Channel, other: Channel, queue: str) -> None:
    publish(channel, queue, "a")
    (got,) = get(other, queue)
    channel.recover()
    assert channel.get(queue) is None
    other.ack(got.tag)


# -- getting and consuming -------------------------------------------------------------------------


def test_getting_from_an_empty_queue_gives_nothing(channel: Channel, queue: str) -> None:
    assert channel.get(queue) is None


@pytest.mark.parametrize("way", ["get", "consume"])
def test_a_missing_queue_has_nothing_to_give(
    channel: Channel, name: Callable[[str], str], way: str
) -> None:
    with refused(404):
        if way == "get":
            channel.get(name("q"))
        else:
            channel.consume(name("q"))


def test_a_consumer_gets_what_comes_later(channel: Channel, queue: str) -> None:
    tag = channel.consume(queue)
    publish(channel, queue, "later")
    (got,) = receive(channel)
    assert (got.body, got.consumer, got.exchange, got.key) == ("later", tag, "", queue)


def test_consumers_of_one_queue_take_turns(channel: Channel, queue: str) -> None:
    channel.qos(1)
    tags = [channel.consume(queue) for _ in range(3)]
    publish(channel, queue, "a", "b", "c")
    assert sorted(got.consumer for got in receive(channel, 3)) == sorted(tags)


def test_a_cancelled_consumer_gets_nothing_more(channel: Channel, queue: str) -> None:
    tag = channel.consume(queue)
    channel.cancel(tag)
    publish(channel, queue, "m")
    receive_nothing(channel)
    expect(channel, queue, "m")


def test_cancelling_an_unknown_consumer_is_harmless(channel: Channel) -> None:
    channel.cancel("unknown")


def test_a_consumer_tag_is_one_consumer_s(channel: Channel, queue: str) -> None:
    assert channel.consume(queue, "mine") == "mine"
    with refused(530):
        channel.consume(queue, "mine")


def test_consumer_tags_are_a_channel_s_own(channel: Channel, other: Channel, queue: str) -> None:
    assert channel.consume(queue, "mine") == other.consume(queue, "mine") == "mine"
    assert channel.declare_queue(queue).consumers == 2


def test_a_consumer_without_acknowledgement_holds_nothing(
    channel: Channel, other: Channel, queue: str
) -> None:
    publish(channel, queue, "a", "b")
    other.consume(queue, no_ack=True)
    assert bodies(receive(other, 2)) == ["a", "b"]
    other.close()
    expect(channel, queue)
