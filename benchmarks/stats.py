"""What the figures of several rounds say together."""

from __future__ import annotations

import random
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ("Ratio", "median", "median_deviation", "quantile", "ratio_of_medians")

#: How often the rounds are drawn anew.
DRAWS = 2_000

#: The interval leaves out this part at either end.
TAIL = 0.05


class Ratio(NamedTuple):
    """A ratio of medians and its 90 % interval."""

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


def ratio_of_medians(above: Sequence[float], below: Sequence[float]) -> Ratio:
    """How many times the values of one side are those of the other.

    The interval is a percentile bootstrap over rounds: what was measured in the same round stays
    together, so that a slow minute of the machine counts on both sides.  The draws are always the
    same ones, so that the same values give the same interval.

    Args:
        above: The values of one side, one a round.
        below: Those of the other side, in the same order.

    Raises:
        ValueError: The sides have different numbers of rounds, or none.
    """
    rounds = list(zip(above, below, strict=True))
    if not rounds:
        raise ValueError("a ratio needs at least one round of each side: there is none")
    draw = random.Random(0)
    ratios = [_ratio(draw.choices(rounds, k=len(rounds))) for _ in range(DRAWS)]
    return Ratio(_ratio(rounds), quantile(ratios, TAIL), quantile(ratios, 1 - TAIL))


def _ratio(rounds: Sequence[tuple[float, float]]) -> float:
    return median(a for a, _ in rounds) / median(b for _, b in rounds)
