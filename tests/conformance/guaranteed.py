"""What docs/guarantees.md says of a transport; each kit compares it with the transport's flags."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from kombu.testing.kit import PROMISES

if TYPE_CHECKING:
    from kombu.transport.capabilities import Capabilities, Flag

DATA = Path(__file__).resolve().parents[2] / "docs" / "guarantees"


def guaranteed(name: str) -> dict[str, Flag]:
    """The flags in the results that the page is made of; `scripts/guarantees` makes them anew."""
    promises = json.loads((DATA / f"{name}.json").read_text("utf-8"))["promises"]
    return {promise: promises[promise]["flag"] for promise in PROMISES}


def flags(capabilities: Capabilities) -> dict[str, Flag]:
    """What a transport says of each promise."""
    return {promise: told(capabilities) for promise, (told, _) in PROMISES.items()}
