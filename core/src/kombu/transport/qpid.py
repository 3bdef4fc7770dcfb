"""``kombu.transport.qpid``: the transport for Qpid, from its plugin."""

from __future__ import annotations

from .forwarding import stand_in

stand_in(__name__, "qpid")
