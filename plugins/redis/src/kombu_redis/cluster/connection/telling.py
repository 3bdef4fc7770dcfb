"""Scripts that nobody waits for: they are sent, and again for a while where they did not arrive."""

from __future__ import annotations

from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple

import redis.exceptions as driver

from ..keys import slot_of
from .asking import LONGEST_PAUSE
from .trouble import ELSEWHERE, TROUBLE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kombu_redis.connection.commands import Call

    from .asking import Asking
    from .round import Means
    from .slots import Node

__all__ = ("Telling",)

#: How long opening a line may take where nobody waits for it (seconds).
_OPENING = 1.0
#: How many answers of a node may be outstanding.
_OUTSTANDING = 500
#: For how long what nobody waits for is sent again (seconds).
_KEPT = 30.0
#: Answers after which a script is sent again.
_UNDONE = (*ELSEWHERE, driver.NoScriptError, ConnectionResetError)


class _Kept(NamedTuple):
    """What is to be sent again: who is told, and until when (`time.monotonic`)."""

    call: Call
    told: Callable[[Any], None]
    until: float


class Telling:
    """Sends scripts and does not wait.  Used by one thread at a time.

    Args:
        means: What it takes to send.
        asking: Sends again, and waits.
    """

    def __init__(self, means: Means, asking: Asking) -> None:
        self._lines, self._shunning, self._wording, _ = means
        self._slots = means.lines.slots
        self._asking = asking
        #: What is to be sent again.
        self.kept: list[_Kept] = []
        self._again_at = 0.0

    def clear(self) -> None:
        """Forget what was to be sent again."""
        self.kept.clear()

    def tell(self, calls: Sequence[Call], told: Sequence[Callable[[Any], None]]) -> None:
        """Send scripts; the answers are handed to `told` when somebody reads them."""
        groups: dict[Node, list[int]] = {}
        now = monotonic()
        for at, call in enumerate(calls):
            node = self._slots.node(slot_of(call.keys[0]))
            # To open a line takes a while that nobody has here: who waits for answers does it.
            if node is None or not self._lines.to(node).at_hand or self._shunning.shuns(node):
                self.kept.append(_Kept(call, told[at], now + _KEPT))
            else:
                groups.setdefault(node, []).append(at)
        for node, places in groups.items():
            talk = self._lines.to(node)
            try:
                talk.open(now + _OPENING)
                if talk.outstanding > _OUTSTANDING:
                    talk.collect(now + _OPENING)
                talk.tell(
                    [self._wording.packed(calls[at]) for at in places],
                    [partial(self._told, calls[at], told[at], node) for at in places],
                    None,
                )
            except TROUBLE:
                self._shunning.shun(node)
                self.kept += [_Kept(calls[at], told[at], now + _KEPT) for at in places]

    def _told(self, call: Call, told: Callable[[Any], None], node: Node, answer: Any) -> None:
        if isinstance(answer, driver.MovedError):
            self._slots.moved(answer.slot_id, answer.host, answer.port, node)
        elif not isinstance(answer, _UNDONE):
            told(answer)
            return
        # Whether it was done before its line broke is not known: being done is what counts then.
        unheard = isinstance(answer, ConnectionResetError)
        self.again(call, _nothing if unheard else told)

    # -- again ---------------------------------------------------------------------------------

    def again(self, call: Call, told: Callable[[Any], None]) -> None:
        """Send a script once more, as soon as somebody waits for an answer."""
        self.kept.append(_Kept(call, told, monotonic() + _KEPT))

    def send_some(self, deadline: float) -> None:
        """Send what is to be sent again, except to nodes that could not be talked to just now.

        Now and then, and not for long: who calls it waits for something else.
        """
        now = monotonic()
        if not self._again_at <= now < deadline:
            return
        self._again_at = now + LONGEST_PAUSE
        ready: list[_Kept] = []
        waiting, self.kept = self.kept, []
        for kept in waiting:
            shunned = self._shunning.shuns_master_of(kept.call.keys[0])
            (self.kept if shunned else ready).append(kept)
        by = min(deadline, now + _OPENING)
        answers = self._asking.attempt([kept.call for kept in ready], by, True)
        for kept, answer in zip(ready, answers, strict=True):
            if not isinstance(answer, (*TROUBLE, *ELSEWHERE)):
                kept.told(answer)
            elif now < kept.until:
                self.kept.append(kept)
            else:
                kept.told(ConnectionResetError(str(answer)))

    def send_all(self, deadline: float) -> None:
        """Send what is to be sent again; nobody will another time."""
        if not self.kept:
            return
        kept, self.kept = self.kept, []
        answers = self._asking.attempt([call for call, _, _ in kept], deadline, False)
        for (_, told, _), answer in zip(kept, answers, strict=True):
            if isinstance(answer, (*TROUBLE, *ELSEWHERE)):
                told(ConnectionResetError(str(answer)))
            else:
                told(answer)


def _nothing(answer: Any) -> None:
    pass
