"""The tasks: functions that the client and the worker can import."""

from __future__ import annotations


def hello_task(who: str = "world") -> None:
    print(f"Hello {who}")
