"""``kombu.transport.consul``: the transport for Consul, from its plugin."""

from __future__ import annotations

from .forwarding import stand_in

stand_in(__name__, "consul")
