"""``kombu.transport.confluentkafka``: the transport for Kafka, from its plugin."""

from __future__ import annotations

from .forwarding import stand_in

stand_in(__name__, "confluentkafka")
