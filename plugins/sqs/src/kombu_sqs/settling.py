"""Settling for who does not wait long: what several settle at once goes to SQS in one batch."""

from __future__ import annotations

import threading
from time import monotonic
from typing import TYPE_CHECKING

from kombu.exceptions import RecoverableConnectionError
from kombu.utils.deadlines import remaining
from kombu.utils.loggers import get_logger

from .calls import start

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kombu.transport.backend import Delivery

    from .claims import Claims, Giving

__all__ = ("Settler",)

logger = get_logger(__name__)

#: How long a batch may take that nobody waits for (seconds).
_PATIENCE = 20.0
#: How long `Settler.submit` waits (seconds).  A request is on its way for sure when its answer is
#: there: whoever acknowledged, and is killed then, has acknowledged.
_PROMPT = 1.0


class Settler:
    """Settles what a session was told of without waiting, in the order of the calls.

    One thread at most does so at a time; what comes meanwhile is its next batch.  Any thread may
    use it.

    Args:
        claims: What tells SQS.
    """

    def __init__(self, claims: Claims) -> None:
        self._claims = claims
        self._changed = threading.Condition()
        self._acks: list[Delivery] = []
        self._givings: list[Giving] = []
        self._working = False
        self._lost: list[Delivery] = []
        self._error: Exception | None = None

    def submit(self, acks: Sequence[Delivery], givings: Sequence[Giving]) -> None:
        """Have messages settled: now where SQS answers soon, else later."""
        with self._changed:
            self._acks += acks
            self._givings += givings
            if not self._working and (self._acks or self._givings):
                self._working = True
                start(self._work)
            if acks or givings:
                self._changed.wait_for(lambda: not self._working, remaining(_PROMPT))

    def told(self) -> list[Delivery]:
        """What turned out to be lost since this was asked last; raises what failed since.

        Raises:
            Exception: What was settled before did not reach SQS, and comes again.
        """
        if not self._lost and self._error is None:
            return []
        with self._changed:
            error, self._error = self._error, None
            if error is not None:
                raise error
            lost, self._lost = self._lost, []
        return lost

    def flush(self, deadline: float) -> None:
        """Wait until all is settled; raises as `told` does.

        Raises:
            TimeoutError: It is not by the deadline (seconds of `time.monotonic`).
        """
        if self._working:
            with self._changed:
                if not self._changed.wait_for(
                    lambda: not self._working, max(deadline - monotonic(), 0.0)
                ):
                    raise TimeoutError("Amazon SQS did not answer in time to what was settled")
        if self._error is not None:
            self.told()

    def _work(self) -> None:
        while True:
            with self._changed:
                acks, self._acks = self._acks, []
                givings, self._givings = self._givings, []
                if not acks and not givings:
                    self._working = False
                    self._changed.notify_all()
                    return
            lost: list[Delivery] = []
            error: Exception | None = None
            try:
                deadline = monotonic() + _PATIENCE
                lost += self._claims.delete(acks, deadline)
                lost += self._claims.give_back(givings, deadline)
            except TimeoutError as exc:
                # Whoever is told later waits for something else, and may take it for their own.
                error = RecoverableConnectionError(
                    f"{exc}. What was settled may come again when its claims end"
                )
            except Exception as exc:
                error = exc
            if error is not None:
                logger.warning(
                    "%d message(s) could not be settled: %s", len(acks) + len(givings), error
                )
            with self._changed:
                self._lost += lost
                self._error = self._error or error

    def forked(self) -> None:
        """In the child of a fork: what is on its way is the parent's."""
        self.__init__(self._claims)  # type: ignore[misc]
