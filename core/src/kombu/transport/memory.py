"""``kombu.transport.memory``: the memory transport, from its plugin (``kombu[memory]``)."""

from __future__ import annotations

from .forwarding import stand_in

stand_in(__name__, "memory")
