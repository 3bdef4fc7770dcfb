"""Kombu's in-process broker: named stores in memory, shared by the threads of one process."""

from __future__ import annotations
