"""HTTP for callbacks of an event loop.  Sending needs urllib3: ``pip install "kombu[http]>=6"``."""

from __future__ import annotations

from typing import Any

from kombu.asynchronous.hub import get_event_loop
from kombu.plugins.errors import INSTALL_COMMAND

from .base import BaseClient, Headers, Request, Response

__all__ = ("BaseClient", "Client", "Headers", "Request", "Response", "get_client")


def Client(hub: Any = None, **kwargs: Any) -> BaseClient:  # noqa: N802  documented name
    """A new client.

    Args:
        hub: The event loop, the current one by default.
        **kwargs: ``max_clients``, how many requests are sent at a time.

    Raises:
        ImportError: urllib3 is not installed.
        ValueError: There is no event loop.
    """
    hub = hub or get_event_loop()
    if hub is None:
        raise ValueError(
            "An HTTP client needs an event loop: pass a Hub, or call kombu.asynchronous."
            "set_event_loop first"
        )
    try:
        # Only those who send need urllib3.
        from .urllib3_client import Urllib3Client
    except ImportError as exc:
        raise ImportError(
            "HTTP requests are sent by urllib3, which is missing: "
            + INSTALL_COMMAND.format(extra="http")
        ) from exc
    return Urllib3Client(hub, **kwargs)


def get_client(hub: Any = None, **kwargs: Any) -> BaseClient:
    """The client of an event loop, made at the first call; see `Client`."""
    hub = hub or get_event_loop()
    known: BaseClient | None = getattr(hub, "_current_http_client", None)
    if known is None:
        known = Client(hub, **kwargs)
        hub._current_http_client = known  # noqa: SLF001  the loop's, so that it ends with it
    return known
