"""Which failures of masters a consumer lives with, and which it has to hear of."""

from __future__ import annotations

import contextlib
from time import monotonic
from typing import TYPE_CHECKING, Any

from kombu.utils.loggers import get_logger
from kombu_redis.connection import errors
from kombu_redis.connection.talk import PATIENCE
from kombu_redis.consume.fetching import LATE

from ..connection.trouble import TROUBLE, NotAsked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..connection.slots import Node
    from ..connection.talk import ClusterTalk

__all__ = ("Failures",)

logger = get_logger(__name__)

#: After how long a master that could not be asked is asked again (seconds), first and at most.
_RETRY, _LONGEST_RETRY = 0.25, 2.0
#: How long masters may take to answer while others wait for it (seconds), as long as all do.
_PATIENT = 1.0
#: How long reading the map may take at least (seconds).
_LEAST = 0.1


class Failures:
    """What went wrong with a consumer's masters.  Used by one thread at a time.

    Args:
        talk: The session's lines.
    """

    def __init__(self, talk: ClusterTalk) -> None:
        self._talk = talk
        #: Whether not all masters answer.
        self.troubled = False
        #: When those that could not be asked are asked again (`time.monotonic`), if there are any.
        self.retry_at: float | None = None
        self._retry = _RETRY
        #: The masters when some could not be asked.
        self._masters: frozenset[Node] = frozenset()
        #: Since when none answers.
        self._silent_since: float | None = None
        #: What kept the last question from being answered, if something did.
        self._last: Exception | None = None

    @property
    def patience(self) -> float:
        """How long one that is silent may hold up what comes from the others (seconds)."""
        return LATE if self.troubled else _PATIENT

    def begin(self) -> None:
        """A fetch begins."""
        self._last = None

    def raise_last(self) -> None:
        """Raise what kept this fetch from an answer, if something did."""
        if self._last is not None:
            raise self._last

    def over(self, now: float) -> bool:
        """Whether there are none, or those that could not be asked are to be asked again."""
        if self.retry_at is not None and now < self.retry_at:
            return False
        self.retry_at = None
        return True

    def judge(self, answers: Sequence[Any], by: float) -> None:
        """Raise where nobody answers; go on where some do, and ask the others later."""
        failures = [answer for answer in answers if isinstance(answer, Exception)]
        if not failures:
            self._all_answer()
            return
        answered = len(failures) < len(answers)
        failures = [failure for failure in failures if not isinstance(failure, NotAsked)]
        if not failures:
            return
        self._put_off(any(isinstance(failure, TimeoutError) for failure in failures))
        self._last = failure = self._told(failures)
        if not self.troubled:
            self.troubled = True
            logger.warning(
                "Not all masters of %s answer; their queues are waited for: %s",
                self._talk.where,
                failure,
            )
        if answered:
            self._silent_since = None
            with contextlib.suppress(*TROUBLE):
                # Those who answered know of one that has taken over.
                self._refresh(monotonic() + LATE)
            if self._masters != frozenset(self._talk.slots.masters):
                self.retry_at = monotonic() + _RETRY
        else:
            self._none_answers(by)

    def _all_answer(self) -> None:
        self._silent_since = None
        if self.troubled and not self.retry_at:
            logger.info("All masters of %s answer again", self._talk.where)
            self.troubled = False

    def _put_off(self, silent: bool) -> None:
        """Ask again later, and those that are silent later still while the masters are the same."""
        masters = frozenset(self._talk.slots.masters)
        again = self.troubled and silent and masters == self._masters
        self._retry = min(self._retry * 2, _LONGEST_RETRY) if again else _RETRY
        self._masters = masters
        self.retry_at = monotonic() + self._retry

    def _told(self, failures: Sequence[Exception]) -> Exception:
        """What to tell of failures; raises what time does not heal."""
        told = failures[0]
        for failure in failures:
            if isinstance(failure, TROUBLE):
                continue
            told = errors.refused(self._talk.where, failure)
            if not isinstance(told, TROUBLE):
                raise told
        return told

    def _none_answers(self, by: float) -> None:
        now = monotonic()
        if self._silent_since is None:
            self._silent_since = now
        patient = now < self._silent_since + PATIENCE
        if now < by or not patient:
            try:
                # Where nobody answers there is nothing to wait for.
                self._refresh(by)
            except TimeoutError:
                if not patient:
                    raise

    def _refresh(self, by: float) -> None:
        """Read the map anew; raises where there is nobody to ask."""
        self._talk.slots.reload(self._talk.slots.generation, max(by, monotonic() + _LEAST))
