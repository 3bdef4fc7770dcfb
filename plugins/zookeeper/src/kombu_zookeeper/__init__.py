"""Kombu's transport for Apache ZooKeeper, over kazoo."""

from __future__ import annotations
