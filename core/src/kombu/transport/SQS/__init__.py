"""``kombu.transport.SQS``: the transport for Amazon SQS, from its plugin (``kombu[sqs]``)."""

from __future__ import annotations

from kombu.transport.forwarding import stand_in

stand_in(__name__, "sqs", __path__)
