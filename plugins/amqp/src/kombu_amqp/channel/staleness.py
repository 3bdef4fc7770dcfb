"""Which generation a delivery is of: of its connection, and of its channel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import StaleConnectionDelivery, StaleDelivery

if TYPE_CHECKING:
    from ..connection.generations import Generations

__all__ = ("Origin",)

_NEXT = (
    "Nothing was sent: the broker gives the message out again, and that delivery is the one to "
    "answer"
)


class Origin:
    """Where the deliveries of a channel come from, for those who answer one too late.

    Args:
        number: Of the channel.
        connection: The generation of its connection.
        generations: Which one is current.
    """

    def __init__(self, number: int, connection: int, generations: Generations) -> None:
        self._number = number
        self._connection = connection
        self._generations = generations

    @property
    def is_first(self) -> bool:
        """Whether its connection is the first one."""
        return self._connection <= 1

    def gone(self, delivery_tag: int | None) -> StaleConnectionDelivery:
        """The error of an answer to a delivery whose connection, or channel, is gone."""
        current = self._generations.current
        if current == self._connection:
            now = "it, or the channel, is closed or lost, and no newer connection is open yet"
        else:
            now = f"connection generation {current} is current"
        return StaleConnectionDelivery(
            f"{_name(delivery_tag)} came by connection generation {self._connection}, and {now}. "
            f"{_NEXT}"
        )

    def stale(self, delivery_tag: int | None, came: int | None, current: int) -> StaleDelivery:
        """The error of an answer to a delivery that came before its channel was opened again.

        Args:
            delivery_tag: The delivery, where it is known.
            came: The generation of the channel that it came by, where that is known.
            current: The one that the channel has now.
        """
        by = "an earlier generation" if came is None else f"generation {came}"
        return StaleDelivery(
            f"{_name(delivery_tag)} came by {by} of channel {self._number} (connection generation "
            f"{self._connection}), and generation {current} is current: the broker has closed the "
            f"channel meanwhile, or recovered it. {_NEXT}"
        )


def _name(delivery_tag: int | None) -> str:
    return "the delivery" if delivery_tag is None else f"delivery {delivery_tag}"
