"""Logging helpers: loggers that stay silent until the application configures logging."""

from __future__ import annotations

import logging
import os
import sys

# Here, and not where it is needed: celery.contrib.testing takes for granted that it is loaded.
from logging.handlers import WatchedFileHandler
from typing import TYPE_CHECKING, Any

from kombu.utils.encoding import safe_repr, safe_str
from kombu.utils.functional import maybe_evaluate
from kombu.utils.loggers import get_logger
from kombu.utils.objects import cached_property

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import TextIO

__all__ = (
    "LOG_LEVELS",
    "Log",
    "LogMixin",
    "get_logger",
    "get_loglevel",
    "naive_format_parts",
    "safeify_format",
    "setup_logging",
)

#: Levels by name, and names by level.
LOG_LEVELS: dict[Any, Any] = {
    "CRITICAL": logging.CRITICAL,
    "FATAL": logging.FATAL,
    "ERROR": logging.ERROR,
    "WARN": logging.WARNING,
    "WARNING": logging.WARNING,
    "INFO": logging.INFO,
    "DEBUG": logging.DEBUG,
    "NOTSET": logging.NOTSET,
    logging.CRITICAL: "CRITICAL",
    logging.ERROR: "ERROR",
    logging.WARNING: "WARNING",
    logging.INFO: "INFO",
    logging.DEBUG: "DEBUG",
    logging.NOTSET: "NOTSET",
}

#: Set in the environment, it keeps tracebacks out of what :class:`LogMixin` logs.
DISABLE_TRACEBACKS = os.environ.get("DISABLE_TRACEBACKS")


class _Described:
    """An argument of a ``%r``, whose description was made safely before."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


_FILTERS: dict[str | None, Callable[[Any], Any]] = {
    "s": safe_str,
    "r": lambda value: _Described(safe_repr(value)),
}


def get_loglevel(level: Any) -> Any:
    """Return the number of a level's name; anything but text is returned as it is.

    Raises:
        KeyError: There is no level of this name.
    """
    if not isinstance(level, str):
        return level
    if level not in LOG_LEVELS:
        names = ", ".join(name for name in LOG_LEVELS if isinstance(name, str))
        raise KeyError(f"there is no log level {level!r}: wanted one of {names}")
    return LOG_LEVELS[level]


def naive_format_parts(fmt: str) -> Iterator[str | None]:
    """Yield the letter after each ``%`` of a format, or None for a ``%`` that another follows."""
    for part in fmt.split("%")[1:]:
        yield part[:1] or None


def safeify_format(
    fmt: str,
    args: tuple[Any, ...],
    filters: Mapping[str | None, Callable[[Any], Any]] | None = None,
) -> Iterator[Any]:
    """Yield the arguments of a ``%`` format, those of ``%s`` and ``%r`` as text already.

    Args:
        fmt: The format.
        args: Its arguments.
        filters: What to make of an argument, by the letter of its place.

    Raises:
        IndexError: There are fewer arguments than places.
    """
    filters = _FILTERS if filters is None else filters
    for index, letter in enumerate(naive_format_parts(fmt)):
        make = filters.get(letter)
        yield make(args[index]) if make is not None else args[index]


class LogMixin:
    """Gives a class logging methods and a logger named after it."""

    def debug(self, *args: Any, **kwargs: Any) -> None:
        """Log at level DEBUG: a format and its arguments."""
        self.log(logging.DEBUG, *args, **kwargs)

    def info(self, *args: Any, **kwargs: Any) -> None:
        """Log at level INFO."""
        self.log(logging.INFO, *args, **kwargs)

    def warn(self, *args: Any, **kwargs: Any) -> None:
        """Log at level WARNING."""
        self.log(logging.WARNING, *args, **kwargs)

    def error(self, *args: Any, **kwargs: Any) -> None:
        """Log at level ERROR, with the traceback of the error that is being handled, if any."""
        self._log_error(logging.ERROR, *args, **kwargs)

    def critical(self, *args: Any, **kwargs: Any) -> None:
        """Log at level CRITICAL, with the traceback of the error that is being handled, if any."""
        self._log_error(logging.CRITICAL, *args, **kwargs)

    def _log_error(self, severity: int, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("exc_info", sys.exc_info()[0] is not None)
        if DISABLE_TRACEBACKS:
            kwargs.pop("exc_info")
        self.log(severity, *args, **kwargs)

    def annotate(self, text: str) -> str:
        """Put the logger's name before a message."""
        return f"{self.logger_name} - {text}"

    def log(self, severity: int, *args: Any, **kwargs: Any) -> None:
        """Log a format and its arguments; deferred arguments are computed only if it is logged."""
        if not self.logger.isEnabledFor(severity):
            return
        text, values = str(args[0]), tuple(map(maybe_evaluate, args[1:]))
        try:
            values = tuple(safeify_format(text, values)) or values
        except IndexError:
            # A literal %%, or named places: logging knows these, and formats them itself.
            pass
        self.logger.log(severity, self.annotate(text), *values, **kwargs)

    def get_logger(self) -> logging.Logger:
        """Return the logger of :attr:`logger_name`."""
        return get_logger(self.logger_name)

    def is_enabled_for(self, level: int | str) -> bool:
        """Tell whether messages of a level, by number or name, are logged."""
        return self.logger.isEnabledFor(get_loglevel(level))

    def get_loglevel(self, level: Any) -> Any:
        """Return the number of a level's name."""
        return get_loglevel(level)

    @cached_property
    def logger(self) -> logging.Logger:
        """The logger that the methods use."""
        return self.get_logger()

    @property
    def logger_name(self) -> str:
        """The name of the logger: the class's."""
        return type(self).__name__


class Log(LogMixin):
    """Logging methods for a logger.

    Args:
        name: The name that messages begin with, and the logger's.
        logger: The logger, or its name, in place of the one of `name`.
    """

    def __init__(self, name: str, logger: str | logging.Logger | None = None) -> None:
        self._logger_name = name
        self._logger = logger

    def get_logger(self) -> logging.Logger:
        """Return the logger that was given, else the one of the name."""
        return get_logger(self._logger) if self._logger else super().get_logger()

    @property
    def logger_name(self) -> str:
        """The name that was given."""
        return self._logger_name


def setup_logging(
    loglevel: int | str | None = None, logfile: str | TextIO | None = None
) -> logging.Logger:
    """Give the root logger a level and a handler, unless it has a handler.

    Args:
        loglevel: The level, by number or name; ERROR unless it is given.
        logfile: A path, or an open file; the error output unless it is given.
    """
    logger = logging.getLogger()
    if not logger.handlers:
        logger.addHandler(
            WatchedFileHandler(logfile) if isinstance(logfile, str) else _handler(logfile)
        )
        logger.setLevel(get_loglevel(loglevel or "ERROR"))
    return logger


def _handler(file: TextIO | None) -> logging.Handler:
    return logging.StreamHandler(file or sys.__stderr__)
