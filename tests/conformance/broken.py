"""Backends that break a promise each, and what of the kit fails with them.

A plugin of pytest (``-p broken``): it makes each a transport, whose scheme is its name.  Beside
each class stand the promise that it breaks, the tests of it that have to fail, and in `also` those
of other promises that may fail with them, as they can't be kept without this one.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from kombu.exceptions import LeaseLost
from kombu.testing.faults import FailpointBackend, Failpoints
from kombu.transport.backend import Delivery, Release, Wants
from kombu.transport.lookup import TRANSPORT_ALIASES
from kombu_memory.transport import Channel as MemoryChannel
from kombu_memory.transport import Transport as MemoryTransport


class Breaking(FailpointBackend):
    """A memory backend whose sessions a class below changes; no short way goes by them."""

    change: Any = None

    def open(self, role: Any, deadline: float) -> Any:
        session = super().open(role, deadline)
        if self.change is not None:
            self.change(session)
        return session


class Broken(MemoryTransport):
    promise: ClassVar[str]
    fails: ClassVar[frozenset[str]] = frozenset()
    also: ClassVar[frozenset[str]] = frozenset()

    def new_backend(self) -> Any:
        backend = Breaking(super().new_backend(), Failpoints())
        backend.change = self.change
        return backend

    def change(self, session: Any) -> None:
        """Break a new session."""


class LosingChannel(MemoryChannel, native=True):
    def close(self, **kwargs: Any) -> None:
        if not self.closed:
            with contextlib.suppress(LeaseLost):
                self.basic_ack(0, multiple=True)
        super().close(**kwargs)


class LosesOnClose(Broken):
    """What a channel holds is gone when it closes."""

    Channel = LosingChannel
    promise = "return_on_close"
    fails = frozenset(
        {
            "settling::test_a_waiting_consumer_gets_it",
            "settling::test_what_came_back_says_so",
            "settling::test_what_is_unsettled_comes_back[channel]",
            "settling::test_what_is_unsettled_comes_back[connection]",
        }
    )
    also = frozenset(
        {
            "eventloop::test_closing_leaves_nothing_in_the_loop",
            "eventloop::test_reconnections_lose_nothing",
            "ordering::test_what_comes_back_by_a_close_comes_first_and_in_order",
            "settling::test_another_channels_messages_are_spared",
            "settling::test_what_came_before_is_acknowledged_too",
        }
    )


class Reorders(Broken):
    """The second message comes before the first."""

    promise = "ordering"
    fails = frozenset(
        {
            "ordering::test_a_prefetch_limit_keeps_the_order",
            "ordering::test_messages_are_consumed_in_their_order",
            "ordering::test_messages_are_got_in_their_order",
            "ordering::test_what_comes_back_by_a_close_comes_first_and_in_order",
            "ordering::test_what_comes_back_comes_first",
            "priorities::test_equal_ones_keep_their_order",
        }
    )
    also = frozenset(
        {
            "priorities::test_the_more_urgent_is_consumed_first",
            "priorities::test_the_more_urgent_is_got_first",
            "priorities::test_the_more_urgent_passes_what_waits",
            "priorities::test_what_came_back_keeps_its_priority",
            # Where the machine is slow both messages are due by the time of the fetch.
            "times::test_a_message_comes_after_its_delay",
            "times::test_the_shorter_delay_comes_first",
        }
    )

    def change(self, session: Any) -> None:
        fetch, settle = session.fetch, session.settle

        def reordering(wants: Wants, limit: int, deadline: float, **kwargs: Any) -> Any:
            name = next((name for name, want in wants.items() if want.limit), None)
            if name is None or wants[name].take:
                return fetch(wants, limit, deadline, **kwargs)
            want = wants[name]
            want.limit += 1
            try:
                deliveries = fetch(wants, limit + 1, deadline, **kwargs)
            finally:
                want.limit -= 1
            mine = [each for each in deliveries if each.queue == name]
            if len(mine) > want.limit or len(deliveries) > limit:
                settle([], [Release(mine[0], count=False)], deadline + 1)
                deliveries.remove(mine[0])
            return deliveries

        session.fetch = reordering


class Lies(Broken):
    """It says that it can delay, and does not."""

    promise = "delay"
    fails = frozenset(
        {
            "times::test_a_message_comes_after_its_delay",
            "times::test_a_requeued_message_can_wait",
            "times::test_it_is_in_no_queue_until_then",
            "times::test_the_shorter_delay_comes_first",
        }
    )

    def change(self, session: Any) -> None:
        put, settle = session.put, session.settle

        def at_once(items: Any, deadline: float) -> Any:
            for _, envelope in items:
                envelope.not_before = None
            return put(items, deadline)

        def settle_at_once(acks: Any, releases: Any, deadline: Any) -> Any:
            return settle(acks, [each._replace(delay=0.0) for each in releases], deadline)

        session.put, session.settle = at_once, settle_at_once


class Hangs(Broken):
    """A fetch that finds nothing comes back long after its deadline."""

    promise = "deadlines"
    fails = frozenset(
        {
            "deadlines::test_looking_for_an_event_does_not_wait",
            "deadlines::test_waiting_for_a_message_ends_in_time",
            "deadlines::test_waiting_for_an_event_ends_in_time",
        }
    )

    def change(self, session: Any) -> None:
        fetch = session.fetch

        def late(wants: Wants, limit: int, deadline: float, **kwargs: Any) -> Any:
            deliveries = fetch(wants, limit, deadline, **kwargs)
            if not deliveries and kwargs.get("wait", True):
                time.sleep(1.0)
            return deliveries

        session.fetch = late


class Doubles(Broken):
    """Each twentieth message of a queue is there twice."""

    promise = "delivery"
    fails = frozenset(
        {
            "delivery::test_a_batch_is_stored_to_its_last_message",
            "delivery::test_many_messages_come_once_each",
        }
    )
    also = frozenset(
        {
            "ordering::test_a_prefetch_limit_keeps_the_order",
            "ordering::test_messages_are_consumed_in_their_order",
            "ordering::test_messages_are_got_in_their_order",
            "settling::test_what_was_fetched_ahead_comes_back",
            "threads::test_a_pool_is_for_all_threads",
            "threads::test_consumers_in_threads_share_the_work",
            "threads::test_sixteen_threads_lose_and_double_nothing",
        }
    )
    counts: ClassVar[dict[str, int]] = {}

    def change(self, session: Any) -> None:
        put = session.put

        def twice(items: Any, deadline: float) -> Any:
            more = []
            for name, envelope in items:
                self.counts[name] = number = self.counts.get(name, 0) + 1
                if not number % 20:
                    more.append((name, envelope))
            return put([*items, *more], deadline)

        session.put = twice


class Forgets(Broken):
    """How often a message was delivered is not kept."""

    promise = "delivery_limit"
    fails = frozenset(
        {
            "dead_letters::test_after_so_many_returns_it_is_a_dead_letter",
            "dead_letters::test_each_message_has_a_count_of_its_own",
        }
    )
    also = frozenset(
        {
            "leases::test_what_a_silent_consumer_held_comes_back",
            "settling::test_each_return_is_counted",
            "settling::test_recover_has_what_is_unsettled_delivered_again",
            "settling::test_what_came_back_says_so",
            "settling::test_what_is_requeued_comes_again_and_says_so[reject]",
            "settling::test_what_is_requeued_comes_again_and_says_so[requeue]",
        }
    )

    def change(self, session: Any) -> None:
        fetch = session.fetch

        def uncounted(*args: Any, **kwargs: Any) -> list[Delivery]:
            deliveries: list[Delivery] = fetch(*args, **kwargs)
            for delivery in deliveries:
                delivery.count = 0
            return deliveries

        session.fetch = uncounted


class LosesTail(Broken):
    """The last message of a batch is not stored, and nobody is told."""

    promise = "delivery"
    fails = frozenset(
        {
            "delivery::test_a_batch_is_stored_to_its_last_message",
        }
    )
    also = frozenset(
        {
            "exchanges::test_all_queues_get_every_message",
            "exchanges::test_all_queues_with_the_key_get_the_message",
        }
    )
    implements = MemoryTransport.implements.extend(batch_publish=True)

    def change(self, session: Any) -> None:
        put = session.put
        session.put = lambda items, deadline: put(items[: max(1, len(items) - 1)], deadline)


BROKEN = {
    "losesonclose": LosesOnClose,
    "reorders": Reorders,
    "lies": Lies,
    "hangs": Hangs,
    "doubles": Doubles,
    "forgets": Forgets,
    "losestail": LosesTail,
}


class Modest(Broken):
    """It says no to what it does."""

    promise = "ordering"
    flag: Any = False

    def new_backend(self) -> Any:
        backend = super().new_backend().backend
        backend.capabilities = replace(backend.capabilities, ordering=self.flag)
        return backend


class Lucky(Modest):
    """It does not promise what it does."""

    flag = "unpromised"


class Unlucky(Reorders):
    """It does not promise what it does not do either."""

    def new_backend(self) -> Any:
        backend = super().new_backend()
        backend.backend.capabilities = replace(backend.capabilities, ordering="unpromised")
        return backend


class Honest(Reorders):
    """It says no to what it does not do."""

    def new_backend(self) -> Any:
        backend = super().new_backend()
        backend.backend.capabilities = replace(backend.capabilities, ordering=False)
        return backend


def pytest_configure() -> None:
    """Not on import: the table is everybody's."""
    TRANSPORT_ALIASES.update(BROKEN, modest=Modest, lucky=Lucky, unlucky=Unlucky, honest=Honest)


@pytest.fixture
def shortest_lease() -> float:
    return 0.5
