"""etcd's v2 API, for clusters and programs that still have it: Kombu 5's keys."""

from __future__ import annotations
