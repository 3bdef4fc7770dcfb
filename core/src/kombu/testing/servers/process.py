"""The processes of one server, on mirakuru."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import TYPE_CHECKING

from mirakuru import Executor
from mirakuru.exceptions import ExecutorError, ProcessFinishedWithError

from . import watcher

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from typing import IO

    from typing_extensions import Self

__all__ = ("Processes", "StartFailed")

#: How much of what a server wrote is shown where it does not start (characters).
_SHOWN = 2000
#: How long a server may take to end when it is asked to (seconds); then it is killed.
_ENDING = 20.0


class StartFailed(Exception):
    """The server ended, or was not ready in time."""


class _Started(Executor):
    """One start of a server's main process."""

    def __init__(
        self,
        family: watcher.Family,
        command: Sequence[str],
        folder: Path,
        environ: Mapping[str, str],
        answers: Callable[[], bool],
        within: float,
        log: IO[bytes],
    ) -> None:
        super().__init__(
            list(command),
            cwd=str(folder),
            timeout=within,
            sleep=0.02,
            envvars=dict(environ),
            stdin=None,
            # A pipe that nobody reads would stop the server when it is full.
            stdout=log,
            stderr=log,
        )
        self._answers = answers
        self._family = family
        self._parent = os.getpid()

    def pre_start_check(self) -> bool:
        """The port is reserved: nobody else's server can be there."""
        return False

    def wait_for(self, wait_for: Callable[[], bool]) -> Self:
        """Called when the process was started, and before anything can go wrong with it."""
        if self.process is not None:
            watcher.remember(self._family, self.process.pid)
        super().wait_for(wait_for)
        return self

    def after_start_check(self) -> bool:
        """Whether the server can be used."""
        return self._answers()

    def wait_until_ended(self, within: float) -> None:
        """Ask the process to end and wait; mirakuru kills it when the time is over."""
        self._timeout = within
        # Any exit code will do: what counts is that it is gone.
        with contextlib.suppress(ProcessFinishedWithError):
            self.stop()

    def __del__(self) -> None:
        # mirakuru kills here what has its mark: a child of a fork that ends, and so clears its
        # memory, would kill the server of its parent.
        if self.process is not None and os.getpid() != self._parent:
            self.process.returncode = 0
            self.process = None
        super().__del__()


class Processes:
    """All processes of one server: the one that is started, and what it starts itself.

    Daemons that they become count, too.

    Args:
        family: What they are told by.
        log: The file that takes what they write.
    """

    def __init__(self, family: watcher.Family, log: Path) -> None:
        self._family = family
        self._log = log
        self._started: _Started | None = None

    @property
    def running(self) -> bool:
        """Whether the main process runs; one that is paused does."""
        return self._started is not None and self._started.running()

    def start(
        self,
        command: Sequence[str],
        folder: Path,
        environ: Mapping[str, str],
        answers: Callable[[], bool],
        within: float,
    ) -> None:
        """Start, and wait until the server answers.

        Raises:
            StartFailed: It does not; nothing of it runs any more.
        """
        began = time.monotonic()
        environ = {**environ, watcher.MARK: self._family.mark}
        with self._log.open("ab") as log:
            started = _Started(
                self._family,
                command,
                folder,
                {**environ, watcher.MARK: self._family.mark},
                answers,
                within,
                log,
            )
            try:
                started.start()
            except (ExecutorError, OSError) as error:
                watcher.kill(self._family)
                raise StartFailed(
                    f"{command[0]} was not ready after {time.monotonic() - began:.1f} s: {error}\n"
                    f"It wrote:\n{self.written()[-_SHOWN:]}"
                ) from error
            except BaseException:
                watcher.kill(self._family)
                raise
        self._started = started

    def stop(self) -> None:
        """Ask the main process to end, wait for it, and kill what is left."""
        started, self._started = self._started, None
        if started is not None:
            self.resume()
            started.wait_until_ended(_ENDING)
        watcher.kill(self._family)

    def kill(self) -> None:
        """Kill all, and wait until they are gone."""
        started, self._started = self._started, None
        if started is not None:
            started.kill()
        watcher.kill(self._family)

    def pause(self) -> None:
        """Freeze all; they are frozen when this returns."""
        watcher.pause(self._family)

    def resume(self) -> None:
        """Let all go on."""
        for pid in watcher.find(self._family):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def written(self) -> str:
        """What they wrote, since the first start."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""
