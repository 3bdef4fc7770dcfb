"""What was published on a channel and is not confirmed yet; does no I/O."""

from __future__ import annotations

from typing import Any

__all__ = ("Confirm", "Confirms")


class Confirm:
    """What becomes of one published message."""

    __slots__ = ("error", "number", "refused", "returned", "settled")

    def __init__(self, number: int) -> None:
        #: Its number on the channel, from 1.
        self.number = number
        #: The broker has said what becomes of it.
        self.settled = False
        #: It did not take the message (``basic.nack``).
        self.refused = False
        #: What it said where it gave the message back (``basic.return``): code, text, exchange,
        #: routing key, message.
        self.returned: tuple[Any, ...] | None = None
        #: Why it will say nothing.
        self.error: BaseException | None = None

    def known(self) -> bool:
        """Whether nothing more will come."""
        return self.settled or self.error is not None


class Confirms:
    """The confirms of a channel, from ``confirm.select`` on."""

    def __init__(self) -> None:
        self._published = 0
        self._waiting: dict[int, Confirm] = {}

    def published(self) -> Confirm:
        """Note that a message goes out now, in the order in which they do."""
        self._published += 1
        confirm = Confirm(self._published)
        self._waiting[confirm.number] = confirm
        return confirm

    def not_sent(self, confirm: Confirm) -> None:
        """Undo `published` for the last message: the broker does not count it."""
        self._waiting.pop(confirm.number, None)
        self._published = confirm.number - 1

    def forget(self, confirm: Confirm) -> None:
        """Nobody waits for it any more."""
        self._waiting.pop(confirm.number, None)

    def settle(self, number: int, multiple: bool, refused: bool) -> None:
        """Take what the broker says: of one message, or of all up to it; 0 is all."""
        if not multiple:
            numbers = [number]
        else:
            numbers = [each for each in list(self._waiting) if not number or each <= number]
        for each in numbers:
            confirm = self._waiting.pop(each, None)
            if confirm is not None:
                confirm.refused = refused
                confirm.settled = True

    def fail(self, error: BaseException) -> bool:
        """The broker will say nothing more; returns whether somebody waited."""
        waiting, self._waiting = list(self._waiting.values()), {}
        for confirm in waiting:
            confirm.error = error
        return bool(waiting)
