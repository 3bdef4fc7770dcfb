"""Logging what is called, for those who look for an error.

``KOMBU_LOG_CHANNEL``, ``KOMBU_LOG_CONNECTION`` and ``KOMBU_LOG_DEBUG`` in the environment switch it
on; see `kombu.connection.journal`.
"""

from __future__ import annotations

import logging
from functools import wraps
from typing import TYPE_CHECKING, Any

from kombu.utils.loggers import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ("Logwrapped", "setup_logging")

#: The loggers of connections and of channels.
LOGGERS = ("kombu.connection", "kombu.channel")


def setup_logging(
    loglevel: int | str | None = logging.DEBUG, loggers: Iterable[str] = LOGGERS
) -> None:
    """Have loggers write to the error output; calling it again adds nothing.

    Args:
        loglevel: The level, by number or name.
        loggers: Their names.
    """
    for name in loggers:
        logger = get_logger(name)
        if not any(isinstance(handler, logging.StreamHandler) for handler in logger.handlers):
            logger.addHandler(logging.StreamHandler())
        logger.setLevel(loglevel if loglevel is not None else logging.DEBUG)


class Logwrapped:
    """An object whose methods are logged, at debug level, when they are called.

    Args:
        instance: The object.
        logger: A logger, or its name.
        ident: What stands before each line; ``{0}`` in it is the object.
    """

    def __init__(
        self, instance: Any, logger: logging.Logger | str | None = None, ident: str | None = None
    ) -> None:
        # As items of the dictionary: everything else is the object's own.
        vars(self).update(instance=instance, logger=get_logger(logger or "kombu"), ident=ident)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.instance, name)
        if not callable(value) or isinstance(value, type):
            return value
        logger, ident = self.logger, self.ident
        prefix = ident.format(self.instance) if ident else ""

        @wraps(value)
        def logged(*args: Any, **kwargs: Any) -> Any:
            told = [repr(arg) for arg in args]
            told += [f"{key}={given!r}" for key, given in kwargs.items()]
            logger.debug("%s%s(%s)", prefix, name, ", ".join(told))
            return value(*args, **kwargs)

        return logged

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.instance, name, value)

    def __enter__(self) -> Any:
        self.instance.__enter__()
        return self

    def __exit__(self, *exc_info: Any) -> Any:
        return self.instance.__exit__(*exc_info)

    def __repr__(self) -> str:
        return repr(self.instance)

    def __dir__(self) -> list[str]:
        return dir(self.instance)
