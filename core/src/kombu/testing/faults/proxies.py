"""Proxies before all the ports of a server."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from .proxy import Proxy

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from kombu.testing.servers import Server

__all__ = ("Proxies",)


class Proxies:
    """A `Proxy` before each address that clients of a server connect to; faults strike them all.

    Used as a context manager.

    Args:
        server: A running server.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._stack = ExitStack()
        self._proxies: list[Proxy] = []
        #: Where clients connect to, and the ``transport_options`` that they need for it.
        self.url = ""
        self.options: dict[str, Any] = {}

    def __enter__(self) -> Self:
        entrances = self._server.entrances
        with self._stack:
            self._proxies = [self._stack.enter_context(Proxy(*at)) for at in entrances]
            at = [(proxy.host, proxy.port) for proxy in self._proxies]
            self.url, self.options = self._server.behind(dict(zip(entrances, at, strict=True)))
            self._stack = self._stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def reset(self) -> None:
        """See `Proxy.reset`."""
        for proxy in self._proxies:
            proxy.reset()

    def finish(self) -> None:
        """See `Proxy.finish`."""
        for proxy in self._proxies:
            proxy.finish()

    @property
    def accepted(self) -> int:
        """How many connections were accepted so far."""
        return sum(proxy.accepted for proxy in self._proxies)

    def blackhole(self) -> None:
        """See `Proxy.blackhole`, both ways."""
        for proxy in self._proxies:
            proxy.blackhole()

    def cut_after(self, count: int, *, down: bool = False) -> None:
        """See `Proxy.cut_after`; each counts for itself."""
        for proxy in self._proxies:
            proxy.cut_after(count, down=down)

    def refuse(self) -> None:
        """See `Proxy.refuse`."""
        for proxy in self._proxies:
            proxy.refuse()
