"""AMQP's model over a backend: what `kombu.transport.virtual` documents, and its parts."""

from __future__ import annotations

from queue import Empty

from kombu.exceptions import NotEquivalentError

from .channel import Channel, queue_declare_ok_t
from .codecs import Base64
from .management import Management
from .message import Message
from .qos import QoS
from .spi import AbstractChannel
from .state import BrokerState, binding_key_t, queue_binding_t
from .transport import Transport
from .warnings import UndeliverableWarning

__all__ = (
    "AbstractChannel",
    "Base64",
    "BrokerState",
    "Channel",
    "Empty",
    "Management",
    "Message",
    "NotEquivalentError",
    "QoS",
    "Transport",
    "UndeliverableWarning",
    "binding_key_t",
    "queue_binding_t",
    "queue_declare_ok_t",
)
