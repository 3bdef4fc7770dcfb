"""Queue arguments, as RabbitMQ names them, read into a `QueueSpec`.

Pure: no I/O, no lock, no clock.  See https://www.rabbitmq.com/docs/queues#optional-arguments,
/ttl, /maxlength, /priority, /dlx and /quorum-queues#poison-message-handling.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kombu.exceptions import ChannelError
from kombu.transport.backend import QueueSpec

from . import refusals
from .backoff import Backoff

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = (
    "DEAD_LETTER_EXCHANGE",
    "DEAD_LETTER_ROUTING_KEY",
    "backoff",
    "check_equivalent",
    "milliseconds",
    "queue_spec",
)

DEAD_LETTER_EXCHANGE = "x-dead-letter-exchange"
DEAD_LETTER_ROUTING_KEY = "x-dead-letter-routing-key"

#: Durations come in milliseconds.
_MILLISECONDS = {"x-message-ttl": "message_ttl", "x-expires": "expires"}
#: How long a message waits that comes back to its queue: the first time, and at most.
_BACKOFF = "x-requeue-backoff"
_BACKOFF_MAX = "x-requeue-backoff-max"
_NUMBERS = {
    "x-max-length": "max_length",
    "x-max-length-bytes": "max_length_bytes",
    "x-max-priority": "max_priority",
    "x-delivery-limit": "delivery_limit",
}
_TEXTS = frozenset({DEAD_LETTER_EXCHANGE, DEAD_LETTER_ROUTING_KEY})
_OVERFLOWS = ("drop-head", "reject-publish", "reject-publish-dlx")
_HIGHEST_PRIORITY = 255
_MEANINGFUL = frozenset({*_MILLISECONDS, *_NUMBERS, *_TEXTS, "x-overflow", _BACKOFF, _BACKOFF_MAX})


def queue_spec(name: str, durable: bool, arguments: Mapping[str, Any] | None) -> QueueSpec:
    """Read the arguments of a declaration; those that are not known are kept and have no effect.

    Raises:
        ChannelError: 406, where a value is of the wrong type or out of range.
    """
    given = dict(arguments or {})
    fields: dict[str, Any] = {}
    for argument, value in given.items():
        if argument in _MILLISECONDS:
            # A queue that expires at once would be gone before it could be used.
            least = 1 if argument == "x-expires" else 0
            fields[_MILLISECONDS[argument]] = _number(name, argument, value, least) / 1000
        elif argument in (_BACKOFF, _BACKOFF_MAX):
            _number(name, argument, value, 0)
        elif argument in _NUMBERS:
            fields[_NUMBERS[argument]] = _number(name, argument, value, 0)
        elif argument in _TEXTS and not isinstance(value, str):
            raise _invalid(name, argument, value, "a text")
        elif argument == "x-overflow":
            if value not in _OVERFLOWS:
                raise _invalid(name, argument, value, " or ".join(map(repr, _OVERFLOWS)))
            fields["overflow"] = value
    if fields.get("max_priority", 0) > _HIGHEST_PRIORITY:
        raise _invalid(name, "x-max-priority", fields["max_priority"], "a number from 0 to 255")
    if DEAD_LETTER_ROUTING_KEY in given and DEAD_LETTER_EXCHANGE not in given:
        raise ChannelError(
            f"PRECONDITION_FAILED - invalid arg {DEAD_LETTER_ROUTING_KEY!r} for queue {name!r}: "
            f"{DEAD_LETTER_EXCHANGE!r} is missing",
            (50, 10),
            "Queue.declare",
            406,
        )
    return QueueSpec(
        name,
        durable=durable,
        dead_letters=DEAD_LETTER_EXCHANGE in given,
        arguments=given,
        **fields,
    )


def backoff(arguments: Mapping[str, Any] | None, limit: float) -> Backoff | None:
    """The back-off of a queue by its arguments, which are valid; `limit` where they name none."""
    first = (arguments or {}).get(_BACKOFF)
    if first is None:
        return None
    longest = (arguments or {}).get(_BACKOFF_MAX)
    return Backoff(first / 1000, limit if longest is None else longest / 1000)


def check_equivalent(standing: QueueSpec, wanted: QueueSpec, vhost: str) -> None:
    """Raise `NotEquivalentError` where a queue is declared with other options.

    Arguments that mean nothing here make no difference.
    """
    for name in ("durable", *sorted(_MEANINGFUL)):
        found: object = standing.arguments.get(name)
        given: object = wanted.arguments.get(name)
        if name == "durable":
            found, given = standing.durable, wanted.durable
        if found != given:
            raise refusals.queue_differs(wanted.name, vhost, name, given, found)


def milliseconds(name: str, value: object) -> float:
    """A number of milliseconds, or its text, in seconds.

    Raises:
        ChannelError: 406, where it is none.
    """
    try:
        number = float(str(value))
        if not 0 <= number < float("inf"):
            raise ValueError(value)
    except ValueError:
        raise ChannelError(
            f"PRECONDITION_FAILED - invalid {name} {value!r}: wanted are milliseconds, a number "
            "from 0 up",
            (60, 40),
            "Basic.publish",
            406,
        ) from None
    return number / 1000


def _number(queue: str, argument: str, value: object, least: int) -> int:
    # True is a number in Python, and a mistake here.
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise _invalid(queue, argument, value, f"a whole number from {least} up")
    return value


def _invalid(queue: str, argument: str, value: object, wanted: str) -> ChannelError:
    return ChannelError(
        f"PRECONDITION_FAILED - invalid arg {argument!r} for queue {queue!r}: {value!r} "
        f"({type(value).__name__}) is not {wanted}",
        (50, 10),
        "Queue.declare",
        406,
    )
