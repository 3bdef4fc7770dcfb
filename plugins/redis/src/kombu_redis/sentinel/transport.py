"""The transport for Redis behind sentinels."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from ..transport import Channel, Transport
from .masters import Sentinels
from .options import SentinelOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from kombu.virtual import Channel as VirtualChannel

    from ..connection.address import Address
    from ..options import RedisOptions

__all__ = ("SentinelChannel", "SentinelTransport")


class SentinelChannel(Channel):
    """A channel of the transport for Redis by sentinels."""


class SentinelTransport(Transport):
    """The master that sentinels name, asked for whenever a line is opened."""

    Channel: ClassVar[type[VirtualChannel]] = SentinelChannel
    options_class: ClassVar[type[RedisOptions]] = SentinelOptions
    default_port = 26379

    def _address(self) -> Callable[[float], Address]:
        return Sentinels(self.client, self.options).master
