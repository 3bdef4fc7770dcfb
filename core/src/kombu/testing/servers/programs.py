"""Where the programs of servers are."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

__all__ = ("FOLDERS", "find_program")

#: The variable of the environment that names folders to look in first, separated as PATH is.
FOLDERS = "KOMBU_TESTING_PATH"

#: What Debian leaves out of the PATH of those who are not root.
_SYSTEM = ("/usr/sbin", "/usr/local/sbin", "/usr/bin", "/usr/local/bin")


def find_program(name: str) -> Path | None:
    """Find a program: in the folders of ``KOMBU_TESTING_PATH``, beside the interpreter, on PATH.

    Returns:
        Its path, or `None` where it is not installed.
    """
    beside = str(Path(sys.executable).parent)
    path = os.environ.get("PATH", os.defpath).split(os.pathsep)
    for folder in (*os.environ.get(FOLDERS, "").split(os.pathsep), beside, *path, *_SYSTEM):
        found = shutil.which(name, path=folder) if folder else None
        if found and _runs(found):
            return Path(found)
    return None


@cache
def _runs(program: str) -> bool:
    """Whether a program is one, or a version manager's stand-in for what is not installed."""
    if Path(program).parent.name != "shims":
        return True
    shown = subprocess.run([program, "--help"], capture_output=True, check=False, timeout=30)
    return shown.returncode == 0
