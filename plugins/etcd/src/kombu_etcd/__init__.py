"""Kombu's transports for etcd: v3 by etcd3gw, v2 by python-etcd."""

from __future__ import annotations
