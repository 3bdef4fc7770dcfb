"""Bytes, frames and methods: what goes over the socket, and how it is waited for."""

from __future__ import annotations
