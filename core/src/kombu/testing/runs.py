"""A run of a scenario: what makes it happen again, how large it is, how much time it has."""

from __future__ import annotations

import os
import random
import sys
from typing import IO, Literal

__all__ = ("PATIENCE", "SCALE", "SEED", "Run", "Scale", "patient")

#: The variables of the environment that say how large runs are, and with which seed.
SCALE = "KOMBU_TEST_SCALE"
SEED = "KOMBU_TEST_SEED"
#: The variable that says how many times its time all gets that has to happen, 1 by default: more
#: where the tests share the machine with others, so that a limit tells a fault from a full queue
#: for the processor.
PATIENCE = "KOMBU_TEST_PATIENCE"

#: ``ci`` is what everybody runs each time, ``full`` as much as a promise names.
Scale = Literal["ci", "full"]


class Run:
    """One run; prints its name, seed and scale when it is made.

    Args:
        name: What is run.
        seed: Where all chance comes from; by default ``KOMBU_TEST_SEED``, else a new one.
        scale: By default ``KOMBU_TEST_SCALE``, else ``ci``.
        out: Where to print, by default the standard output.

    Raises:
        ValueError: The variables are not a number and one of the scales.
    """

    def __init__(
        self,
        name: str,
        *,
        seed: int | None = None,
        scale: Scale | None = None,
        out: IO[str] | None = None,
    ) -> None:
        self.name = name
        self.seed = seed if seed is not None else _seed()
        self.scale: Scale = scale or _scale()
        #: The chance of this run; a process or a thread of its own takes `derive`.
        self.random = self.derive("")
        (out or sys.stdout).write(f"{self}\n")

    def derive(self, what: str) -> random.Random:
        """Chance for a part of the run, the same for the same seed whatever other parts do."""
        return random.Random(f"{self.seed}/{what}")  # noqa: S311 (no secret)

    def count(self, *, ci: int, full: int) -> int:
        """How many: of messages, of kills, of seconds."""
        return full if self.scale == "full" else ci

    def __str__(self) -> str:
        return f"{self.name}: seed {self.seed}, scale {self.scale} (again: {SEED}={self.seed})"


def patient(seconds: float) -> float:
    """How long (seconds) to wait here for what takes no longer than `seconds` on an idle machine.

    Raises:
        ValueError: ``KOMBU_TEST_PATIENCE`` is not a number from 1 on.
    """
    found = os.environ.get(PATIENCE) or "1"
    try:
        times = float(found)
    except ValueError:
        times = 0.0
    # Written so that "nan" is refused, too.
    if not times >= 1:
        raise ValueError(f"{PATIENCE}: wanted a number from 1 on, found {found!r}")
    return seconds * times


def _seed() -> int:
    found = os.environ.get(SEED)
    if not found:
        return random.SystemRandom().randrange(1_000_000_000)
    try:
        return int(found)
    except ValueError:
        raise ValueError(f"{SEED}: wanted a whole number, found {found!r}") from None


def _scale() -> Scale:
    found = os.environ.get(SCALE) or "ci"
    if found not in {"ci", "full"}:
        raise ValueError(f"{SCALE}: wanted ci or full, found {found!r}")
    return "full" if found == "full" else "ci"
