"""What comes in: consumers, deliveries, messages and their answers."""

from __future__ import annotations
