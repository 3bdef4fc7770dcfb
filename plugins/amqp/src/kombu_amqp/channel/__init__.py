"""A channel: AMQP's methods by what they are about, and its life."""

from __future__ import annotations

from .channel import Channel

__all__ = ("Channel",)
