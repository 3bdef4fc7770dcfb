"""Declarations: exchanges, queues and the bindings between them.

A declaration is plain data that can be pickled and kept in configuration; bound to a channel
(``queue(channel)``) it makes a copy that can act.
"""

from __future__ import annotations

from .exchange import INTERNAL_EXCHANGE_PREFIX, Exchange, binding, pretty_bindings
from .modes import (
    DELIVERY_MODES,
    PERSISTENT_DELIVERY_MODE,
    TRANSIENT_DELIVERY_MODE,
    maybe_delivery_mode,
)
from .queue import Queue

__all__ = (
    "DELIVERY_MODES",
    "INTERNAL_EXCHANGE_PREFIX",
    "PERSISTENT_DELIVERY_MODE",
    "TRANSIENT_DELIVERY_MODE",
    "Exchange",
    "Queue",
    "binding",
    "maybe_delivery_mode",
    "pretty_bindings",
)

# By their documented names, which are also those of a pickle: one that is written here can be read
# by Kombu 5, and the other way round.
for _entity in (Exchange, Queue, binding):
    _entity.__module__ = __name__
del _entity
