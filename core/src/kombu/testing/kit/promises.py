"""What a transport can promise, and how its capabilities say so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kombu.transport.capabilities import Capabilities, Flag

__all__ = ("PROMISES", "flag_of", "promise")


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


#: Each promise, and where its flag is.  Those that are always yes are what a transport is.
PROMISES: dict[str, Callable[[Capabilities], Flag]] = {
    "declarations": _always,
    "delivery": _always,
    "acknowledgement": _always,
    "multiple_acknowledgement": _always,
    "prefetch": _always,
    "return_on_close": _always,
    "direct": _exchange_type("direct"),
    "topic": _exchange_type("topic"),
    "fanout": _fanout,
    "headers": _exchange_type("headers"),
    "exchange_bindings": _always,
    "bodies": _always,
    "names": _always,
    "encodings": _always,
    "threads": _always,
    "fork": _always,
    "deadlines": _always,
    "import_cost": _always,
    "reconnection": _always,
    "ordering": _flag("ordering"),
    "priorities": lambda capabilities: capabilities.priority_levels > 1,
    "message_ttl": _flag("message_ttl"),
    "queue_ttl": _flag("queue_ttl"),
    "delay": _flag("delay"),
    "dead_letter": _flag("dead_letter"),
    "delivery_limit": _flag("delivery_limit"),
    "max_length": _flag("max_length"),
    "leases": _flag("leases"),
    "returns_on_death": _returns_on_death,
    "delivery_count": _flag("delivery_count"),
    "exact_size": _flag("exact_size"),
    "shared_between_processes": _flag("shared_between_processes"),
    "durable": _flag("durable"),
    # In one process all connections to a store have its exchanges and bindings at hand.
    "shared_topology": lambda c: c.shared_topology or not c.shared_between_processes,
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
    flags = {PROMISES[name](capabilities) for name in names}
    if False in flags:
        return False
    return "unpromised" if "unpromised" in flags else True
