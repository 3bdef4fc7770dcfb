"""``kombu.transport.gcpubsub``: the transport for Google Cloud Pub/Sub, from its plugin."""

from __future__ import annotations

from .forwarding import stand_in

stand_in(__name__, "gcpubsub")
