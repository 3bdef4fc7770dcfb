"""Declarations of queues as they lie in the store: flags, a bar, the options as JSON.

`kombu_redis.scripts` says what the flags mean; the scripts read them.
"""

from __future__ import annotations

import json
from typing import Any

from kombu.transport.backend import QueueSpec

__all__ = ("UNDECLARED", "maintained", "read_spec", "write_spec")

#: What a queue has that came into being with a message.
UNDECLARED = "?|{}"

_LIMITS = ("message_ttl", "expires", "max_length", "max_length_bytes", "delivery_limit")


def write_spec(spec: QueueSpec) -> str:
    """The text that stands for a declaration."""
    fields: dict[str, Any] = {
        name: getattr(spec, name) for name in _LIMITS if getattr(spec, name) is not None
    }
    flags = "e" if spec.expires is not None else "o" if fields or spec.dead_letters else ""
    if spec.overflow != "drop-head":
        fields["overflow"] = spec.overflow
    if spec.dead_letters:
        fields["dead_letters"] = True
    if spec.max_priority is not None:
        fields["max_priority"] = spec.max_priority
    if not spec.durable:
        fields["durable"] = False
    if spec.arguments:
        fields["arguments"] = dict(spec.arguments)
    return f"{flags}|{json.dumps(fields)}"


def read_spec(name: str, text: str) -> QueueSpec:
    """The declaration of a queue."""
    fields = json.loads(text.partition("|")[2])
    fields.setdefault("arguments", {})
    return QueueSpec(name, **fields)


def maintained(text: str) -> bool:
    """Whether a queue has options for which somebody has to look after it."""
    return text[:1] in ("e", "o")
