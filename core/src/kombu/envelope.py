"""A message on its way to a broker, before anything is known of how the broker stores it."""

# In a module of its own because everything that publishes imports it; what a backend needs beside
# it takes longer to import.

from __future__ import annotations

from typing import Any

from .exceptions import EncodeError

__all__ = ("Envelope", "check_serialized", "milliseconds")


def milliseconds(name: str, seconds: Any) -> int:
    """A time of a message, as it travels.

    Raises:
        TypeError: It is not a number.
    """
    try:
        # Multiplied first, text would be repeated.
        return int(float(seconds) * 1000)
    except (TypeError, ValueError, OverflowError) as exc:
        raise TypeError(
            f"publish: {name} is {seconds!r} ({type(seconds).__name__}), wanted a number of seconds"
        ) from exc


def check_serialized(body: Any, content_type: str) -> None:
    """See that a body that is said to be serialized is text or bytes.

    Raises:
        EncodeError: It is not.
    """
    if not isinstance(body, (str, bytes, bytearray, memoryview)):
        raise EncodeError(
            f"the body, of type {type(body).__name__}, is not serialized: for the content type "
            f"{content_type} wanted are text or bytes. Serialize it first, or name a serializer "
            "such as json instead"
        )


class Envelope:
    """One message on its way through a store.

    A plain class with slots: one is made for every message, so it validates and copies nothing.
    ``expires_at`` and ``not_before`` are epoch seconds of the store's clock, ``count`` is how
    often the message was delivered before.  ``wire`` is the backend's: its encoded form, which
    whoever changes another field sets to `None`.
    """

    __slots__ = (
        "body",
        "content_encoding",
        "content_type",
        "count",
        "exchange",
        "expires_at",
        "headers",
        "not_before",
        "priority",
        "properties",
        "routing_key",
        "wire",
    )

    def __init__(
        self,
        body: str | bytes,
        content_type: str | None,
        content_encoding: str | None,
        headers: dict[str, Any],
        properties: dict[str, Any],
        exchange: str,
        routing_key: str,
        priority: int = 0,
    ) -> None:
        self.body = body
        self.content_type = content_type
        self.content_encoding = content_encoding
        self.headers = headers
        self.properties = properties
        self.exchange = exchange
        self.routing_key = routing_key
        self.priority = priority
        self.expires_at: float | None = None
        self.not_before: float | None = None
        self.count = 0
        self.wire: Any = None

    def copy(self) -> Envelope:
        """An envelope of its own for a further queue: headers and properties are not shared."""
        twin = Envelope(
            self.body,
            self.content_type,
            self.content_encoding,
            self.headers.copy(),
            self.properties.copy(),
            self.exchange,
            self.routing_key,
            self.priority,
        )
        twin.expires_at = self.expires_at
        twin.not_before = self.not_before
        twin.count = self.count
        twin.wire = self.wire
        return twin
