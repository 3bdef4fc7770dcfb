"""Claims that are lost, and connections that are forked."""

from __future__ import annotations

import os
import warnings
from time import sleep
from typing import Any

import pytest

from kombu import Connection, Consumer
from kombu.exceptions import MessageStateError


def test_a_lost_claim_leaves_no_hole_in_the_prefetch_window() -> None:
    """A consumer whose claim ended gets the next message all the same."""
    with Connection(
        "memory://lost-claims", transport_options={"lease": 0.1, "lease_limit": 0}
    ) as connection:
        queue = connection.SimpleQueue("q")
        for n in range(3):
            queue.put(n)
        got: list[Any] = []
        consumer = Consumer(
            connection.channel(), queue.queue, on_message=got.append, prefetch_count=1
        )
        with consumer:
            connection.drain_events(timeout=1)
            sleep(0.2)
            with Connection("memory://lost-claims") as other:
                (taken,) = [other.SimpleQueue("q").get(timeout=1)]
                assert taken.payload == got[0].payload
                with pytest.raises(MessageStateError):
                    got[0].ack()
                taken.ack()
            connection.drain_events(timeout=1)
            assert [message.payload for message in got] == [0, 1]
            got[1].ack()
        queue.close()


def test_basic_get_forgets_queues_in_time() -> None:
    """Reply queues have names of their own each: what is kept by queue has to end."""
    from kombu.virtual.getting import MAX_WANTS

    with Connection("memory://many-names") as connection:
        channel = connection.channel()
        for n in range(MAX_WANTS + 10):
            name = f"reply-{n}"
            channel.queue_declare(name)
            assert channel.basic_get(name) is None
            channel.queue_delete(name)
        assert len(connection.transport.getter.wants) <= MAX_WANTS


def test_the_backend_is_told_of_a_fork() -> None:
    """The child has locks of its own, whoever held them, and a backend that knows."""
    with Connection("memory://forked") as connection:
        connection.connect()
        transport = connection.transport
        told: list[int] = []
        transport._backend.forked = lambda: told.append(os.getpid())
        transport._lock.acquire()
        transport.getter.lock.acquire()
        transport.receiver._fetching.acquire()
        with warnings.catch_warnings():
            # Python 3.12 warns of every fork beside other threads.
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if not child:
            well = False
            try:
                locks = (transport.getter.lock, transport.receiver._fetching)
                well = told == [os.getpid()] and all(lock.acquire(timeout=1) for lock in locks)
            finally:
                os._exit(0 if well else 1)
        transport.receiver._fetching.release()
        transport.getter.lock.release()
        transport._lock.release()
        assert os.waitpid(child, 0)[1] == 0
        assert told == []
