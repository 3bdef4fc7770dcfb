"""``kombu.transport.SLMQ``: the transport for SoftLayer's queues, from its plugin."""

from __future__ import annotations

from .forwarding import stand_in

stand_in(__name__, "SLMQ")
