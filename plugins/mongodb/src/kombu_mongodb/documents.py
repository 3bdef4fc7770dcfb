"""A message as a document.  Pure: no I/O, no clock.

``payload`` is the JSON envelope of kombu 5.7, and a message that is ready has its queue in
``queue``, as 5.7 had it; so it reads what is ready, and what it wrote is read.  While a message is
not ready, ``queue`` is null and ``of`` says where it belongs:

===========  =======================================================================
``state``    absent while it is ready; ``claimed``, ``delayed`` or ``dead``
``rank``     255 less the priority: what is lower comes first
``order``    where it is among those of its rank: when it was put, in nanoseconds
``count``    how often it was delivered before
``expires``  epoch seconds, or absent
``seen``     when it came back for the first time, epoch seconds, or absent
``size``     bytes of the body
``due``      when the claim, or the delay, ends (epoch seconds)
``token``    of the claim; ``owner``: the connection that has it
``reason``   why it is dead
===========  =======================================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from kombu.transport.backend import Delivery
from kombu.virtual.deadletter import FIRST_SEEN
from kombu.virtual.envelope import from_wire, to_wire

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kombu.envelope import Envelope
    from kombu.transport.backend import DeadReason, QueueSpec

__all__ = (
    "CLAIMED",
    "DEAD",
    "DELAYED",
    "INDEXES",
    "IN_ORDER",
    "delivered",
    "document",
    "expired_filter",
    "live_filter",
    "rank_of",
    "ready_again",
    "set_aside",
)

Document = dict[str, Any]

CLAIMED, DELAYED, DEAD = "claimed", "delayed", "dead"

#: The order of delivery.
IN_ORDER = [("rank", 1), ("order", 1)]

#: What is looked for, as `create_indexes` wants it: no look at a message reads the others.
INDEXES: list[tuple[list[tuple[str, int]], dict[str, Any]]] = [
    ([("queue", 1), *IN_ORDER], {"name": "kombu_ready"}),
    ([("state", 1), ("due", 1)], {"name": "kombu_due", "sparse": True}),
    ([("expires", 1)], {"name": "kombu_expires", "sparse": True}),
    ([("token", 1)], {"name": "kombu_token", "sparse": True}),
    ([("owner", 1)], {"name": "kombu_owner", "sparse": True}),
    ([("of", 1)], {"name": "kombu_of", "sparse": True}),
]

#: The rank of messages that have no priority, which is that of priority 0.
LAST = 255

#: What only a message has that is not ready.
_NOT_READY = ("of", "state", "due", "token", "owner", "reason")


def rank_of(priority: int, spec: QueueSpec) -> int:
    """The rank of a message in its queue: what has no ``x-max-priority`` knows no priorities."""
    if not spec.max_priority:
        return LAST
    return LAST - max(0, min(priority, spec.max_priority))


def document(envelope: Envelope, spec: QueueSpec, order: int, now: float, tag: str) -> Document:
    """A new message."""
    expires = envelope.expires_at
    if spec.message_ttl is not None:
        ends = (envelope.not_before or now) + spec.message_ttl
        expires = ends if expires is None else min(expires, ends)
    body = envelope.body
    made: Document = {
        "queue": spec.name,
        "payload": to_wire(envelope, tag).decode("ascii"),
        "priority": envelope.priority,
        "rank": rank_of(envelope.priority, spec),
        "order": order,
        "count": envelope.count,
        "size": len(body.encode()) if isinstance(body, str) else len(body),
    }
    if expires is not None:
        made["expires"] = expires
    if envelope.not_before is not None:
        made.update(queue=None, of=spec.name, state=DELAYED, due=envelope.not_before)
    return made


def delivered(found: Mapping[str, Any], queue: str, token: str, until: float) -> Delivery:
    """What to hand out for a message that was claimed; raises `DecodeError` where it is none."""
    envelope = from_wire(found["payload"])
    envelope.count = found.get("count", 0)
    envelope.expires_at = found.get("expires")
    envelope.not_before = None
    seen = found.get("seen")
    if seen is not None:
        envelope.headers[FIRST_SEEN] = seen
    reason = cast("DeadReason | None", found.get("reason"))
    claim = (found["_id"], token)
    return Delivery(queue, claim, envelope, envelope.count, False, until, reason)


def ready_again(queue: str, **fields: Any) -> Document:
    """The update that makes a message ready."""
    return {"$set": {"queue": queue, **fields}, "$unset": dict.fromkeys(_NOT_READY, "")}


def set_aside(queue: str, state: str, **fields: Any) -> Document:
    """The update that takes a message out of its queue, for something else than a claim."""
    return {
        "$set": {"queue": None, "of": queue, "state": state, **fields},
        "$unset": {"token": "", "owner": ""},
    }


def live_filter(queue: str, now: float) -> Document:
    """What is ready in a queue and has not expired."""
    return {"queue": queue, "$or": [{"expires": None}, {"expires": {"$gt": now}}]}


def expired_filter(now: float) -> Document:
    """What is ready and has expired."""
    return {"expires": {"$lte": now}, "queue": {"$ne": None}}
