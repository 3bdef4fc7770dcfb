"""``kombu.transport.pgmq``: the transport for PGMQ, from its plugin."""

from __future__ import annotations

from .forwarding import stand_in

stand_in(__name__, "pgmq")
