"""What the figures of several rounds say together."""

from __future__ import annotations

import random
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ("Ratio", "median", "median_deviation", "median_ratio", "quantile")

#: How often the rounds are drawn anew.
DRAWS = 2_000

#: The interval leaves out this part at either end.
TAIL = 0.05


class Ratio(NamedTuple):
    """A ratio and its 90 % interval."""

    value: float
    low: float
    high: float


def median_deviation(values: Sequence[float]) -> float:
    """The median of the distances from the median: a spread that outliers do not move."""
    middle = median(values)
    return median(abs(value - middle) for value in values)


def quantile(values: Sequence[float], part: float) -> float:
    """The value that `part` (0 to 1) of the others do not exceed."""
    ordered = sorted(values)
    return ordered[min(int(part * len(ordered)), len(ordered) - 1)]


def median_ratio(above: Sequence[float], below: Sequence[float]) -> Ratio:
    """How many times the values of one side are those of the other: the median of the rounds.

    The two of a round were measured right after each other, so a slow minute of the machine cancels
    out; of the ratio of the two medians it would not, where they are of different minutes.  The
    interval is a percentile bootstrap over rounds, always with the same draws, so that the same
    values give the same interval.

    Args:
        above: The values of one side, one a round.
        below: Those of the other side, in the same order.

    Raises:
        ValueError: The sides have different numbers of rounds, or none.
    """
    ratios = [a / b for a, b in zip(above, below, strict=True)]
    if not ratios:
        raise ValueError("a ratio needs at least one round of each side: there is none")
    draw = random.Random(0)
    drawn = [median(draw.choices(ratios, k=len(ratios))) for _ in range(DRAWS)]
    return Ratio(median(ratios), quantile(drawn, TAIL), quantile(drawn, 1 - TAIL))
