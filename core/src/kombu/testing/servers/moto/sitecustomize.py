"""Makes moto's SQS do one thing at a time; Python imports it where its folder is on PYTHONPATH.

moto serves each request in a thread of its own and keeps its queues without a lock (seen with
5.2.5): two that receive at once are given the same message, and what is sent while another message
is deleted is lost.  Amazon does neither.
"""

from __future__ import annotations

import contextlib
import functools
import threading
import time
from typing import Any

_lock = threading.RLock()
#: How often who waits for a message looks (seconds): what becomes visible again wakes nobody.
_INTERVAL = 0.05

#: What changes a queue.
_CHANGES = (
    "create_queue",
    "delete_queue",
    "send_message",
    "send_message_batch",
    "delete_message",
    "delete_message_batch",
    "change_message_visibility",
    "change_message_visibility_batch",
    "purge_queue",
)


def _one_at_a_time(method: Any) -> Any:
    @functools.wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        with _lock:
            return method(*args, **kwargs)

    return call


def _receiving(method: Any) -> Any:
    @functools.wraps(method)
    def receive(
        self: Any, queue_name: str, count: int, wait_seconds_timeout: int, *args: Any, **kwargs: Any
    ) -> Any:
        deadline = time.monotonic() + wait_seconds_timeout
        while True:
            with _lock:
                found = method(self, queue_name, count, 0, *args, **kwargs)
                queue = self.get_queue(queue_name)
            left = deadline - time.monotonic()
            if found or left <= 0:
                return found
            queue.wait_for_messages(min(left, _INTERVAL))

    return receive


with contextlib.suppress(ImportError):
    from moto.sqs.models import SQSBackend

    for _name in _CHANGES:
        if hasattr(SQSBackend, _name):
            setattr(SQSBackend, _name, _one_at_a_time(getattr(SQSBackend, _name)))
    SQSBackend.receive_message = _receiving(SQSBackend.receive_message)
