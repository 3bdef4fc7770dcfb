"""The table of blocking calls is complete, and says what the signatures say."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from kombu import Connection, Consumer, Exchange, Message, Producer, Queue, common, compat, pools
from kombu.batching import Batch
from kombu.connection import ChannelPool, ConnectionPool, PooledConnection
from kombu.declare import maybe_declare
from kombu.entity import binding
from kombu.mixins import ConsumerMixin, ConsumerProducerMixin
from kombu.pidbox import Mailbox, Node
from kombu.pools import ProducerPool
from kombu.resource import Resource
from kombu.simple import SimpleBuffer, SimpleQueue
from kombu.transport import native_delayed_delivery
from kombu.transport.options import Options
from kombu.utils.deadlines import OPERATION_TIMEOUT
from kombu.virtual import Channel

from .blocks import run_blocks

PAGE = Path(__file__).parents[2] / "docs" / "blocking.md"
TEXT = PAGE.read_text(encoding="utf-8")

#: The public classes, and those whose methods are listed once, for their base.
CLASSES: dict[type, type] = {
    Connection: object,
    PooledConnection: Connection,
    Resource: object,
    ConnectionPool: Resource,
    ChannelPool: Resource,
    ProducerPool: Resource,
    Exchange: object,
    Queue: object,
    binding: object,
    Producer: object,
    Batch: object,
    Consumer: object,
    Message: object,
    SimpleQueue: object,
    SimpleBuffer: SimpleQueue,
    Channel: object,
    common.Broadcast: Queue,
    ConsumerMixin: object,
    ConsumerProducerMixin: ConsumerMixin,
    Mailbox: object,
    Node: object,
    compat.Publisher: Producer,
    compat.Consumer: Consumer,
    compat.ConsumerSet: Consumer,
}
OTHERS: dict[str, Any] = {
    "maybe_declare": maybe_declare,
    "pools.reset": pools.reset,
    "pools.set_limit": pools.set_limit,
    "Consumer": Consumer,
    "SimpleQueue": SimpleQueue,
    **{
        name: getattr(common, name)
        for name in (
            "collect_replies",
            "drain_consumer",
            "eventloop",
            "insured",
            "itermessages",
            "send_reply",
        )
    },
    **{
        name: getattr(native_delayed_delivery, name)
        for name in native_delayed_delivery.__all__
        if name.startswith(("bind", "declare"))
    },
}

#: Those whose `timeout` is 5.7's own, and may be given by position.
BY_POSITION = {
    "Connection.drain_events",
    "Connection.collect",
    "Resource.acquire",
    "Producer.publish",
    "SimpleQueue.get",
    "Channel.basic_publish",
    "Channel.drain_events",
    "eventloop",
    "itermessages",
    "drain_consumer",
    "ConsumerMixin.consume",
    "Mailbox.call",
    "Mailbox.multi_call",
}

#: Those whose `timeout` is 5.7's own, with another default (seconds).
OWN_DEFAULT = {"Mailbox.multi_call": 1}


def rows() -> dict[str, tuple[str, str]]:
    """Argument and default of each call in the tables."""
    found = re.findall(r"^\| `([\w.]+)` \| [^|]+ \| ([^|]+) \| ([^|]+) \| [^|]+ \|$", TEXT, re.M)
    assert len(found) == len({name for name, _, _ in found}), "a call is listed twice"
    return {name: (argument, default) for name, argument, default in found}


def listed(title: str) -> set[str]:
    """The names in the lists of a section."""
    section = TEXT.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]
    return {
        f"{owner}.{name}"
        for owner, names in re.findall(r"^- `(\w+)`: (.+)$", section, re.M)
        for name in re.findall(r"`(\w+)`", names)
    }


def public(cls: type, base: type) -> dict[str, Any]:
    """The public methods and properties of a class that its base has not."""
    found = {}
    for name in dir(cls):
        if name.startswith("_") or hasattr(base, name):
            continue
        value = inspect.getattr_static(cls, name)
        if isinstance(value, (property, staticmethod, classmethod)) or inspect.isroutine(value):
            found[f"{cls.__name__}.{name}"] = value
    return found


CALLS = {name: value for cls, base in CLASSES.items() for name, value in public(cls, base).items()}


@pytest.mark.parametrize("cls", CLASSES)
def test_every_public_call_is_on_the_page(cls: type) -> None:
    known = [set(rows()), listed("Calls that never block"), listed("Hooks")]
    for name in public(cls, CLASSES[cls]):
        places = sum(name in names for names in known)
        assert places == 1, (
            f"{name} is on {places} lists of docs/blocking.md: a call that waits for a broker goes "
            "into the table and takes a timeout, any other one into a list"
        )


def test_what_is_on_the_page_exists() -> None:
    named = {*rows(), *listed("Calls that never block"), *listed("Hooks")}
    assert named <= {*CALLS, *OTHERS}


@pytest.mark.parametrize("name", rows())
def test_the_argument_is_the_one_on_the_page(name: str) -> None:
    argument, default = rows()[name]
    call = OTHERS.get(name, CALLS.get(name))
    if argument.startswith("none"):
        assert not callable(call) or "see there" in argument
        return
    parameter = inspect.signature(call).parameters[argument.strip("`")]
    assert parameter.default == OWN_DEFAULT.get(name)
    if name not in BY_POSITION:
        assert parameter.kind is parameter.KEYWORD_ONLY
    assert (
        default in {"operation_timeout", "sends, and waits for no answer"}
        or "for ever" in default
        or (name in OWN_DEFAULT and "one second" in default)
    )


@pytest.mark.parametrize("name", sorted(listed("Calls that never block") | listed("Hooks")))
def test_what_never_blocks_takes_no_time(name: str) -> None:
    call = CALLS[name]
    if not isinstance(call, property) and name not in {
        "Connection.ensure",  # for the function that it returns
        "Connection.retry_options",  # for what it describes
    }:
        function = call.__func__ if isinstance(call, (classmethod, staticmethod)) else call
        parameters = inspect.signature(function).parameters
        assert "timeout" not in parameters


@pytest.mark.parametrize("cls", CLASSES)
def test_what_subclasses_redefine_takes_what_the_base_does(cls: type) -> None:
    for name, value in vars(cls).items():
        overridden = getattr(CLASSES[cls], name, None)
        if name.startswith("_") or not inspect.isroutine(overridden) or not callable(value):
            continue
        wanted = {n for n in inspect.signature(overridden).parameters if n.endswith("timeout")}
        assert wanted <= set(inspect.signature(value).parameters), name


def test_the_default_is_thirty_seconds() -> None:
    assert OPERATION_TIMEOUT == Options().operation_timeout == 30.0
    assert "30 seconds" in TEXT


def test_the_examples_run() -> None:
    assert run_blocks(PAGE) == TEXT.count("```python") > 0
