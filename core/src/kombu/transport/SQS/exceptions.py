"""``kombu.transport.SQS.exceptions``: the errors of SQS, which its transport's module has."""

from __future__ import annotations

from kombu.transport.forwarding import stand_in

stand_in(__name__, "sqs")
