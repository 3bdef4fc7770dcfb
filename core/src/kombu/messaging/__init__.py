"""Sending and receiving messages."""

from __future__ import annotations

from kombu.entity import Exchange, Queue

from .consumer import Consumer
from .producer import Producer

__all__ = ("Consumer", "Exchange", "Producer", "Queue")

# By their documented names, which are those of a pickle.
for _class in (Consumer, Producer):
    _class.__module__ = __name__
del _class
