"""``kombu.transport.qpid``: the transport for Qpid, from its plugin where one is installed."""

from __future__ import annotations

from .forwarding import stand_in

stand_in(__name__, "qpid")
