"""What a transport can promise, and how its capabilities say so."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kombu.transport.capabilities import Capabilities, Flag

__all__ = ("PROMISES", "Promise", "flag_of", "promise")


class Promise(NamedTuple):
    """Something that a transport may say of itself.

    Attributes:
        told: Reads it from its capabilities.
        text: What it means, for people.
    """

    told: Callable[[Capabilities], Flag]
    text: str


def _always(_: Capabilities) -> Flag:
    return True


def _flag(name: str) -> Callable[[Capabilities], Flag]:
    def told(capabilities: Capabilities) -> Flag:
        found: Flag = getattr(capabilities, name)
        return found

    return told


def _exchange_type(name: str) -> Callable[[Capabilities], Flag]:
    return lambda capabilities: name in capabilities.exchange_types


def _fanout(capabilities: Capabilities) -> Flag:
    return capabilities.fanout if "fanout" in capabilities.exchange_types else False


def _returns_on_death(capabilities: Capabilities) -> Flag:
    # A claim that ends by itself ends with its process, too.
    return True if capabilities.leases is True else capabilities.returns_on_death


def _bounded(capabilities: Capabilities) -> Flag:
    """Whether it is known how many messages are on their way; without that all can be lost."""
    return True if capabilities.publish_window is not None else "unpromised"


def _together(*flags: Flag) -> Flag:
    """Of several together: no if one is, else unpromised if one is."""
    if False in flags:
        return False
    return "unpromised" if "unpromised" in flags else True


#: Each promise, and where its flag is.  Those that are always yes are what a transport is.
PROMISES: dict[str, Promise] = {
    "durable": Promise(
        _flag("durable"), "what was accepted survives a SIGKILL and restart of the broker"
    ),
    "killed_broker": Promise(
        lambda c: _together(c.durable, c.shared_between_processes),
        "nothing that was accepted is lost while the broker is killed, stopped and frozen under "
        "load, and work goes on by itself",
    ),
    "publish_window": Promise(
        lambda c: _together(_bounded(c), c.shared_between_processes),
        "a windowed message (amqp: 100 at a time) is accepted when its handle is settled or "
        "`flush` or `close` has returned, any other when `publish` has; a lost connection can "
        "double messages of one window and loses none; a killed publisher (SIGKILL) loses at most "
        "one window",
    ),
    "killed_consumers": Promise(
        lambda c: _together(_returns_on_death(c), c.shared_between_processes),
        "at least once: what a consumer held that was killed (SIGKILL) or frozen comes back; "
        "what it acknowledged does not",
    ),
    "leases": Promise(
        _flag("leases"),
        "claims end by themselves unless they are renewed, which happens in the background; a "
        "late acknowledgement is refused (`LeaseLost`) and harms nobody",
    ),
    "return_on_close": Promise(
        _always, "what a consumer holds when it closes goes back to its queue, in order"
    ),
    "reconnection": Promise(
        _always, "a lost connection is told by a typed error, and the next call connects again"
    ),
    "delivery": Promise(_always, "what is published is delivered once, with its headers"),
    "ordering": Promise(_flag("ordering"), "a queue hands out messages in the order they came"),
    "acknowledgement": Promise(
        _always,
        "acknowledge, reject and requeue; redelivered messages say so, with a true count",
    ),
    "delivery_count": Promise(_flag("delivery_count"), "how often it was delivered before"),
    "multiple_acknowledgement": Promise(_always, "one acknowledgement for all up to a message"),
    "prefetch": Promise(_always, "a consumer holds no more messages than it asked for"),
    "direct": Promise(_exchange_type("direct"), "direct exchanges"),
    "topic": Promise(_exchange_type("topic"), "topic exchanges, by AMQP's exact rules"),
    "fanout": Promise(_fanout, "fanout exchanges"),
    "headers": Promise(_exchange_type("headers"), "headers exchanges"),
    "exchange_bindings": Promise(_always, "bindings between exchanges"),
    "shared_topology": Promise(
        # In one process all connections to a store have its exchanges and bindings at hand.
        lambda c: c.shared_topology or not c.shared_between_processes,
        "a binding that one connection made is known to all others",
    ),
    "priorities": Promise(lambda c: c.priority_levels > 1, "messages of higher priority first"),
    "message_ttl": Promise(_flag("message_ttl"), "messages expire"),
    "queue_ttl": Promise(_flag("queue_ttl"), "queues that nobody uses expire"),
    "delay": Promise(_flag("delay"), "a message can be delivered later (`delay`)"),
    "dead_letter": Promise(
        _flag("dead_letter"), "dead letters go to `x-dead-letter-exchange`, with `x-death`"
    ),
    "delivery_limit": Promise(_flag("delivery_limit"), "poison messages end (`x-delivery-limit`)"),
    "max_length": Promise(_flag("max_length"), "queues have a maximum length"),
    "declarations": Promise(_always, "declare, passive declare, delete, purge, as AMQP has them"),
    "exact_size": Promise(_flag("exact_size"), "the number of ready messages is exact"),
    "bodies": Promise(_always, "empty, binary and large bodies, up to the limit that is named"),
    "names": Promise(_always, "names of queues and keys in any script"),
    "encodings": Promise(_always, "every serializer with every compressor"),
    "shared_between_processes": Promise(
        _flag("shared_between_processes"), "two and eight processes share a queue"
    ),
    "threads": Promise(_always, "any number of threads, with connections or a pool of them"),
    "fork": Promise(_always, "a forked child harms nothing that its parent holds"),
    "event_loop": Promise(
        _always,
        "under the event loop of a Celery worker (`asynchronous`): the same, and closing and "
        "reconnecting leave nothing in the loop",
    ),
    "deadlines": Promise(_always, "every blocking call ends by its timeout and half a second"),
    "import_cost": Promise(_always, "no driver is imported before a connection opens"),
}


def promise(name: str, *, tells: bool = True) -> pytest.MarkDecorator:
    """Mark a test, or a class of tests, with the promise that it is about.

    Where a transport's flag is yes the test is to pass, where it is no it is to fail (under CI;
    elsewhere it is skipped), and where it is unpromised it is run and reported only.  A test with
    several marks is about all of them together.

    Args:
        name: One of `PROMISES`.
        tells: False for a test that may pass without the promise, too: it is skipped where the
            flag is no.

    Raises:
        ValueError: There is no such promise.
    """
    if name not in PROMISES:
        raise ValueError(f"no promise is called {name!r}: wanted one of {sorted(PROMISES)}")
    return pytest.mark.promise(name, tells=tells)


def flag_of(capabilities: Capabilities, names: Iterable[str]) -> Flag:
    """What a transport says of promises together: no if one is, else unpromised if one is."""
    return _together(*(PROMISES[name].told(capabilities) for name in names))
