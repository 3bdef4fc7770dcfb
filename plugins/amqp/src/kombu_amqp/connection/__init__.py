"""A connection: opening it, reading and writing for all its channels, ending it."""

from __future__ import annotations

from .connection import Connection

__all__ = ("Connection",)
