"""The log of what happens to connections and channels.

Three variables of the environment, read when this module is imported, log more, at debug level:

- ``KOMBU_LOG_CONNECTION``: what connections do (logger ``kombu.connection``);
- ``KOMBU_LOG_CHANNEL``: every call of a channel's method (logger ``kombu.channel``);
- ``KOMBU_LOG_DEBUG``: both, written to the error output.
"""

from __future__ import annotations

import os
from typing import Any

__all__ = ("debug", "logged", "tell")

_everything = bool(os.environ.get("KOMBU_LOG_DEBUG"))
LOG_CHANNEL = _everything or bool(os.environ.get("KOMBU_LOG_CHANNEL"))
LOG_CONNECTION = _everything or bool(os.environ.get("KOMBU_LOG_CONNECTION"))

if _everything:
    # Imported only where it is wanted: logging is not loaded otherwise.
    from kombu.utils.debug import setup_logging

    setup_logging()


def debug(message: str, *args: Any, exc_info: bool = False) -> None:
    """Log at debug level.

    logging is imported with the first record: a program that never loses a connection, and does
    not use logging itself, does not load it.
    """
    from kombu.utils.loggers import get_logger

    get_logger("kombu.connection").debug(message, *args, exc_info=exc_info)


def tell(connection: Any, message: str) -> None:
    """Log what a connection does, where ``KOMBU_LOG_CONNECTION`` asks for it."""
    if LOG_CONNECTION:
        debug("[Kombu connection:%#x] %s", id(connection), message)


def logged(channel: Any) -> Any:
    """A channel, or where ``KOMBU_LOG_CHANNEL`` asks for it one whose calls are logged."""
    if not LOG_CHANNEL:
        return channel
    # See debug().
    from kombu.utils.debug import Logwrapped

    return Logwrapped(channel, "kombu.channel", "[Kombu channel:{0.channel_id}] ")
