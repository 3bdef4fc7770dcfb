"""A sentinel for the tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kombu.testing.servers import Redis
from kombu.testing.servers.base import ask
from kombu.testing.servers.certificates import Certificates

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

#: After how long sentinels take a master for gone (seconds).
DOWN_AFTER = 1.0


class Sentinel(Redis):
    """A sentinel that watches one server; with a password, and by TLS, where that is given."""

    name = "Sentinel"

    def __init__(
        self, watched: Redis, *, secured: bool = False, down_after: float = DOWN_AFTER
    ) -> None:
        super().__init__()
        self._watched = watched
        self._secured = secured
        self._down_after = int(down_after * 1000)
        self.tls_port = self.reserve() if secured else None

    def prepare(self) -> None:
        watched = self._watched
        lines = [
            f"bind {self.host}",
            f"port {self.port}",
            f"dir {self.folder}",
            f"sentinel monitor mine {watched.host} {watched.port} 1",
            f"sentinel down-after-milliseconds mine {self._down_after}",
            "sentinel failover-timeout mine 3000",
        ]
        if self._secured:
            self.certificates = Certificates(self.folder / "certificates")
            pair = self.certificates.issue()
            lines += [
                f"tls-port {self.tls_port}",
                f"tls-cert-file {pair.certificate}",
                f"tls-key-file {pair.key}",
                f"tls-ca-cert-file {self.certificates.authority}",
                "tls-auth-clients no",
                "user default off",
                "user watcher on >w0rd ~* &* +@all",
                "sentinel auth-user mine alice",
                "sentinel auth-pass mine secret",
            ]
        (self.folder / "server.conf").write_text("\n".join(lines) + "\n")

    def command(self, program: Path) -> Sequence[str]:
        return [str(program), str(self.folder / "server.conf"), "--sentinel"]

    def answers(self) -> bool:
        return ask((self.host, self.port), b"PING\r\n").startswith((b"+PONG", b"-NOAUTH"))

    @property
    def url(self) -> str:
        return f"sentinel://{self.host}:{self.port}"
