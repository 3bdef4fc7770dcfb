"""A server that is down again and again."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random
    from types import TracebackType

    from typing_extensions import Self

    from kombu.testing.servers import Server

__all__ = ("Outage", "Outages")

#: How a server goes away.
Outage = Literal["kill9", "stop", "pause"]


class Outages:
    """Takes a server away at random times, for as long as the block lasts that it is used in.

    At the end of the block the server is up.

    Args:
        server: Which one.
        random: Where times and kinds come from.
        up: How long the server is up between two outages, at most (seconds).
        down: How long an outage lasts, at most (seconds); starting comes on top.
        kinds: Which ones.
    """

    def __init__(
        self,
        server: Server,
        random: Random,
        *,
        up: float,
        down: float,
        kinds: Sequence[Outage] = ("kill9", "stop", "pause"),
    ) -> None:
        self._server, self._random = server, random
        self._up, self._down, self._kinds = up, down, kinds
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kombu outages", daemon=True)
        self._error: Exception | None = None
        #: The outages so far: which, and for how many seconds.
        self.done: list[tuple[Outage, float]] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()
        if self._error is not None and error is None:
            raise self._error

    def _run(self) -> None:
        try:
            while not self._over.wait(self._random.uniform(0, self._up)):
                self._take_away()
        except Exception as error:
            self._error = error

    def _take_away(self) -> None:
        kind = self._random.choice(self._kinds)
        seconds = self._random.uniform(0, self._down)
        getattr(self._server, kind)()
        self._over.wait(seconds)
        if kind == "pause":
            self._server.resume()
        else:
            self._server.start()
        self.done.append((kind, seconds))
