"""The header in which a broker tells why a message left a queue."""

from __future__ import annotations

import datetime
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .protocol import Got

__all__ = ("deaths",)

#: How far the time of a death may be from now (seconds): it is given in whole seconds.
_RECENT = 30.0


def deaths(got: Got) -> list[dict[str, Any]]:
    """The entries of ``x-death``, newest first, without their times, which are looked at here."""
    entries = [dict(entry) for entry in got.headers["x-death"]]
    for entry in entries:
        assert abs(_epoch(entry.pop("time")) - time.time()) < _RECENT
    return entries


def _epoch(moment: Any) -> float:
    if isinstance(moment, datetime.datetime):
        # AMQP's timestamps are in UTC; py-amqp gives them without a time zone.
        zone = moment.tzinfo or datetime.timezone.utc
        return moment.replace(tzinfo=zone).timestamp()
    assert isinstance(moment, (int, float))
    return float(moment)
