"""Finds out what a broker can do by trying, on a connection that may be lost over it."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

from amqp import spec  # type: ignore[import-untyped]

from kombu.exceptions import KombuError
from kombu.utils.loggers import get_logger

from ..errors import NotImplementedByBroker

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("forget_probes", "takes_global_limits")

logger = get_logger(__name__)

#: What is known of brokers, by their host and virtual host.
_known: dict[tuple[str, str], bool] = {}
_lock = threading.Lock()


def takes_global_limits(where: tuple[str, str], connect: Callable[[], Any]) -> bool:
    """Whether a broker knows ``basic.qos`` with ``global``.

    RabbitMQ 4 answers with 540 and closes the connection, so it is tried on one that nobody needs,
    once for each broker and process.  Where that connection can't be made it counts as known.

    Args:
        where: Host and virtual host.
        connect: Makes the connection to try it on; it is not connected yet.
    """
    with _lock:
        if where in _known:
            return _known[where]
    can = True
    try:
        connection = connect()
        connection.connect()
        try:
            channel = connection.channel()
            channel.send_method(spec.Basic.Qos, "lBb", (0, 1, True), wait=spec.Basic.QosOk)
        finally:
            with contextlib.suppress(OSError, KombuError):
                connection.close()
    except NotImplementedByBroker as exc:
        can = False
        logger.info(
            "%s has no prefetch limit of a channel (%s): each consumer gets it", where[0], exc
        )
    except (OSError, KombuError):
        # Not known: whoever uses the limit hears it then.
        return True
    with _lock:
        _known[where] = can
    return can


def forget_probes() -> None:
    """Ask again: a broker may have been replaced."""
    with _lock:
        _known.clear()
