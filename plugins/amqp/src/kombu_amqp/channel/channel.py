"""A channel: py-amqp's, with answers, confirms and deliveries of our own."""

from __future__ import annotations

from .answering import AnswerMethods
from .publishing import PublishMethods
from .queues import QueueMethods
from .receiving import ReceiveMethods

__all__ = ("Channel",)


class Channel(QueueMethods, PublishMethods, ReceiveMethods, AnswerMethods):
    """A channel; use it in one thread at a time.

    When the broker closes it, because it refused something, the call that it refused raises, or
    where there was none the next one, or `Connection.drain_events`.  The next use opens the channel
    again, with its prefetch limits and its consumers; other channels go on.

    The methods say what a caller may ask; its halves `publisher` and `consuming` do it.
    """
