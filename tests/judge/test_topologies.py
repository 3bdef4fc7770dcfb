"""Random exchanges, bindings and messages: memory routes every one of them as RabbitMQ does."""

from __future__ import annotations

import itertools
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .protocol import Channel, Side

#: Few words, so that keys and patterns meet.
WORD = st.sampled_from(["a", "b", ""])
KEY = st.lists(WORD, max_size=3).map(".".join)
PATTERN = st.lists(st.one_of(WORD, st.sampled_from(["*", "#"])), max_size=4).map(".".join)

VALUE = st.sampled_from([1, 2, "1", True, False])
HEADERS = st.dictionaries(st.sampled_from(["h", "i", "x-h"]), VALUE, max_size=3)
WANTED = st.builds(
    lambda mode, values: {"x-match": mode} | values,
    st.sampled_from(["all", "any", "all-with-x", "any-with-x"]),
    st.dictionaries(st.sampled_from(["h", "i", "x-h"]), st.one_of(VALUE, st.none()), max_size=2),
)


@dataclass(frozen=True)
class Binding:
    """From an exchange to a queue or an exchange, each by its number."""

    source: int
    destination: int
    to_exchange: bool
    key: str
    arguments: dict[str, Any] | None


@dataclass(frozen=True)
class Topology:
    """Types of the exchanges, the alternate exchange of each, how many queues, and bindings."""

    types: list[str]
    alternates: list[int | None]
    queues: int
    bindings: list[Binding]


@st.composite
def topologies(draw: st.DrawFn) -> Topology:
    kinds = ["direct", "topic", "fanout", "headers"]
    types = draw(st.lists(st.sampled_from(kinds), min_size=3, max_size=5))
    number = st.integers(0, len(types) - 1)
    alternates = [draw(number) if draw(st.booleans()) else None for _ in types]
    queues = draw(st.integers(2, 4))

    def binding() -> Binding:
        source, to_exchange = draw(number), draw(st.booleans())
        kind = types[source]
        return Binding(
            source,
            draw(number) if to_exchange else draw(st.integers(0, queues - 1)),
            to_exchange,
            draw(PATTERN if kind == "topic" else KEY),
            draw(WANTED) if kind == "headers" else None,
        )

    bindings = [binding() for _ in range(draw(st.integers(3, 14)))]
    # Some twice: a binding is one, however often it is made.
    again = draw(st.lists(st.sampled_from(bindings), max_size=3))
    return Topology(types, alternates, queues, bindings + again)


MESSAGE = st.tuples(st.integers(0, 4), KEY, HEADERS)


class Built:
    """A topology on one side, under names of its own."""

    def __init__(self, channel: Channel, topology: Topology, prefix: str) -> None:
        self._channel = channel
        self._exchanges = [f"x-{prefix}-{number}" for number in range(len(topology.types))]
        self._queues = [f"q-{prefix}-{number}" for number in range(topology.queues)]
        for name, kind, alternate in zip(
            self._exchanges, topology.types, topology.alternates, strict=True
        ):
            arguments = (
                None if alternate is None else {"alternate-exchange": self._exchanges[alternate]}
            )
            channel.declare_exchange(name, kind, arguments=arguments)
        for name in self._queues:
            channel.declare_queue(name)
        for binding in topology.bindings:
            source = self._exchanges[binding.source]
            if binding.to_exchange:
                destination = self._exchanges[binding.destination]
                channel.bind_exchange(destination, source, binding.key, binding.arguments)
            else:
                destination = self._queues[binding.destination]
                channel.bind(destination, source, binding.key, binding.arguments)

    def publish(self, body: str, exchange: int, key: str, headers: dict[str, Any]) -> None:
        name = self._exchanges[exchange % len(self._exchanges)]
        self._channel.publish(body, key, name, headers=headers, mandatory=True)

    def contents(self) -> list[list[str]]:
        """What is in the queues, and at last what was returned."""
        found = []
        for queue in self._queues:
            held = iter(lambda: self._channel.get(queue, no_ack=True), None)
            found.append([message.body for message in held if message is not None])
        return [*found, [message.body for message in self._channel.returned]]


@pytest.fixture(scope="module")
def both(judge: Side, memory: Side) -> Iterator[tuple[Channel, Channel]]:
    connections = [judge.connect(), memory.connect()]
    yield connections[0].channel(), connections[1].channel()
    for connection in connections:
        connection.close()


_numbers = itertools.count()


# It takes seconds, but two minutes to find the smallest topology where the two sides disagree.
@pytest.mark.timeout(400)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)
@given(topology=topologies(), messages=st.lists(MESSAGE, min_size=4, max_size=10))
def test_a_message_reaches_the_same_queues_on_both_sides(
    both: tuple[Channel, Channel],
    topology: Topology,
    messages: list[tuple[int, str, dict[str, Any]]],
) -> None:
    prefix = f"{uuid.uuid4().hex[:8]}-{next(_numbers)}"
    contents = []
    for channel in both:
        channel.returned.clear()
        built = Built(channel, topology, prefix)
        for number, (exchange, key, headers) in enumerate(messages):
            built.publish(str(number), exchange, key, headers)
        contents.append(built.contents())
    on_rabbitmq, on_memory = contents
    assert on_memory == on_rabbitmq
