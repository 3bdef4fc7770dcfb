"""Messaging library for Python.

Nothing is imported before it is used: ``import kombu`` loads this module only.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from kombu.common import eventloop
    from kombu.connection import BrokerConnection, Connection
    from kombu.entity import Exchange, Queue, binding
    from kombu.message import Message
    from kombu.messaging import Consumer, Producer
    from kombu.pools import connections, producers
    from kombu.serialization import disable_insecure_serializers, enable_insecure_serializers
    from kombu.simple import SimpleBuffer, SimpleQueue
    from kombu.utils.url import parse_url
    from kombu.utils.uuid import uuid

__version__ = "6.0.0"
__author__ = "The Kombu 6 authors"
__contact__ = "SECURITY.md"
__homepage__ = "README.md"
__docformat__ = "restructuredtext en"

__all__ = (
    "BrokerConnection",
    "Connection",
    "Consumer",
    "Exchange",
    "Message",
    "Producer",
    "Queue",
    "SimpleBuffer",
    "SimpleQueue",
    "binding",
    "connections",
    "disable_insecure_serializers",
    "enable_insecure_serializers",
    "eventloop",
    "parse_url",
    "producers",
    "uuid",
)


class version_info_t(NamedTuple):  # noqa: N801  documented name
    """A version in parts."""

    major: int
    minor: int
    micro: int
    releaselevel: str
    serial: str


VERSION = version_info = version_info_t(6, 0, 0, "", "")

_HOMES = {
    "BrokerConnection": "kombu.connection",
    "Connection": "kombu.connection",
    "Consumer": "kombu.messaging",
    "Exchange": "kombu.entity",
    "Message": "kombu.message",
    "Producer": "kombu.messaging",
    "Queue": "kombu.entity",
    "SimpleBuffer": "kombu.simple",
    "SimpleQueue": "kombu.simple",
    "binding": "kombu.entity",
    "connections": "kombu.pools",
    "disable_insecure_serializers": "kombu.serialization",
    "enable_insecure_serializers": "kombu.serialization",
    "eventloop": "kombu.common",
    "parse_url": "kombu.utils.url",
    "producers": "kombu.pools",
    "uuid": "kombu.utils.uuid",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(home), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
