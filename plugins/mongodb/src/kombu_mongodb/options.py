"""The transport options of the MongoDB transport."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from kombu.transport.options import LeaseOptions, UnknownOptionWarning

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("MongoOptions",)

#: Options of 5.7 that change nothing here, and why.
_WITHOUT_EFFECT = {
    "broadcast_collection": "a fanout puts a message into each queue that is bound to it",
    "capped_queue_size": "a fanout puts a message into each queue that is bound to it",
    "readpreference": "messages are claimed, and so read, where they are written: at the primary",
}


@dataclass(frozen=True)
class MongoOptions(LeaseOptions):
    """How to reach the database, what its collections are called, and how long a claim holds."""

    transport: ClassVar[str] = "mongodb"

    #: Seconds that a claim holds without renewal.
    lease: float | None = 60.0
    #: Seconds that connecting may take; by default the connection's own ``connect_timeout``.
    connect_timeout: float | None = None
    #: TLS: True, or pymongo's options by name (``tlsCAFile`` ...).
    ssl: bool | Mapping[str, Any] = False
    #: 5.7 asked for it before it let messages expire; here they always do.
    ttl: bool = False
    #: Where the URL names no host, no port and no database.
    default_hostname: str = "127.0.0.1"
    default_port: int = 27017
    default_database: str = "kombu_default"
    messages_collection: str = "messages"
    routing_collection: str = "messages.routing"
    queues_collection: str = "messages.queues"
    broadcast_collection: str | None = None
    capped_queue_size: int | None = None
    readpreference: Any = None
    #: Whether sizes of queues are counted; otherwise they are said to be 0.
    calc_queue_size: bool = True
    #: Further options of `pymongo.MongoClient`, such as ``maxPoolSize``.
    client_options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, reason in _WITHOUT_EFFECT.items():
            if getattr(self, name) is not None:
                warnings.warn(
                    f"The transport option {name!r} has no effect any more: {reason}",
                    UnknownOptionWarning,
                    stacklevel=6,
                )
        if self.lease is None or self.lease <= 0:
            raise ValueError(
                f"transport_options: lease is {self.lease!r}, wanted a number of seconds: what a "
                "dead consumer held would never come back"
            )
