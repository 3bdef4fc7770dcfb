"""What a channel has published and nobody has heard the end of; sends nothing."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

from ..errors import EarlierRefused, MessageNacked
from .confirms import Confirms

if TYPE_CHECKING:
    from .confirms import Published
    from .outbox import Outbox

__all__ = ("Ledger",)


class Ledger:
    """The books of a channel's publisher: what waits for a confirm, what goes out again, errors."""

    def __init__(self) -> None:
        #: `None` until the channel is in confirm mode.
        self.confirms: Confirms | None = None
        #: Nothing is confirmed before the transaction is.
        self.in_transaction = False
        #: Messages go out in the order of their numbers.  Losing the connection, which sending may
        #: find out, needs it, too.
        self.order = threading.RLock()
        #: The mandatory message that is on its way: what comes back is that one.
        self.mandatory: Published | None = None
        #: Windowed messages of a channel that the broker closed: they go out again with its next
        #: use, one by one where one of them was the reason.
        self.unsent: list[Published] = []
        self._one_by_one = False
        #: Windowed messages that went with the channel.
        self._left: list[Published] = []
        #: What went wrong with messages that nobody waited for: the next call raises it.
        self.errors: deque[Published] = deque()

    def begin_confirms(self) -> None:
        """The broker confirms what is published from now on."""
        if self.confirms is None:
            self.confirms = Confirms()

    def settle(self, delivery_tag: int, multiple: bool, *, refused: bool) -> None:
        """The broker has taken or refused a message, or all up to it."""
        if self.confirms is not None:
            self.confirms.settle(delivery_tag, multiple, refused)

    def forget(self, entry: Published) -> None:
        """Nobody waits for the confirm of a message any more."""
        if self.confirms is not None:
            self.confirms.forget(entry)

    def withdraw(self, confirms: Confirms, entry: Published, outbox: Outbox | None) -> None:
        """Sending a message failed, which its publisher is told: it is not sent again."""
        confirms.not_sent(entry)
        if outbox is not None:
            outbox.withdraw(entry)
        self._left = [each for each in self._left if each is not entry]

    # -- errors that nobody has heard --------------------------------------------------------

    def refused(self, entry: Published, error: BaseException) -> None:
        """The broker did not take a message."""
        entry.error = error
        if entry.windowed and not entry.watched:
            self.errors.append(entry)

    def told(self, entry: Published) -> None:
        """Somebody hears the error of a message now: no other call raises it."""
        if entry in self.errors:
            self.errors.remove(entry)

    def raise_errors(self) -> None:
        """Raise what went wrong with messages that nobody waited for.

        Raises:
            EarlierRefused: The broker did not take some; a retry of this call would not help them.
            ChannelError: It closed the channel over one.
        """
        errors, self.errors = self.errors, deque()
        refused = [entry for entry in errors if isinstance(entry.error, MessageNacked)]
        for position, entry in enumerate(errors):
            if entry.error is not None and entry not in refused:
                self.errors.extend(each for n, each in enumerate(errors) if n != position)
                raise entry.error
        if refused:
            raise EarlierRefused(refused) from refused[0].error

    # -- losses ------------------------------------------------------------------------------

    def lost(self, error: BaseException, outbox: Outbox | None, *, culprit: bool = False) -> bool:
        """The channel or connection is lost; returns whether somebody waited for a confirm.

        Args:
            error: What those are told who wait.
            outbox: Where windowed messages go; `None`: they stay with the channel.
            culprit: One of the messages was the reason.
        """
        with self.order:
            confirms, self.confirms = self.confirms, None
            self.in_transaction = False
            windowed, told = ([], False) if confirms is None else confirms.end(error)
            entries, self.unsent = [*windowed, *self.unsent], []
            if outbox is None:
                self.unsent = entries
                self._one_by_one = culprit or self._one_by_one
            elif entries:
                self._left = entries
                outbox.put(entries)
        return told

    def take_unsent(self) -> tuple[list[Published], bool]:
        """What is to be sent again, and whether one by one; the caller sends it now."""
        with self.order:
            unsent, self.unsent = self.unsent, []
            one_by_one, self._one_by_one = self._one_by_one, False
        return unsent, one_by_one

    def all_left_are_known(self) -> bool:
        """Whether all is settled that went with the channel; it is forgotten then."""
        if any(not entry.known() for entry in self._left):
            return False
        self._left.clear()
        return True
