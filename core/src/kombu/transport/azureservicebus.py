"""``kombu.transport.azureservicebus``: the transport for Azure Service Bus, from its plugin."""

from __future__ import annotations

from .forwarding import stand_in

stand_in(__name__, "azureservicebus")
