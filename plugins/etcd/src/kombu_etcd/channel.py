"""What both transports share: the channel, as `kombu.transport.etcd` documents it."""

from __future__ import annotations

from kombu.virtual import Channel as VirtualChannel

__all__ = ("Channel",)


class Channel(VirtualChannel, native=True):
    """A channel of the transport for etcd; the attributes are Kombu 5's."""

    supports_fanout = False
    prefix = "kombu"
    index: int | None = None
    timeout = 10
    session_ttl = 30
    lock_ttl = 10
