"""``kombu.transport.pgmq``: the transport for PGMQ, from its plugin where one is installed."""

from __future__ import annotations

from .forwarding import stand_in

stand_in(__name__, "pgmq")
