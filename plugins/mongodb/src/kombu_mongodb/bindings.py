"""Bindings, shared between processes.

What kombu 5.7 can know has the fields that it gave them (``exchange``, ``queue``, ``routing_key``,
``pattern``).  Bindings with arguments, and those to exchanges, have ``from`` and ``destination``
instead.  Each exchange has a document with a number that changes with its bindings.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from kombu.transport.backend import Binding

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .server import Server

__all__ = ("Bindings",)


class Bindings:
    """The bindings of one database.  Any thread may use it; the caller bounds its questions.

    Args:
        server: The server.
    """

    def __init__(self, server: Server) -> None:
        self._server = server

    def bind(self, binding: Binding) -> None:
        """Store a binding; storing it again is harmless."""
        key, fields = _written(binding)
        self._server.routing.update_one({"_id": key}, {"$set": fields}, upsert=True)
        # After it: who reads the old number reads the bindings again.
        self._change([binding.exchange])

    def unbind(self, binding: Binding) -> None:
        """Remove a binding; unknown ones are ignored."""
        key, fields = _written(binding)
        either: list[dict[str, Any]] = [{"_id": key}]
        if "exchange" in fields:
            # 5.7's own, which has another key.
            named = ("exchange", "queue", "routing_key")
            either.append({name: fields[name] for name in named})
        if self._server.routing.delete_many({"$or": either}).deleted_count:
            self._change([binding.exchange])

    def forget_queue(self, queue: str) -> None:
        """Remove every binding that leads to a queue."""
        leading = {"$or": [{"queue": queue}, {"destination": queue, "to_exchange": False}]}
        found = {d.get("exchange") or d["from"] for d in self._server.routing.find(leading)}
        if found:
            self._server.routing.delete_many(leading)
            self._change(sorted(found))

    def load(self, exchange: str) -> tuple[int, list[Binding]]:
        """The bindings of an exchange, with a stamp."""
        stamp = self.versions([exchange])[exchange]
        found = self._server.routing.find({"$or": [{"exchange": exchange}, {"from": exchange}]})
        return stamp, _distinct(_read(d) for d in found)

    def versions(self, exchanges: Iterable[str]) -> dict[str, int]:
        """A number for each exchange, which changes with its bindings."""
        names = {_version_key(exchange): exchange for exchange in exchanges}
        told = dict.fromkeys(names.values(), 0)
        for found in self._server.routing.find({"_id": {"$in": list(names)}}):
            told[names[found["_id"]]] = found["version"]
        return told

    def _change(self, exchanges: Iterable[str]) -> None:
        for exchange in exchanges:
            self._server.routing.update_one(
                {"_id": _version_key(exchange)}, {"$inc": {"version": 1}}, upsert=True
            )


def _distinct(bindings: Iterable[Binding]) -> list[Binding]:
    found: list[Binding] = []
    for binding in bindings:
        if binding not in found:
            found.append(binding)
    return found


def _version_key(exchange: str) -> str:
    return f"version {exchange}"


def _written(binding: Binding) -> tuple[str, dict[str, Any]]:
    exchange, destination, key, arguments, to_exchange = binding
    text = json.dumps(arguments, sort_keys=True) if arguments else None
    identity = json.dumps([exchange, destination, key, text, to_exchange])
    if text is None and not to_exchange:
        return identity, {
            "exchange": exchange,
            "queue": destination,
            "routing_key": key,
            "pattern": _pattern(key),
        }
    return identity, {
        "from": exchange,
        "destination": destination,
        "routing_key": key,
        "arguments": text,
        "to_exchange": to_exchange,
    }


def _read(found: Mapping[str, Any]) -> Binding:
    key = found.get("routing_key") or ""
    if "exchange" in found:
        return Binding(found["exchange"], found["queue"], key)
    text = found["arguments"]
    arguments = None if text is None else json.loads(text)
    return Binding(found["from"], found["destination"], key, arguments, found["to_exchange"])


def _pattern(routing_key: str) -> str:
    """A routing key as the regular expression that 5.7 keeps for topics; others do not read it."""
    words = {"*": r"[^\.]+", "#": ".*?"}
    return "^" + r"\.".join(words.get(w) or re.escape(w) for w in routing_key.split(".")) + "$"
