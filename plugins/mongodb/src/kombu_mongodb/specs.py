"""Queues as they were declared: a document for each."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pymongo.errors import DuplicateKeyError

from kombu.exceptions import ChannelError
from kombu.transport.backend import QueueSpec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .server import Server

__all__ = ("Specs",)


class Specs:
    """The queues of one database.  Any thread may use it; the caller bounds its questions.

    ``used`` is when a queue was last used, for queues that go when nobody uses them.

    Args:
        server: The server.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        #: Queues seen here that go when nobody uses them, and after how many seconds.
        self.expiring: dict[str, float] = {}

    def find(self, name: str) -> QueueSpec | None:
        """A queue; `None` where there is none, or where nobody used it for too long."""
        return self.find_all([name]).get(name)

    def find_all(self, names: Iterable[str]) -> dict[str, QueueSpec]:
        """Those of some queues that are there."""
        wanted = list(names)
        given: Any = wanted[0] if len(wanted) == 1 else {"$in": wanted}
        found = self._server.queues.find({"_id": given})
        return {d["_id"]: self._read(d) for d in found if not self._unused(d)}

    def unused(self, name: str) -> bool:
        """Whether there is a queue that nobody used for as long as it says."""
        found = self._server.queues.find_one({"_id": name})
        return found is not None and self._unused(found)

    def _unused(self, found: Mapping[str, Any]) -> bool:
        expires = found.get("expires")
        return expires is not None and found["used"] + expires <= self._server.now()

    def declare(self, spec: QueueSpec) -> QueueSpec:
        """Declare a queue unless it is there; return what stands."""
        found = self._server.queues.find_one({"_id": spec.name})
        if found is None or not found.get("declared", "spec" in found):
            fields = {**_written(spec), "used": self._server.now(), "declared": True}
            # Of several that declare it at once one is first: the filter fits once only.
            if found is None:
                self._insert(spec.name, fields)
            self._server.queues.update_one(
                {"_id": spec.name, "declared": {"$ne": True}}, {"$set": fields}
            )
            found = self._server.queues.find_one({"_id": spec.name})
        elif found.get("expires") is not None:
            self.used(spec.name)
        return spec if found is None else self._read(found)

    def existing(self, names: Iterable[str]) -> dict[str, QueueSpec]:
        """Some queues, each made without options if it is not there.

        Such a queue takes on its first declaration.
        """
        wanted = dict.fromkeys(names)
        found = self.find_all(wanted)
        for name in wanted:
            if name not in found:
                spec = QueueSpec(name)
                fields = {**_written(spec), "used": self._server.now(), "declared": False}
                self._insert(name, fields)
                found[name] = self.find(name) or spec
        return found

    def _insert(self, name: str, fields: dict[str, Any]) -> None:
        # Where several insert it at once, all but one may hear of that.
        with suppress(DuplicateKeyError):
            self._server.queues.update_one({"_id": name}, {"$setOnInsert": fields}, upsert=True)

    def used(self, name: str) -> None:
        """Note that a queue is used."""
        self._server.queues.update_one({"_id": name}, {"$set": {"used": self._server.now()}})

    def delete(self, name: str) -> None:
        """Forget a queue."""
        self._server.queues.delete_one({"_id": name})
        self.expiring.pop(name, None)

    def _read(self, found: Mapping[str, Any]) -> QueueSpec:
        # What 5.7 declared has no more than its name.
        spec = QueueSpec(**json.loads(found["spec"])) if "spec" in found else None
        if spec is not None and spec.expires is not None:
            self.expiring[spec.name] = spec.expires
        return spec or QueueSpec(found["_id"])


def _written(spec: QueueSpec) -> dict[str, Any]:
    try:
        # As text: arguments may have names that a document can't.
        text = json.dumps(asdict(spec))
    except (TypeError, ValueError) as exc:
        raise ChannelError(
            f"PRECONDITION_FAILED - the arguments of queue {spec.name!r} can't be written as "
            f"JSON: {exc}; wanted are texts, numbers, lists and dictionaries",
            (50, 10),
            "Queue.declare",
            406,
        ) from exc
    return {"spec": text, "expires": spec.expires}
