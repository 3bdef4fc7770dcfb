"""Which deliveries of a channel are not settled yet, by delivery tag.

Pure: no I/O, no lock, no clock.  Tags are whole numbers that grow by one for each delivery of the
channel (AMQP 0-9-1, section 1.8.3.13), so "all up to this one" is the front of the ledger.
"""

from __future__ import annotations

from typing import Generic, TypeVar

__all__ = ("Ledger",)

T = TypeVar("T")


class Ledger(dict[int, T], Generic[T]):
    """A dictionary in the order of delivery, with what AMQP's ``multiple`` needs on top.

    Being a dictionary keeps the way of a message short: ``ledger[tag] = entry`` at delivery and
    ``ledger.pop(tag)`` at acknowledgement.
    """

    __slots__ = ()

    def take(self, tag: int, multiple: bool) -> list[tuple[int, T]]:
        """Remove and return what `tag` names, in the order of delivery.

        With `multiple`, everything up to and including `tag`, and everything there is for tag 0.
        Raises `KeyError` where the tag names nothing (with `multiple` and tag 0 nothing is fine).
        """
        if not multiple:
            return [(tag, self.pop(tag))]
        if tag == 0:
            return self.take_all()
        if tag not in self:
            raise KeyError(tag)
        taken = []
        for known in list(self):
            if known > tag:
                break
            taken.append((known, self.pop(known)))
        return taken

    def take_all(self) -> list[tuple[int, T]]:
        """Remove and return everything, in the order of delivery."""
        taken = list(self.items())
        self.clear()
        return taken
