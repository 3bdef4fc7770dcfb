"""The table of scenarios in the documentation names tests that are there, and all of them."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parents[2] / "docs" / "transports" / "amqp.md"


def test_every_scenario_has_its_tests_and_stands_in_the_table() -> None:
    rows = dict(re.findall(r"^\| A-(\d+) (\|.*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    assert list(map(int, rows)) == list(range(1, 25))
    there = {
        name
        for file in HERE.glob("test_*.py")
        for name in re.findall(r"^def (test_a\d\d_\w+)", file.read_text(encoding="utf-8"), re.M)
    }
    for number, row in rows.items():
        named = set(re.findall(r"`(test_\w+)`", row))
        assert named
        assert named <= {name for name in there if name.startswith(f"test_a{int(number):02}_")}
