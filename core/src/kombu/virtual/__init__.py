"""AMQP's model over a backend: what `kombu.transport.virtual` documents, and its parts."""

from __future__ import annotations

from queue import Empty

from kombu.exceptions import NotEquivalentError

from .channel import Channel, UndeliverableWarning, queue_declare_ok_t
from .message import Message
from .transport import Management, Transport

__all__ = (
    "Channel",
    "Empty",
    "Management",
    "Message",
    "NotEquivalentError",
    "Transport",
    "UndeliverableWarning",
    "queue_declare_ok_t",
)
