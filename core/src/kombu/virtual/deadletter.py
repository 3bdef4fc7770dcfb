"""What becomes of a message that leaves its queue other than by acknowledgement.

Pure: no I/O, no lock, no clock; the time is passed in.  Headers and the cycle rule are those of
RabbitMQ (https://www.rabbitmq.com/docs/dlx#effects).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from .arguments import DEAD_LETTER_EXCHANGE, DEAD_LETTER_ROUTING_KEY

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kombu.envelope import Envelope

__all__ = ("DELIVERIES", "FIRST_SEEN", "DeadLetters", "dead_letters", "forward", "without_cycles")

#: Header of a message that came back to its queue: epoch seconds of the first time.
FIRST_SEEN = "x-first-seen"

#: Header of a dead letter: how often a consumer had it before it died.
DELIVERIES = "x-deliveries"


class DeadLetters(NamedTuple):
    """Where the dead letters of a queue go."""

    exchange: str
    #: Instead of the routing key that the message came with.
    routing_key: str | None


def dead_letters(arguments: Mapping[str, Any]) -> DeadLetters | None:
    """Read the queue arguments; `None` where dead messages are dropped."""
    exchange = arguments.get(DEAD_LETTER_EXCHANGE)
    if exchange is None:
        return None
    return DeadLetters(exchange, arguments.get(DEAD_LETTER_ROUTING_KEY))


def forward(
    envelope: Envelope, queue: str, reason: str, to: DeadLetters, now: float, seen: int = 0
) -> Envelope:
    """The dead letter: the message with its death on record, for the dead-letter exchange.

    Args:
        envelope: The message, which is not changed.
        queue: The queue that it leaves.
        reason: ``rejected``, ``expired``, ``maxlen`` or ``delivery_limit``.
        to: Where it goes.
        now: Epoch seconds.
        seen: How often a consumer had it before.
    """
    letter = envelope.copy()
    letter.count = 0
    letter.wire = None
    letter.not_before = None
    # The expiration is taken off, or the letter would expire again where it goes.
    letter.expires_at = None
    expiration = letter.properties.pop("expiration", None)
    letter.headers["x-death"] = _recorded(envelope, queue, reason, expiration, now)
    if "x-death" not in envelope.headers:
        letter.headers["x-first-death-exchange"] = envelope.exchange
        letter.headers["x-first-death-queue"] = queue
        letter.headers["x-first-death-reason"] = reason
    if seen:
        letter.headers[DELIVERIES] = seen
        # Where consumers died with it, nobody could note it earlier.
        letter.headers.setdefault(FIRST_SEEN, int(now))
    letter.exchange = to.exchange
    if to.routing_key is not None:
        letter.routing_key = to.routing_key
    return letter


def _recorded(
    envelope: Envelope, queue: str, reason: str, expiration: str | None, now: float
) -> list[dict[str, Any]]:
    """The deaths of a message, the latest first: one entry for each queue and reason."""
    known = envelope.headers.get("x-death")
    # Applications can write anything there; what is no list of tables is replaced.
    deaths: list[dict[str, Any]] = (
        [dict(death) for death in known if isinstance(death, dict)]
        if isinstance(known, list)
        else []
    )
    for death in deaths:
        if death.get("queue") == queue and death.get("reason") == reason:
            deaths.remove(death)
            death["count"] = death.get("count", 0) + 1
            return [death, *deaths]
    death = {
        "count": 1,
        "reason": reason,
        "queue": queue,
        "time": int(now),
        "exchange": envelope.exchange,
        "routing-keys": [envelope.routing_key],
    }
    if expiration is not None:
        death["original-expiration"] = expiration
    return [death, *deaths]


def without_cycles(letter: Envelope, reason: str, targets: Iterable[str]) -> list[str]:
    """The queues of `targets` that a dead letter may enter.

    A queue that it died in before is left out where nothing on the way since then was a rejection:
    an automatic cycle would turn for ever, one that a consumer drives is its own business.
    """
    if reason == "rejected":
        return list(targets)
    deaths = letter.headers["x-death"]
    return [queue for queue in targets if not _cycles(deaths, queue)]


def _cycles(deaths: list[dict[str, Any]], queue: str) -> bool:
    for death in deaths:
        if death.get("reason") == "rejected":
            return False
        if death.get("queue") == queue:
            return True
    return False
