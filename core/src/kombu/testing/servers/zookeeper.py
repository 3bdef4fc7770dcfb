"""A private ZooKeeper."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .base import Server, ask
from .programs import find_program

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ("ZooKeeper",)

#: Where Debian's package has it.
_JARS = Path("/usr/share/java/zookeeper.jar")


class ZooKeeper(Server):
    """One server, which writes every change to the disk before it answers.

    Its ticks are of half a second, and sessions may be as short.

    Args:
        folder: Where the data is kept.
    """

    name = "ZooKeeper"
    program = "java"
    source = "install it by `apt-get install zookeeper` (it need not be started)"

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
        """Write its configuration."""
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
        lines = [f"{name}={value}" for name, value in settings.items()]
        (self.folder / "zoo.cfg").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def command(self, program: Path) -> Sequence[str]:
        """The command that runs it."""
        memory = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
        main = "org.apache.zookeeper.server.ZooKeeperServerMain"
        return [str(program), *memory, "-cp", str(_JARS), main, str(self.folder / "zoo.cfg")]

    def answers(self) -> bool:
        """Whether it serves requests; "ruok" is answered earlier."""
        return ask((self.host, self.port), b"srvr").startswith(b"Zookeeper version")

    @property
    def url(self) -> str:
        """Its URL."""
        return f"zookeeper://{self.host}:{self.port}/"
