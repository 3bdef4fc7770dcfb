"""A server that belongs to the tests: what all have in common."""

from __future__ import annotations

import shutil
import socket
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit, urlunsplit

from kombu.testing.ports import HOST, Port

from .owner import this_process
from .process import Processes, StartFailed
from .programs import find_program

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self

__all__ = ("Server", "ServerError", "ServerMissing", "ask")


class ServerError(Exception):
    """A server does not start; the message has the end of what it wrote."""


class ServerMissing(ServerError):
    """A server is not installed; the message says how to get it."""


class Server(ABC):
    """A server on a free loopback port, with a folder of its own for its data.

    To add a server, derive a class, set ``name``, ``program`` and ``source``, and write `command`,
    `answers` and `url`; `prepare` and `environ` where it needs files or variables, and `version`
    where the program can tell.  Further ports come from `reserve`.

    Making one starts nothing.  It may be used as a context manager, which starts and closes it.
    The methods may be called by any thread, by one at a time, and only by the process that made it.

    Args:
        folder: Where the data is kept; it stays at the end.  By default it is a temporary one.
    """

    #: What people call it.
    name: ClassVar[str]
    #: The program that is started; `find` looks for it.
    program: ClassVar[str]
    #: How to get it, as the end of a sentence.
    source: ClassVar[str]
    #: How long it may take to start (seconds), on a machine that is busy.
    boot: ClassVar[float] = 30.0

    host = HOST

    def __init__(self, folder: Path | None = None) -> None:
        owner = this_process()
        self._ports: list[Port] = []
        #: The port that clients connect to; it stays the same over all starts.
        self.port = self.reserve()
        self._temporary = folder is None
        #: Where the data is.
        self.folder = folder or owner.folder / f"{self.program}-{self.port}"
        #: Where sockets are: their paths must be short.
        self.sockets = owner.folder
        self._prepared = False
        self._processes = Processes(owner.family(), self.folder / "output.log")

    # What a server is: for those who add one.

    @classmethod
    def find(cls) -> Path | None:
        """The path of the program, `None` where it is not installed."""
        return find_program(cls.program)

    @classmethod
    def version(cls, program: Path) -> str:  # noqa: ARG003
        """The version of the program, empty where it does not tell."""
        return ""

    @abstractmethod
    def command(self, program: Path) -> Sequence[str]:
        """The command that runs it in the foreground, until it gets SIGTERM."""

    @abstractmethod
    def answers(self) -> bool:
        """Ask it, waiting a second at most, whether it can be used.

        `OSError` counts as no.
        """

    @property
    @abstractmethod
    def url(self) -> str:
        """What to give to `kombu.Connection`."""

    def prepare(self) -> None:  # noqa: B027 (most need nothing)
        """Write the files that it needs into `folder`; called once, before the first start."""

    def environ(self) -> Mapping[str, str]:
        """Variables of its environment, beside those of this process."""
        return {}

    def reserve(self) -> int:
        """A further port, which is kept until `close`."""
        port = Port()
        self._ports.append(port)
        return port.number

    @property
    def entrances(self) -> Sequence[tuple[str, int]]:
        """The addresses that clients connect to."""
        return [(self.host, self.port)]

    def behind(
        self, proxies: Mapping[tuple[str, int], tuple[str, int]]
    ) -> tuple[str, dict[str, Any]]:
        """The URL for clients that are to use proxies, and the ``transport_options`` for it.

        Args:
            proxies: The address of a proxy for each of the `entrances`.
        """
        parts = urlsplit(self.url)
        login, at, _ = parts.netloc.rpartition("@")
        host, port = proxies[self.host, self.port]
        return urlunsplit(parts._replace(netloc=f"{login}{at}{host}:{port}")), {}

    # What can be done with one.

    @classmethod
    def missing(cls) -> str:
        """The sentence that says that it is not installed, and how to get it."""
        return f"{cls.name} is not installed ({cls.program} was not found): {cls.source}"

    @property
    def running(self) -> bool:
        """Whether its process runs; one that is paused does."""
        return self._processes.running

    @property
    def ready(self) -> bool:
        """Whether it answers, told within a second; one that is paused does not."""
        try:
            return self.answers()
        except OSError:
            return False

    @property
    def output(self) -> str:
        """What it wrote to its standard output and error."""
        return self._processes.written()

    def start(self) -> None:
        """Start it, with the data that is there, and wait until it answers.

        Does nothing where it runs.

        Raises:
            ServerMissing: It is not installed.
            ServerError: It does not start; nothing of it runs.
        """
        if self.running:
            return
        program = self.find()
        if program is None:
            raise ServerMissing(self.missing())
        if not self._prepared:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.prepare()
            self._prepared = True
        try:
            self._processes.start(
                self.command(program), self.folder, self.environ(), lambda: self.ready, self.boot
            )
        except StartFailed as error:
            raise ServerError(f"{self.name} does not start. {error}") from error

    def stop(self) -> None:
        """End it in order, as an operator would.  Its data and its port stay."""
        self._processes.stop()

    def kill9(self) -> None:
        """Kill it by SIGKILL, with all processes that it started.  Its data and its port stay."""
        self._processes.kill()

    def restart(self) -> None:
        """End it in order, if it runs, and start it: with the same port and data."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Freeze it by SIGSTOP: connections stay open, and nothing answers."""
        self._processes.pause()

    def resume(self) -> None:
        """Let it go on after `pause`."""
        self._processes.resume()

    def close(self) -> None:
        """Kill it, and remove its data where it is temporary.  May be called again."""
        self._processes.kill()
        for port in self._ports:
            port.close()
        if self._temporary:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "running" if self.running else "not running"
        return f"<{type(self).__name__} on {self.host}:{self.port}, {state}>"


def ask(address: tuple[str, int] | str, question: bytes, within: float = 1.0) -> bytes:
    """Connect, send a question, and return the first bytes that come.

    Args:
        address: Host and port, or the path of a socket.
        question: What to send.
        within: Seconds to wait.

    Raises:
        OSError: Nobody is there, or nothing comes in time.
    """
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as line:
        line.settimeout(within)
        line.connect(address)
        line.sendall(question)
        return line.recv(4096)
