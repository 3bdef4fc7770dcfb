"""``kombu.transport.etcd``: the one for etcd, from its plugin (``kombu[etcd]``)."""

from __future__ import annotations

from .forwarding import stand_in

stand_in(__name__, "etcd")
