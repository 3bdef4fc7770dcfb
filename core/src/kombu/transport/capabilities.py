"""What a backend can do, in words that the conformance kit checks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ("UNPROMISED", "Capabilities", "Flag")

#: What may hold by luck and is promised to nobody: reported by the kit, never judged.
UNPROMISED: Literal["unpromised"] = "unpromised"

#: A capability is there, is not there, or is not promised.
Flag = bool | Literal["unpromised"]


@dataclass(frozen=True)
class Capabilities:
    """The promises of a backend; a flag that is not set promises nothing.

    ``concurrent_sessions`` says that a session may be used by several threads at once; the core
    puts a lock before the others.  ``fetch_batch`` is the most that one fetch may claim where the
    consumer set no prefetch limit.  ``queue_specs``: a queue keeps what it was declared with.
    ``exact_size``: sizes are true, not estimates.  ``uncounted_release``: a message can be given
    back without counting as delivered.  ``returns_on_death``: what a killed process held comes
    back, because the broker notices; where its lease ends (``leases``) it does anyway.
    ``delivery_count``: a message tells how often it was given back (``x-delivery-count``).
    ``maintenance_interval``: how often `Session.maintain` is called, in seconds, where the session
    does not tell when (`Maintained`); `None`: not at all.
    ``max_delay``: the longest delay in seconds that the store can do, `None` for any; it delays by
    as much as it can, and the core gives back what comes early (``Envelope.not_before``).
    ``max_message_bytes``: the most that the store takes for one message, with what describes it and
    in the form that is stored; a body has to be shorter.
    ``publish_window``: for how many messages `publish` may have returned before they are stored, 0
    where it waits for that, `None` where nothing bounds them.
    ``asynchronous``: workers of Celery run their event loop over it unless told otherwise.
    ``waits_natively``: calls wait in native code, which gevent and eventlet can't switch away from;
    no event loop is driven by such ones there.
    """

    durable: Flag = False
    shared_between_processes: Flag = False
    ordering: Flag = False
    leases: Flag = False
    returns_on_death: Flag = False
    delivery_count: Flag = True
    uncounted_release: Flag = False
    queue_specs: Flag = False
    exact_size: Flag = False
    moving: Flag = False
    shared_topology: Flag = False
    fanout: Flag = True
    message_ttl: Flag = False
    queue_ttl: Flag = False
    delay: Flag = False
    max_delay: float | None = None
    dead_letter: Flag = False
    delivery_limit: Flag = False
    max_length: Flag = False
    priority_levels: int = 0
    priority_order: Literal["higher-first", "lower-first"] = "higher-first"
    max_message_bytes: int | None = None
    exchange_types: frozenset[str] = frozenset({"direct", "topic", "fanout", "headers"})
    publish_window: int | None = 0
    asynchronous: bool = False
    waits_natively: bool = False
    concurrent_sessions: bool = False
    fetch_batch: int = 64
    maintenance_interval: float | None = None
