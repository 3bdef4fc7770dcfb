"""Finds and ends the processes of servers, also when who started them can't any more.

This is also a program, which `kombu.testing.servers.owner` starts as ``watcher.py PID FOLDER``: it
waits for its parent to end, kills every process of the parent's servers, and removes the folder.
It has a session of its own, so that what kills a process group does not kill it too.  It needs
nothing but the standard library.

Two signs tell whose a process is.  One is a variable of its environment: daemons that leave the
session of their parent keep it.  The other is the session of the server's first process: servers
that show something in the list of processes (Redis does) write over their environment.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

__all__ = ("MARK", "Family", "find", "forget", "kill", "pause", "remember")

#: The variable of the environment that says whose child a process is, however deep below.
MARK = "KOMBU_TESTING_SERVER"

#: How often to look whether the parent is there (seconds).
_INTERVAL = 0.1
#: How long processes may take to go, or to freeze (seconds).
_PATIENCE = 10.0

_PROCESSES = Path("/proc")
#: Among what follows the name in /proc/PID/stat, counted from 0: the state, session and start.
_STATE, _SESSION, _START = 0, 3, 19


class Family(NamedTuple):
    """The processes of one server; without a number, those of all servers of an owner.

    Attributes:
        folder: The folder of the owner, which names it.
        number: Which of its servers.
    """

    folder: Path
    number: int | None = None

    @property
    def mark(self) -> str:
        """What stands in the environment of each, or how it begins."""
        # The end of the number is marked, too: the first is not to be taken for the eleventh.
        return f"{self.folder}#" if self.number is None else f"{self.folder}#{self.number}#"

    @property
    def records(self) -> list[Path]:
        """The files that say which sessions belong to it."""
        pattern = "session-*" if self.number is None else f"session-{self.number}"
        return list(self.folder.glob(pattern))


def remember(family: Family, leader: int) -> None:
    """Write down that `leader` is the first process of a server, and of a session."""
    stat = _stat(leader)
    start = stat[_START] if stat else ""
    (family.folder / f"session-{family.number}").write_text(f"{leader} {start}")


def forget(family: Family) -> None:
    """Take back what `remember` wrote."""
    for record in family.records:
        record.unlink(missing_ok=True)


def find(family: Family) -> set[int]:
    """The ids of all living processes of a family."""
    sessions = set()
    for record in family.records:
        leader, _, start = record.read_text().partition(" ")
        stat = _stat(int(leader))
        # The id of a session is given to nobody else while there is a process in it: another start
        # under that number means that the session is over.
        if stat is None or not start or stat[_START] == start:
            sessions.add(leader)
    if (_PROCESSES / "self" / "environ").exists():
        return _find_in_proc(f"{MARK}={family.mark}".encode(), sessions)
    return _find_by_ps(f"{MARK}={family.mark}", sessions)


def _find_in_proc(mark: bytes, sessions: set[str]) -> set[int]:
    found = set()
    for folder in _PROCESSES.iterdir():
        if not folder.name.isdigit():
            continue
        stat = _stat(int(folder.name))
        if stat is None or stat[_STATE] in "ZX":
            continue
        if stat[_SESSION] in sessions:
            found.add(int(folder.name))
            continue
        # Processes come and go, and others' can't be read.
        with contextlib.suppress(OSError):
            environ = (folder / "environ").read_bytes().split(b"\0")
            if any(each.startswith(mark) for each in environ):
                found.add(int(folder.name))
    return found


def _find_by_ps(mark: str, groups: set[str]) -> set[int]:
    # BSD and macOS: the environment stands behind the command, and groups stand for sessions.
    command = ["ps", "axeww", "-o", "pid=,pgid=,command="]
    shown = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    lines = [line.split(None, 2) for line in shown.splitlines()]
    return {int(pid) for pid, group, rest in lines if group in groups or mark in rest}


def _stat(pid: int) -> list[str] | None:
    """What the system tells of a process, behind its name; `None` where there is none."""
    try:
        text = (_PROCESSES / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    return text.rpartition(") ")[2].split()


def kill(family: Family) -> None:
    """Kill all processes of a family, and wait until they are gone.

    Raises:
        TimeoutError: Some do not go.
    """
    deadline = time.monotonic() + _PATIENCE
    # Again, because one may have started another in the meantime.
    while found := find(family):
        for pid in found:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            raise TimeoutError(f"processes {sorted(found)} were killed, and run on")
        time.sleep(0.005)
    forget(family)


def pause(family: Family) -> None:
    """Freeze all processes of a family, and wait until they are.

    Raises:
        TimeoutError: Some go on.
    """
    deadline = time.monotonic() + _PATIENCE
    for pid in find(family):
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGSTOP)
        # The signal takes effect a moment later, in which a server could still answer.
        while (stat := _stat(pid)) and stat[_STATE] not in "TtZX":
            if time.monotonic() > deadline:
                raise TimeoutError(f"process {pid} was sent SIGSTOP, and runs on")
            time.sleep(0.001)


def _watch(parent: int, folder: Path) -> None:
    while os.getppid() == parent:
        time.sleep(_INTERVAL)
    with contextlib.suppress(TimeoutError):
        kill(Family(folder))
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    _watch(int(sys.argv[1]), Path(sys.argv[2]))
