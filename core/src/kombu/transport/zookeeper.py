"""``kombu.transport.zookeeper``: the one for ZooKeeper, from its plugin (``kombu[zookeeper]``)."""

from __future__ import annotations

from .forwarding import stand_in

stand_in(__name__, "zookeeper")
