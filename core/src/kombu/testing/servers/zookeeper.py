"""A private ZooKeeper."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .base import Server, ask
from .certificates import Certificates, in_query
from .programs import find_program

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .certificates import KeyPair

__all__ = ("ZooKeeper",)

#: Where Debian's package has it.
_JARS = Path("/usr/share/java/zookeeper.jar")
#: What it needs for TLS beside the jars that it names itself.
_NETTY = ("netty-codec.jar", "netty-resolver.jar")


class ZooKeeper(Server):
    """One server, which writes every change to the disk before it answers.

    Its ticks are of half a second, and sessions may be as short.  With `tls` it listens on a second
    port, too.

    Args:
        tls: Whether to offer TLS; the certificates are in ``certificates`` once it was started.
        client_certificates: Whether who comes by TLS needs a certificate of that authority; one is
            in ``client``.
        folder: Where the data is kept.
    """

    name = "ZooKeeper"
    program = "java"
    source = "install it by `apt-get install zookeeper` (it need not be started)"

    certificates: Certificates
    client: KeyPair

    def __init__(
        self,
        *,
        tls: bool = False,
        client_certificates: bool = False,
        folder: Path | None = None,
    ) -> None:
        super().__init__(folder)
        #: The port for TLS, `None` where it is not offered.
        self.tls_port = self.reserve() if tls else None
        self._client_certificates = client_certificates

    @classmethod
    def find(cls) -> Path | None:
        """The path of java, `None` where it or ZooKeeper is not installed."""
        return find_program(cls.program) if _JARS.exists() else None

    @classmethod
    def version(cls, program: Path) -> str:  # noqa: ARG003 - java's says nothing of it
        """Its version, which another name of the same file has."""
        for other in _JARS.parent.glob("zookeeper-[0-9]*.jar"):
            return other.stem.partition("-")[2]
        return ""

    def prepare(self) -> None:
        """Write its configuration, and certificates if it needs them."""
        settings = {
            "dataDir": str(self.folder / "data"),
            "clientPortAddress": self.host,
            "clientPort": str(self.port),
            "admin.enableServer": "false",
            "tickTime": "500",
            "minSessionTimeout": "500",
            "maxClientCnxns": "0",
            "4lw.commands.whitelist": "*",
        }
        settings |= self._secure()
        lines = [f"{name}={value}" for name, value in settings.items()]
        (self.folder / "zoo.cfg").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def _secure(self) -> dict[str, str]:
        if self.tls_port is None:
            return {}
        self.certificates = Certificates(self.folder / "certificates")
        self.client = self.certificates.issue("client", file="client")
        keys = self.folder / "certificates" / "server-for-java.pem"
        keys.write_bytes(self.certificates.issue().as_java_reads())
        return {
            "serverCnxnFactory": "org.apache.zookeeper.server.NettyServerCnxnFactory",
            "secureClientPort": str(self.tls_port),
            "secureClientPortAddress": self.host,
            "ssl.keyStore.location": str(keys),
            "ssl.keyStore.type": "PEM",
            "ssl.trustStore.location": str(self.certificates.authority),
            "ssl.trustStore.type": "PEM",
            "ssl.clientAuth": "need" if self._client_certificates else "none",
        }

    def command(self, program: Path) -> Sequence[str]:
        """The command that runs it."""
        memory = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
        main = "org.apache.zookeeper.server.ZooKeeperServerMain"
        netty = () if self.tls_port is None else _NETTY
        jars = ":".join(str(jar) for jar in (_JARS, *(_JARS.parent / name for name in netty)))
        return [str(program), *memory, "-cp", jars, main, str(self.folder / "zoo.cfg")]

    def answers(self) -> bool:
        """Whether it serves requests; "ruok" is answered earlier."""
        return ask((self.host, self.port), b"srvr").startswith(b"Zookeeper version")

    @property
    def url(self) -> str:
        """Its URL."""
        return f"zookeeper://{self.host}:{self.port}/"

    @property
    def tls_url(self) -> str:
        """The URL for TLS, which says whom to trust, and who comes if need be."""
        if self.tls_port is None:
            raise ValueError(f"{self!r} offers no TLS: make it with tls=True")
        client = self.client if self._client_certificates else None
        trust = in_query(self.certificates.authority, client)
        return f"zookeeper://{self.host}:{self.tls_port}/?{trust}"
