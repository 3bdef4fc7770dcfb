"""Receiving messages: what SQS hands over, as deliveries."""

from __future__ import annotations

import threading
from functools import partial
from math import ceil, inf
from time import monotonic
from typing import TYPE_CHECKING, Any

from kombu.transport.backend import Delivery
from kombu.virtual.deadletter import FIRST_SEEN

from .api import ask_here
from .calls import linger, start
from .claims import MARGIN
from .errors import DoesNotExistQueueException
from .options import LONGEST_LEASE
from .wire import decode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .claims import Claims
    from .options import SQSOptions
    from .queues import Queues
    from .store import Store

__all__ = ("Due", "Receiving")

_COUNT = "ApproximateReceiveCount"
_FIRST = "ApproximateFirstReceiveTimestamp"

#: How long finding out where a queue is may take, where nobody says (seconds).
_FINDING = 10.0
#: How long giving back may take what nobody waits for any more (seconds).
_RETURNING = 10.0


class Due:
    """When there is something to maintain, in seconds of `time.monotonic`."""

    def __init__(self) -> None:
        self.next_due = inf


class Receiving:
    """Receives for one connection.  Any thread may use it.

    Args:
        queues: Where from.
        options: What the user said.
        store: What queues were declared with, and the server's clock.
        claims: Has what was received.
        now: The store's clock, epoch seconds.
    """

    def __init__(
        self,
        queues: Queues,
        options: SQSOptions,
        store: Store,
        claims: Claims,
        now: Callable[[], float],
    ) -> None:
        self._queues = queues
        self._store = store
        self._claims = claims
        self._now = now
        self._claim = options.claim
        self._attributes = _asked_for(options.fetch_message_attributes)
        #: What was delivered too often, claimed, for who maintains the store.
        self.dead: list[Delivery] = []
        self.due = Due()

    def receive(self, name: str, count: int, seconds: int) -> list[Delivery] | None:
        """Ask for up to `count` messages; the server waits so many seconds for the first.

        Takes as long as that takes; `None` where there is no such queue.
        """
        url = self._queues.url(name, monotonic() + _FINDING)
        if url is None:
            return None
        try:
            answer = ask_here(
                self._queues.clients(name),
                self._store.clock,
                "receive_message",
                QueueUrl=url,
                MaxNumberOfMessages=count,
                WaitTimeSeconds=seconds,
                VisibilityTimeout=min(ceil(self._claim) + MARGIN, LONGEST_LEASE),
                **self._attributes,
            )
        except DoesNotExistQueueException:
            self._store.urls.pop(name, None)
            return None
        # By our clock it ends when it would if it had been read at once.
        until = self._now() + self._claim - (monotonic() - answer["answered"])
        deliveries = [
            self._delivery(name, message, until) for message in answer.get("Messages", ())
        ]
        return self._without_dead(name, deliveries)

    def look(self, name: str, count: int, deadline: float) -> list[Delivery]:
        """Ask by a deadline (seconds of `time.monotonic`) what is there, without waiting.

        Raises:
            TimeoutError: There is no answer by then; what comes later is given back.
        """
        left = threading.Event()
        taken = threading.Lock()

        def work() -> list[Delivery]:
            deliveries = self.receive(name, count, 0) or []
            with taken:
                if not left.is_set():
                    return deliveries
            self.give_back(deliveries)
            return []

        call = start(work)
        try:
            return call.wait(deadline, f"receive_message of queue {name!r} of Amazon SQS")
        except TimeoutError:
            with taken:
                left.set()
            if call.over:
                return call.wait(deadline, "")
            raise

    def give_back(self, deliveries: Sequence[Delivery]) -> None:
        """Have messages come again at once that nobody wants; failing that, when claims end."""
        mine = [(delivery, 0.0) for delivery in deliveries if self._claims.take(delivery)]
        if mine:
            linger(start(partial(self._claims.give_back, mine, monotonic() + _RETURNING)))

    def _delivery(self, name: str, message: dict[str, Any], until: float) -> Delivery:
        envelope = decode(message["Body"])
        attributes = message.get("Attributes", {})
        count = envelope.count + int(attributes.get(_COUNT, 1)) - 1
        envelope.count = count
        first = attributes.get(_FIRST)
        if count and first:
            envelope.headers.setdefault(FIRST_SEEN, int(first) // 1000)
        if message.get("MessageAttributes"):
            envelope.properties["message_attributes"] = message["MessageAttributes"]
        delivery = Delivery(name, message["ReceiptHandle"], envelope, count, lease_until=until)
        self._claims.add(delivery)
        return delivery

    def _without_dead(self, name: str, deliveries: list[Delivery]) -> list[Delivery]:
        """Set aside what its queue does not deliver any more."""
        spec = self._store.specs.get(name)
        if spec is None or spec.delivery_limit is None:
            return deliveries
        alive = []
        for delivery in deliveries:
            if delivery.count > spec.delivery_limit:
                delivery.dead = "delivery_limit"
                self.dead.append(delivery)
                self.due.next_due = 0.0
            else:
                alive.append(delivery)
        return alive

    def take_dead(self, limit: int) -> list[Delivery]:
        """What was set aside, for who forwards it."""
        letters, self.dead[:limit] = self.dead[:limit], []
        if not self.dead:
            self.due.next_due = inf
        return letters


def _asked_for(wanted: Any) -> dict[str, Any]:
    """The attributes to ask for with each message, as arguments of the call."""
    mine = {_COUNT, _FIRST}
    if isinstance(wanted, dict):
        asked = {
            "MessageSystemAttributeNames": sorted(
                {*wanted.get("MessageSystemAttributeNames", ()), *mine}
            )
        }
        if wanted.get("MessageAttributeNames"):
            asked["MessageAttributeNames"] = list(wanted["MessageAttributeNames"])
        return asked
    return {"MessageSystemAttributeNames": sorted({*(wanted or ()), *mine})}
