"""``kombu.transport.azurestoragequeues``: that for Azure Storage Queues, from its plugin."""

from __future__ import annotations

from .forwarding import stand_in

stand_in(__name__, "azurestoragequeues")
