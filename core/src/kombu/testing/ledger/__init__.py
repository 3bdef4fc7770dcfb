"""What became of each message, written down by all processes of a run, and what must hold.

Every process has a `Recorder` on the same folder and says what it knows: a producer what it was
told was accepted, a consumer what it was delivered and what it acknowledged, the test what is
left at the end.  The `Ledger` puts it together and checks it; a `Report` says what is wrong.
"""

from __future__ import annotations

from .checks import ALL, Finding
from .ledger import Ledger, Report
from .records import Record, Recorder, message_id

__all__ = ("ALL", "Finding", "Ledger", "Record", "Recorder", "Report", "message_id")
