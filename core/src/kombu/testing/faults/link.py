"""One connection through the proxy: two streams, each way pumped by itself."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from .conditions import Conditions, Ending

__all__ = ("Link", "reset")

#: Read at most so much at once (bytes), and keep so many pieces that are on their way.
_PIECE = 65536
_PIECES = 256
#: How often a slow line passes something (seconds).
_TICK = 0.01

#: SO_LINGER on, with no time: closing sends RST.
_AT_ONCE = struct.pack("ii", 1, 0)

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def reset(writer: asyncio.StreamWriter) -> None:
    """Close a connection by RST, whatever is still to be sent."""
    found = writer.get_extra_info("socket")
    if found is not None and found.fileno() >= 0:
        with contextlib.suppress(OSError):
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    writer.transport.abort()


class Link:
    """A client and the server that it is connected to.

    Args:
        client: The streams of the client.
        server: The streams of the server.
        ways: The conditions up, to the server, and down.
        chance: Where jitter comes from.
    """

    def __init__(
        self, client: Ends, server: Ends, ways: Sequence[Conditions], chance: random.Random
    ) -> None:
        self._writers = (client[1], server[1])
        self._pairs = ((client[0], server[1], ways[0]), (server[0], client[1], ways[1]))
        self._chance = chance
        self._silent = False
        self._ended = False
        self._pumps: asyncio.Future[list[None]] | None = None

    async def run(self) -> None:
        """Pass bytes until both sides have ended, or `end` is called."""
        self._pumps = asyncio.gather(*(self._pump(*pair) for pair in self._pairs))
        try:
            await self._pumps
            self.end("finish")
        except OSError:
            # One side was reset: so is the other.
            self.end("reset")
        except asyncio.CancelledError:
            if not self._ended:
                self.end("reset")
                raise

    def end(self, how: Ending) -> None:
        """End both sides; may be called again."""
        if how == "silence":
            self._silent = True
            return
        self._ended = True
        for writer in self._writers:
            if how == "reset":
                reset(writer)
            else:
                # Both halves: who writes on after a FIN alone would not learn of it.  First the
                # FIN, because closing alone sends RST where something was not read yet.
                with contextlib.suppress(OSError):
                    writer.write_eof()
                writer.close()
        if self._pumps is not None:
            self._pumps.cancel()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Conditions
    ) -> None:
        loop = asyncio.get_running_loop()
        travelling: deque[tuple[float, bytes]] = deque()
        arrived, room = asyncio.Event(), asyncio.Semaphore(_PIECES)

        async def receive() -> None:
            last = 0.0
            while True:
                await way.passing.wait()
                data = await reader.read(_PIECE)
                # None overtakes another, whatever the jitter.
                last = max(last, loop.time() + way.delay(self._chance))
                await room.acquire()
                travelling.append((last, data))
                arrived.set()
                if not data:
                    return

        receiving = asyncio.ensure_future(receive())
        receiving.add_done_callback(lambda _: arrived.set())
        try:
            while True:
                while not travelling:
                    if receiving.done():
                        receiving.result()
                    arrived.clear()
                    await arrived.wait()
                due, data = travelling.popleft()
                room.release()
                await asyncio.sleep(due - loop.time())
                if not await self._hand_over(data, writer, way):
                    return
        finally:
            receiving.cancel()

    async def _hand_over(self, data: bytes, writer: asyncio.StreamWriter, way: Conditions) -> bool:
        """Pass `data` on, empty for the end; return whether there is more to come."""
        await self._open(way)
        if not data:
            with contextlib.suppress(OSError):
                writer.write_eof()
            return False
        while data:
            size = len(data) if way.rate is None else max(1, int(way.rate * _TICK))
            piece, ending = way.take(data[:size])
            data = data[size:]
            writer.write(piece)
            if ending is not None:
                # What passed before the cut arrives, unless RST overtakes it.
                with contextlib.suppress(OSError):
                    await writer.drain()
                self.end(ending)
                await self._open(way)
                return False
            await writer.drain()
            if way.rate is not None:
                await asyncio.sleep(len(piece) / way.rate)
                await self._open(way)
        return True

    async def _open(self, way: Conditions) -> None:
        await way.passing.wait()
        if self._silent:
            # Until the link is ended.
            await asyncio.get_running_loop().create_future()
