"""``kombu.transport.librabbitmq``: the AMQP transport, from its plugin (``kombu[amqp]``)."""

from __future__ import annotations

from .forwarding import stand_in

stand_in(__name__, "librabbitmq")
