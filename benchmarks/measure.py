"""One measurement in a process of its own: ``python measure.py CASE [MESSAGES]``, or ``--list``.

It runs in either environment and prints one line of JSON; `runner` starts it and reads that.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import Any

from cases import CASES

import kombu


def catalog() -> list[dict[str, Any]]:
    """What can be measured: name, title and number of messages of each case."""
    return [{"name": c.name, "title": c.title, "messages": c.messages} for c in CASES]


def measure(name: str, messages: int | None = None) -> dict[str, Any]:
    """Run one case.

    Args:
        name: Its name.
        messages: How many, in place of the case's own number.

    Raises:
        KeyError: There is no such case.
        AssertionError: The case did not do what it should.
    """
    case = {case.name: case for case in CASES}[name]
    sample = case.run(messages or case.messages)
    return {
        "case": name,
        "version": kombu.__version__,
        "python": sys.version.split()[0],
        **dataclasses.asdict(sample),
    }


if __name__ == "__main__":
    if sys.argv[1] == "--list":
        print(json.dumps(catalog()))
    else:
        print(json.dumps(measure(sys.argv[1], *map(int, sys.argv[2:]))))
