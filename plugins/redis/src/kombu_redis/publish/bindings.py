"""Bindings in the store, which every process sees.

Those that kombu 5.7 can read lie in its two sets, as ``key, pattern, queue``; arguments, and
bindings between exchanges, are JSON in a set of our own.  So is what is bound to a fanout exchange:
5.7's workers enter there queues that exist in their memory only.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from kombu.transport.backend import Binding

from ..connection.talk import Call
from ..scripts import SCRIPTS
from .fanout import LISTENERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..backend import RedisBackend
    from ..connection.commands import Commands

__all__ = ("Bindings", "topic_pattern")


def topic_pattern(key: str) -> str:
    """The regular expression that kombu 5.7 writes beside a key of a topic exchange, and reads."""
    text = re.sub(r"([.])", r"\\\1", key)
    return f"^{text.replace('*', r'[^' + chr(92) + '.]+').replace('#', '.*?')}$"


class Bindings:
    """The bindings, for one session.

    Args:
        backend: The connection.
        talk: The session's line.
    """

    def __init__(self, backend: RedisBackend, talk: Commands) -> None:
        self._backend = backend
        self._talk = talk
        #: What the last answer told: how often bindings were changed by us, ...
        self._version: Any = None
        #: ... and how many bindings an exchange has; 5.7 counts nothing.
        self._sizes: dict[str, int] = {}

    def heard(self, version: Any, exchange: str, size: int) -> None:
        """Note what an answer told: how often bindings changed, and how many there are, or -1."""
        self._version = version
        if size >= 0:
            self._sizes[exchange] = size

    def _theirs(self, binding: Binding, type: str | None) -> bool:
        """Whether kombu 5.7 can read it."""
        return (
            not binding.to_exchange and not binding.arguments and type not in ("fanout", "headers")
        )

    def _member(self, binding: Binding, type: str | None) -> str:
        if not self._theirs(binding, type):
            parts = [binding.destination, binding.routing_key]
            return json.dumps([*parts, binding.arguments, binding.to_exchange], sort_keys=True)
        pattern = topic_pattern(binding.routing_key) if type == "topic" else ""
        separator = self._backend.keys.separator
        return separator.join((binding.routing_key, pattern, binding.destination))

    def bind(self, binding: Binding, type: str | None, deadline: float) -> None:
        """See `kombu.transport.backend.Topology.bind`."""
        keys = self._backend.keys
        # What is bound to an exchange needs no entry under its queue.
        bound = keys.bound("" if binding.to_exchange else binding.destination)
        self._version = self._talk.run(
            deadline,
            SCRIPTS.bind,
            [*keys.exchange(binding.exchange), bound],
            int(self._theirs(binding, type)),
            self._member(binding, type),
            binding.exchange,
        )
        if self._listens(binding, type):
            self._backend.listener.add(binding.exchange, binding.destination, deadline)

    def _listens(self, binding: Binding, type: str | None) -> bool:
        """Whether what 5.7 publishes is to come into the queue."""
        return not binding.to_exchange and type == "fanout" and self._backend.options.fanout_interop

    def unbind(self, binding: Binding, type: str | None, deadline: float) -> None:
        """See `kombu.transport.backend.Topology.unbind`."""
        if binding.destination == LISTENERS:
            return
        if self._listens(binding, type):
            self._backend.listener.remove(binding.exchange, binding.destination)
        keys = self._backend.keys
        self._version = self._talk.run(
            deadline,
            SCRIPTS.unbind,
            keys.exchange(binding.exchange),
            keys.separator,
            binding.destination,
            binding.routing_key,
            "",
            "" if self._theirs(binding, type) else self._member(binding, type),
        )

    def forget_queue(self, queue: str, exchanges: Sequence[bytes], deadline: float) -> None:
        """Remove every binding of `exchanges` that leads to a queue."""
        self._backend.listener.remove(None, queue)
        keys = self._backend.keys
        calls = [
            Call(
                SCRIPTS.unbind,
                keys.exchange(exchange.decode()),
                [keys.separator, queue, "", "1", ""],
            )
            for exchange in exchanges
        ]
        if calls:
            self._version = self._talk.checked(calls, deadline)[-1]

    def load(
        self, exchange: str, type: str | None, deadline: float
    ) -> tuple[object, Sequence[Binding]]:
        """See `kombu.transport.backend.Topology.load`."""
        keys = self._backend.keys
        version, size, theirs, ours = self._talk.run(
            deadline, SCRIPTS.load, keys.exchange(exchange)
        )
        self.heard(version, exchange, size)
        found: dict[tuple[str, str], Binding] = {}
        fanout = type == "fanout"
        if fanout and theirs and self._backend.options.fanout_interop:
            # Somebody of 5.7 listens to the channel, or did.
            found["", LISTENERS] = Binding(exchange, LISTENERS, "")
        elif not fanout:
            for member in sorted(theirs):
                key, _, queue = member.decode().split(keys.separator, 2)
                # The same one may be there with another pattern.
                found[key, queue] = Binding(exchange, queue, key)
        bindings = list(found.values())
        for member in sorted(ours):
            destination, key, arguments, to_exchange = json.loads(member)
            bindings.append(Binding(exchange, destination, key, arguments, to_exchange))
        return (version, size), bindings

    def fresh(self, exchange: str, stamp: object) -> bool:
        """See `kombu.transport.backend.Topology.fresh`."""
        return stamp == (self._version, self._sizes.get(exchange))
