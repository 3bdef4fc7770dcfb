"""What programs need beside producers and consumers: loops, replies, broadcasts, identifiers."""

from __future__ import annotations

from kombu.declare import maybe_declare
from kombu.utils.uuid import uuid

from .broadcast import Broadcast
from .identity import generate_oid, get_node_id, oid_from
from .insurance import ignore_errors, insured, revive_connection
from .loops import collect_replies, drain_consumer, eventloop, itermessages
from .prefetch import PREFETCH_COUNT_MAX, QoS
from .replies import declaration_cached, send_reply

__all__ = (
    "PREFETCH_COUNT_MAX",
    "Broadcast",
    "QoS",
    "collect_replies",
    "declaration_cached",
    "drain_consumer",
    "eventloop",
    "generate_oid",
    "get_node_id",
    "ignore_errors",
    "insured",
    "itermessages",
    "maybe_declare",
    "oid_from",
    "revive_connection",
    "send_reply",
    "uuid",
)
