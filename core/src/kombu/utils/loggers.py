"""Loggers that stay silent until the application configures logging.

What is needed at every start; `kombu.log` has the rest.
"""

from __future__ import annotations

import logging

__all__ = ("get_logger",)


def get_logger(logger: str | logging.Logger) -> logging.Logger:
    """Return a logger, by name or as it is, with a handler that drops what nobody else handles."""
    if isinstance(logger, str):
        logger = logging.getLogger(logger)
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    return logger
