"""A private beanstalkd."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from .base import Server, ask

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ("Beanstalkd",)


class Beanstalkd(Server):
    """beanstalkd, which keeps its jobs over a restart, each written to the disk at once.

    Args:
        max_job: The largest job that it takes (bytes).
        folder: Where the data is kept.
    """

    name = "beanstalkd"
    program = "beanstalkd"
    source = "install it by `apt-get install beanstalkd` (it need not be started)"

    def __init__(self, *, max_job: int = 65535, folder: Path | None = None) -> None:
        super().__init__(folder)
        self._max_job = max_job

    def command(self, program: Path) -> Sequence[str]:
        """The command that runs it."""
        address = ("-l", self.host, "-p", str(self.port))
        return [str(program), *address, "-b", str(self.folder), "-f0", "-z", str(self._max_job)]

    def answers(self) -> bool:
        """Whether it gives its statistics."""
        return ask((self.host, self.port), b"stats\r\n").startswith(b"OK")

    @property
    def url(self) -> str:
        """Its URL."""
        return f"beanstalkd://{self.host}:{self.port}"

    @classmethod
    def version(cls, program: Path) -> str:
        """Its version."""
        shown = subprocess.run([program, "-v"], capture_output=True, text=True, check=False)
        return shown.stdout.split()[-1]
