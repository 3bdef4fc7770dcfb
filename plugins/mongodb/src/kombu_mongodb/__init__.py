"""Kombu's MongoDB transport."""

from __future__ import annotations
