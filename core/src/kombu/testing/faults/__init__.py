"""What can go wrong between a client and its broker, done on purpose.

* the network: `Proxy` stands between both;
* the server: a `kombu.testing.servers.Server` can be killed, frozen and restarted, and `Outages`
  does so at random times;
* the client: `Child` is one in a process of its own, `forked` one in a child of a fork;
* the moment: `FailpointBackend` does something before or after an operation of a backend;
* the clock: `SkewedBackend`;
* the queue: `delete_underneath`.
"""

from __future__ import annotations

from .backends import FailpointBackend, Failpoints, SkewedBackend, delete_underneath
from .outages import Outages
from .processes import Child, forked, kill_this_process
from .proxies import Proxies
from .proxy import Proxy, sweep

__all__ = (
    "Child",
    "FailpointBackend",
    "Failpoints",
    "Outages",
    "Proxies",
    "Proxy",
    "SkewedBackend",
    "delete_underneath",
    "forked",
    "kill_this_process",
    "sweep",
)
