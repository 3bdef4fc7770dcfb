"""``kombu.transport.redis``: the transport for Redis, from its plugin (``kombu[redis]``)."""

from __future__ import annotations

from .forwarding import stand_in

stand_in(__name__, "redis")
