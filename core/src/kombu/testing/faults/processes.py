"""Clients in processes of their own, which can be killed and frozen."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from random import Random
    from types import TracebackType

    from typing_extensions import Self

__all__ = ("Child", "forked", "kill_this_process")

_PATIENCE = 30.0


def kill_this_process() -> None:
    """End this process at once by SIGKILL: nothing is closed, flushed or given back."""
    os.kill(os.getpid(), signal.SIGKILL)


class Child:
    """A Python program in a process of its own, as a client that others can kill.

    It ends with the block that it is used in.  Signals reach only it, not what it starts.

    Args:
        module: The module to run, as ``python -m`` does.
        arguments: What it finds in ``sys.argv``.
        environ: Variables of its environment, beside those of this process.
        folder: Its working folder, in which modules are found, too.
    """

    def __init__(
        self,
        module: str,
        *arguments: str,
        environ: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 (until close)
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            env={**os.environ, **(environ or {})},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )
        self.pid = self._process.pid

    @property
    def running(self) -> bool:
        """Whether it runs; one that is paused does."""
        return self._process.poll() is None

    @property
    def output(self) -> str:
        """What it printed so far."""
        # By `pread`: the child shares the position in the file, and goes on writing there.
        file = self._output.fileno()
        return os.pread(file, os.fstat(file).st_size, 0).decode(errors="replace")

    def wait(self, within: float = _PATIENCE) -> int:
        """Wait until it has ended, and return its exit code; a signal's is negative.

        Raises:
            TimeoutError: It has not ended in time (seconds).
        """
        try:
            return self._process.wait(within)
        except subprocess.TimeoutExpired:
            raise TimeoutError(
                f"process {self.pid} was to end within {within} s, and runs on. It printed:\n"
                f"{self.output}"
            ) from None

    def kill9(self) -> None:
        """Kill it by SIGKILL."""
        self._process.kill()
        self._process.wait()

    def kill9_at_random(self, random: Random, longest: float) -> float:
        """Kill it after up to `longest` seconds; return after how many."""
        after = random.uniform(0, longest)
        time.sleep(after)
        self.kill9()
        return after

    def pause(self) -> None:
        """Freeze it by SIGSTOP."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `pause`."""
        self._process.send_signal(signal.SIGCONT)

    def freeze(self, seconds: float) -> None:
        """Freeze it for so long: beyond its lease, it is the owner of nothing when it goes on."""
        self.pause()
        time.sleep(seconds)
        self.resume()

    def close(self) -> None:
        """Kill it if it runs.  May be called again."""
        self._process.kill()
        self._process.wait()
        self._output.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def forked(function: Callable[[], Any], within: float = _PATIENCE) -> Any:
    """Call a function in a child of a fork, and return what it returned (by pickle).

    The child ends without the cleaning up of this process: it runs no ``atexit`` and no test.

    Raises:
        RuntimeError: It raised something, or its process died; the message tells.
        TimeoutError: It did not end in time (seconds), and was killed.
    """
    with tempfile.NamedTemporaryFile() as file:
        pid = os.fork()
        if pid == 0:
            _answer(function, Path(file.name))
        deadline = time.monotonic() + within
        while True:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                break
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                raise TimeoutError(f"{function!r} was to end in a child within {within} s")
            time.sleep(0.005)
        answer = file.read()
    if not answer:
        code = os.waitstatus_to_exitcode(status)
        raise RuntimeError(f"the child that called {function!r} died with exit code {code}")
    result, trace = pickle.loads(answer)  # noqa: S301 (written by our child)
    if trace:
        raise RuntimeError(f"{function!r} failed in a child of a fork:\n{trace}")
    return result


def _answer(function: Callable[[], Any], path: Path) -> None:
    """In the child: write what comes of it, and end."""
    try:
        answer = pickle.dumps((function(), ""))
    except BaseException:
        answer = pickle.dumps((None, traceback.format_exc()))
    try:
        path.write_bytes(answer)
    finally:
        os._exit(0)
