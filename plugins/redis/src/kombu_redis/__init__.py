"""Kombu's transport for Redis and Valkey, which shares its queues with kombu 5.7."""

from __future__ import annotations
