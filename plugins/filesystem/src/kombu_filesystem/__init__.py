"""Kombu's broker that needs no server: messages are files, and claims are renames."""

from __future__ import annotations
