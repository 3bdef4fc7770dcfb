"""The log of what happens to connections (logger ``kombu.connection``)."""

from __future__ import annotations

from typing import Any

__all__ = ("debug",)


def debug(message: str, *args: Any, exc_info: bool = False) -> None:
    """Log at debug level.

    logging is imported with the first record: a program that never loses a connection, and does
    not use logging itself, does not load it.
    """
    from kombu.log import get_logger

    get_logger("kombu.connection").debug(message, *args, exc_info=exc_info)
