"""A TCP proxy that does what networks do."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import threading
import weakref
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

from kombu.testing.ports import HOST, Port

from .conditions import Conditions, Cut
from .link import Link, reset

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from types import TracebackType

    from typing_extensions import Self

    from .conditions import Ending

__all__ = ("Proxy", "sweep")

T = TypeVar("T")

#: How long a change may take to be in force (seconds).
_PATIENCE = 10.0


class _Accepting(asyncio.StreamReaderProtocol):
    """As `asyncio.start_server` has it; notes transports before anything else can be done."""

    def __init__(
        self,
        transports: weakref.WeakSet[asyncio.WriteTransport],
        accept: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        super().__init__(asyncio.StreamReader(loop=loop), accept, loop=loop)
        self._transports = transports

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note it."""
        if isinstance(transport, asyncio.WriteTransport):
            self._transports.add(transport)
        super().connection_made(transport)


class Proxy:
    """Stands between clients and a server, on a loopback port of its own.

    Faults are switched on by methods, which return when they are in force, and stay until `heal`;
    several can be on at once.  *Up* is the way to the server, *down* the way to the client.  The
    methods may be called by any thread.  It runs in a thread of its own, from `start` to `close`,
    or as a context manager.

    Args:
        host: The server's host.
        port: The server's port.
        seed: Where jitter comes from.
    """

    def __init__(self, host: str, port: int, *, seed: int = 0) -> None:
        self._server = (host, port)
        self._chance = random.Random(seed)  # noqa: S311 (no secret)
        self._port = Port()
        self.host = HOST
        #: The port to connect to.
        self.port = self._port.number
        #: How many connections were accepted so far.
        self.accepted = 0
        self._silent = False
        self._links: set[Link] = set()
        self._held: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        # A transport that was closed stays until what it holds is sent, which may be never.
        self._transports: weakref.WeakSet[asyncio.WriteTransport] = weakref.WeakSet()
        self._listener: socket.socket | None = None
        #: Who is being let in just now.
        self._entering: set[asyncio.Task[Any]] = set()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="kombu fault proxy", daemon=True)
        self._thread.start()
        self._do(self._begin)

    def close(self) -> None:
        """End all connections and stop.  May be called again."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._do(self._finish, thread)
        self._loop.call_soon_threadsafe(self._loop.stop)
        thread.join(_PATIENCE)
        self._loop.close()
        self._port.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def through(self, url: str) -> str:
        """The same URL, with the address of the proxy."""
        parts = urlsplit(url)
        login, at, _ = parts.netloc.rpartition("@")
        return urlunsplit(parts._replace(netloc=f"{login}{at}{self.host}:{self.port}"))

    # What there is to see.

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._links) + len(self._held)

    @property
    def passed_up(self) -> int:
        """Bytes that have passed to the server."""
        return self._up.passed

    @property
    def passed_down(self) -> int:
        """Bytes that have passed to clients."""
        return self._down.passed

    # What can go wrong.

    def heal(self) -> None:
        """Let everything pass again; what was held back by a blackhole goes on.

        Connections that were accepted in silence, or cut into silence, stay as they are.
        """

        async def heal() -> None:
            self._up.clear()
            self._down.clear()
            self._silent = False
            await self._listen()

        self._do(heal)

    def refuse(self) -> None:
        """Refuse new connections, as a host where nobody listens does; open ones stay."""
        self._do(self._unlisten)

    def accept_in_silence(self) -> None:
        """Accept new connections, read what comes, and never say anything; open ones stay."""

        async def be_silent() -> None:
            self._silent = True

        self._do(be_silent)

    def reset(self) -> None:
        """End all open connections by RST, on both sides."""
        self._do(lambda: self._end_all("reset"))

    def finish(self) -> None:
        """End all open connections by FIN, on both sides."""
        self._do(lambda: self._end_all("finish"))

    def blackhole(self, *, up: bool = True, down: bool = True) -> None:
        """Let nothing pass, and nobody know: as a cable that is pulled.

        New connections are accepted, and nothing passes on them either.  What is sent waits for
        `heal`, as TCP would send it again.
        """

        async def close() -> None:
            for way in self._ways(up, down):
                way.passing.clear()

        self._do(close)

    def slow(
        self, latency: float, jitter: float = 0.0, *, up: bool = True, down: bool = True
    ) -> None:
        """Have everything be on its way for so long; the order stays.

        Args:
            latency: Seconds, each way.
            jitter: Up to so many more, by chance.
            up: Whether this is about the way up.
            down: Whether this is about the way down.
        """

        async def slow() -> None:
            for way in self._ways(up, down):
                way.latency, way.jitter = latency, jitter

        self._do(slow)

    def trickle(self, rate: float, *, up: bool = True, down: bool = True) -> None:
        """Let so many bytes a second pass on each connection."""

        async def trickle() -> None:
            for way in self._ways(up, down):
                way.rate = rate

        self._do(trickle)

    def cut_after(
        self,
        count: int,
        *,
        down: bool = False,
        how: Ending = "reset",
        times: int | None = 1,
    ) -> None:
        """End a connection in the middle: the one on which the byte number `count` passes.

        Args:
            count: So many bytes still pass, counted over all connections from now on; at least 1.
            down: Whether bytes on the way down are counted, not those on the way up.
            how: ``"reset"``, ``"finish"`` or ``"silence"``, in which nothing passes any more.
            times: How often, counted anew each time; `None` for until `heal`.
        """
        if count < 1:
            raise ValueError(f"cut_after: wanted 1 byte or more, found {count}")

        async def cut() -> None:
            (way,) = self._ways(not down, down)
            way.cut = Cut(count, how, times, count)

        self._do(cut)

    # In the thread of the proxy.

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _do(self, action: Callable[[], Awaitable[T]], thread: threading.Thread | None = None) -> T:
        """Have the thread do it, and wait."""
        if (thread or self._thread) is None:
            raise RuntimeError(f"the proxy for {self._server} is not started")

        async def act() -> T:
            return await action()

        return asyncio.run_coroutine_threadsafe(act(), self._loop).result(_PATIENCE)

    def _ways(self, up: bool, down: bool) -> list[Conditions]:
        return [way for way, wanted in ((self._up, up), (self._down, down)) if wanted]

    async def _begin(self) -> None:
        self._up, self._down = Conditions(), Conditions()
        self._up.clear()
        self._down.clear()
        await self._listen()

    async def _finish(self) -> None:
        await self._unlisten()
        await asyncio.gather(*self._entering, return_exceptions=True)
        # Who was let in just before gets a task within the next turns of the loop.
        await _turns()
        for task in self._tasks:
            task.cancel()
        await self._end_all("reset")
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for transport in list(self._transports):
            if transport.get_extra_info("socket").fileno() >= 0:
                transport.abort()
        # Transports close a turn of the loop later.
        await _turns()

    async def _listen(self) -> None:
        if self._listener is None:
            self._listener = socket.create_server((self.host, self.port), backlog=100)
            self._listener.setblocking(False)
            self._loop.add_reader(self._listener, self._let_in, self._listener)

    def _let_in(self, listener: socket.socket) -> None:
        """Accept a connection.

        Not by `asyncio.start_server`: one that is closed with a connection about to come in leaves
        that one's socket open.
        """
        try:
            connection, _ = listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        connection.setblocking(False)
        entering = self._loop.connect_accepted_socket(self._protocol, connection)
        task = self._loop.create_task(entering)
        self._entering.add(task)
        task.add_done_callback(self._entering.discard)

    def _protocol(self) -> asyncio.StreamReaderProtocol:
        return _Accepting(self._transports, self._accept, self._loop)

    async def _unlisten(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            self._loop.remove_reader(listener)
            listener.close()

    async def _end_all(self, how: Ending) -> None:
        for link in list(self._links):
            link.end(how)
        for writer in self._held:
            reset(writer) if how == "reset" else writer.close()
        # Closing is done by the loop's next turns.
        await asyncio.sleep(0.001)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self.accepted += 1
        with contextlib.suppress(asyncio.CancelledError):
            if self._silent:
                await self._hold(reader, writer)
            else:
                await self._connect(reader, writer)

    async def _hold(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._held.add(writer)
        try:
            while await reader.read(65536):
                pass
        except OSError:
            pass
        finally:
            self._held.discard(writer)
            writer.close()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server = await asyncio.open_connection(*self._server)
        except OSError:
            # The nearest to what the client would see without the proxy.
            reset(writer)
            return
        except asyncio.CancelledError:
            # The proxy is being closed.
            reset(writer)
            raise
        self._transports.add(server[1].transport)
        link = Link((reader, writer), server, (self._up, self._down), self._chance)
        self._links.add(link)
        try:
            await link.run()
        finally:
            self._links.discard(link)


async def _turns() -> None:
    """Let the loop do what it has begun; in turns, because time tells nothing under load."""
    for _ in range(20):
        await asyncio.sleep(0)


def sweep(total: int, *, points: int = 50, seed: int = 0) -> Iterator[int]:
    """Numbers of bytes to cut after: the first and the last ones, and some by chance between.

    Args:
        total: How many bytes pass when nothing goes wrong (`Proxy.passed_up`).
        points: At most so many numbers; all, where there are no more.
        seed: Where chance comes from.
    """
    every = range(1, total + 1)
    if total <= points:
        yield from every
        return
    edge = points // 4
    inside = random.Random(seed).sample(every[edge:-edge], points - 2 * edge)  # noqa: S311
    yield from every[:edge]
    yield from sorted(inside)
    yield from every[-edge:]
