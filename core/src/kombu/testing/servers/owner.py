"""What all servers of this process have in common: a folder, and somebody who ends them."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from . import watcher

__all__ = ("Owner", "this_process")


class Owner:
    """A process as the owner of servers.

    Whatever ends it, its servers are killed and its folder is removed: by itself where it ends in
    order, by a watcher where it is killed.
    """

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._count = 0
        self._lock = threading.Lock()
        #: Where servers keep their data and sockets.  The path is short, as sockets want it, and it
        #: is what tells the processes of these servers from others'.
        self.folder = Path(tempfile.mkdtemp(prefix="kombu-"))
        program = [sys.executable, "-I", "-S", watcher.__file__]
        self._watcher = subprocess.Popen(
            [*program, str(self.pid), str(self.folder)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )
        atexit.register(self._end)

    def family(self) -> watcher.Family:
        """What the processes of a new server are told by."""
        with self._lock:
            self._count += 1
            return watcher.Family(self.folder, self._count)

    def disown(self) -> None:
        """Forget, in a child of a fork, whose child the watcher is."""
        self._watcher.returncode = 0

    def _end(self) -> None:
        # A child of a fork leaves its parent's servers alone.
        if os.getpid() != self.pid:
            return
        watcher.kill(watcher.Family(self.folder))
        shutil.rmtree(self.folder, ignore_errors=True)
        self._watcher.kill()
        self._watcher.wait()


def _forked() -> None:
    """The watcher is the parent's child: don't warn that nobody waits for it."""
    if _owner is not None:
        _owner.disown()


_lock = threading.Lock()
_owner: Owner | None = None


def this_process() -> Owner:
    """The owner that stands for this process; a child of a fork is another one."""
    global _owner
    with _lock:
        if _owner is None or _owner.pid != os.getpid():
            _owner = Owner()
        return _owner


os.register_at_fork(after_in_child=_forked)
