"""``kombu.transport.filesystem``: the filesystem transport, from its plugin."""

from __future__ import annotations

from .forwarding import stand_in

stand_in(__name__, "filesystem")
