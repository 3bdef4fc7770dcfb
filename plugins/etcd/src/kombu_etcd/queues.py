"""Queues: declared, found, counted, purged and deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .claims import BATCH
from .fetching import listing, ready_of
from .gateway import decoded, encoded, prefix
from .keys import created, put
from .wire import read_spec, write_spec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kombu.transport.backend import QueueSpec

    from .claims import Candidate
    from .gateway import Gateway
    from .keys import Keys, QueueKeys

__all__ = ("Queues",)


class Queues:
    """The queues below a base, by one gateway."""

    def __init__(self, gateway: Gateway, keys: Keys) -> None:
        self._gateway = gateway
        self._keys = keys

    def declare(self, spec: QueueSpec, deadline: float) -> tuple[QueueSpec, int]:
        """Create a queue unless it is there; return what stands, and how many are ready."""
        keys = self._keys.queue(spec.name)
        answer = self._gateway.change(
            [created(keys.queue, "EQUAL", 0)],
            [put(keys.queue, write_spec(spec))],
            _look(keys),
            deadline,
        )
        return (spec, 0) if answer.held else _seen(answer.responses)

    def find(self, name: str, deadline: float) -> tuple[QueueSpec, int] | None:
        """What stands of a queue, and how many messages are ready; `None` where there is none."""
        responses = self._gateway.change([], _look(self._keys.queue(name)), [], deadline).responses
        return _seen(responses) if responses[0].get("kvs") else None

    def size(self, name: str, deadline: float) -> int:
        """How many messages are ready, 0 where there is no such queue."""
        requests = _look(self._keys.queue(name))[1:]
        return _ready(self._gateway.change([], requests, [], deadline).responses)

    def purge(self, name: str, deadline: float) -> int:
        """Drop the ready messages; return how many there were."""
        keys = self._keys.queue(name)
        responses = self._gateway.change([], listing(keys, 0), [], deadline).responses
        ready = ready_of(responses)
        dropped = 0
        for start in range(0, len(ready), BATCH):
            dropped += self._drop(keys, ready[start : start + BATCH], deadline)
        return dropped

    def _drop(self, keys: QueueKeys, messages: Sequence[Candidate], deadline: float) -> int:
        """Delete messages unless one was claimed meanwhile: then those one by one that were not."""
        compare: list[dict[str, Any]] = []
        for message in messages:
            compare.append(created(keys.claims + message.name, "EQUAL", 0))
            compare.append(created(keys.messages + message.name, "EQUAL", message.created))
        then = [
            {"request_delete_range": {"key": encoded(folder + message.name)}}
            for message in messages
            for folder in (keys.messages, keys.counts)
        ]
        if self._gateway.change(compare, then, [], deadline).held:
            return len(messages)
        if len(messages) == 1:
            return 0
        return sum(self._drop(keys, [message], deadline) for message in messages)

    def delete(self, name: str, deadline: float, if_empty: bool) -> int | None:
        """Delete a queue with its messages and claims; return how many were ready.

        With `if_empty` one that has ready messages stays: `None`.
        """
        keys = self._keys.queue(name)
        folders = [prefix(folder) for folder in (keys.messages, keys.claims, keys.counts)]
        removal = [
            *({"request_delete_range": folder} for folder in folders),
            {"request_delete_range": {"key": encoded(keys.queue)}},
            {"request_delete_range": {"key": encoded(keys.bell)}},
        ]
        while True:
            compare = self._still_empty(keys, deadline) if if_empty else []
            if compare is None:
                return None
            answer = self._gateway.change(compare, removal, [], deadline)
            if answer.held:
                deleted = [int(response.get("deleted", 0)) for response in answer.responses]
                return deleted[0] - deleted[1]

    def _still_empty(self, keys: QueueKeys, deadline: float) -> list[dict[str, Any]] | None:
        """What to compare for a queue to be as empty as it is now; `None` where it is not."""
        answer = self._gateway.change([], listing(keys, 0), [], deadline)
        if ready_of(answer.responses):
            return None
        # No message came, and no claim went.
        newer = {"target": "MOD", "result": "LESS", "mod_revision": str(answer.revision + 1)}
        compare: list[dict[str, Any]] = [{**prefix(keys.messages), **newer}]
        for kv in answer.responses[0].get("kvs", ())[:BATCH]:
            revision = kv["create_revision"]
            compare.append(
                {
                    "key": kv["key"],
                    "target": "CREATE",
                    "result": "EQUAL",
                    "create_revision": revision,
                }
            )
        return compare


def _look(keys: QueueKeys) -> list[dict[str, Any]]:
    """The requests for what `_seen` reads."""
    return [
        {"request_range": {"key": encoded(keys.queue)}},
        {"request_range": {**prefix(keys.messages), "count_only": True}},
        {"request_range": {**prefix(keys.claims), "count_only": True}},
    ]


def _seen(responses: Sequence[dict[str, Any]]) -> tuple[QueueSpec, int]:
    return read_spec(decoded(responses[0]["kvs"][0]["value"])), _ready(responses[1:])


def _ready(responses: Sequence[dict[str, Any]]) -> int:
    messages, claims = (int(response.get("count", 0)) for response in responses)
    return messages - claims
