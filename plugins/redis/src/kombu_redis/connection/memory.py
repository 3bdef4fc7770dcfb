"""Looks at what a server does when its memory is used up."""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING

from kombu.exceptions import ChannelError
from kombu.utils.loggers import get_logger

if TYPE_CHECKING:
    from .talk import Talk

__all__ = ("EvictionWarning", "warn_of_eviction")

logger = get_logger(__name__)


class EvictionWarning(UserWarning):
    """The server throws messages away when its memory is used up."""


def warn_of_eviction(talk: Talk, deadline: float) -> None:
    """Warn, by `EvictionWarning` and in the log, where a server may evict keys without asking.

    A policy for keys that expire (``volatile-...``) touches none whose loss would matter.  A user
    that may not ask is left alone.
    """
    try:
        told = talk.command(deadline, "INFO", "memory").decode(errors="replace")
    except ChannelError:
        return
    found = dict(re.findall(r"^(maxmemory|maxmemory_policy):(\S+)", told, re.MULTILINE))
    policy = found.get("maxmemory_policy", "")
    if not policy.startswith("allkeys") or found.get("maxmemory", "0") == "0":
        return
    text = (
        f"Redis at {talk.where} evicts keys when its memory is used up (maxmemory-policy {policy}):"
        " messages and bindings get lost without an error. Set maxmemory-policy to noeviction"
    )
    logger.warning("%s", text)
    warnings.warn(text, EvictionWarning, stacklevel=2)
