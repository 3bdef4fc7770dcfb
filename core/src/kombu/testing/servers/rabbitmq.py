"""A private RabbitMQ."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from .base import Server, ask
from .certificates import Certificates

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ("RabbitMQ",)

#: Where Debian and others put it.  The one of /usr/sbin is a wrapper that changes the user.
_HOMES = (Path("/usr/lib/rabbitmq"), Path("/usr/local/lib/rabbitmq"), Path("/opt/rabbitmq"))


class RabbitMQ(Server):
    """A node of RabbitMQ; user and password are ``guest``.

    Args:
        tls: Whether to offer TLS on a second port; the certificates are in ``certificates`` once it
            was started.
        plugins: Names of its plugins, such as ``rabbitmq_management``, which gets a port of its
            own.
        options: Further lines of ``rabbitmq.conf``, by name.
        folder: Where the data is kept.
        beside: Another node: they know each other, and `join` makes them one cluster.
    """

    name = "RabbitMQ"
    program = "rabbitmq-server"
    source = "install it by `apt-get install rabbitmq-server` (it need not be started)"
    #: 4 to 7 seconds on two idle cores.
    boot = 90.0

    certificates: Certificates

    def __init__(
        self,
        *,
        tls: bool = False,
        plugins: Sequence[str] = (),
        options: Mapping[str, str] | None = None,
        folder: Path | None = None,
        beside: RabbitMQ | None = None,
    ) -> None:
        super().__init__(folder)
        self._plugins = tuple(plugins)
        self._options = dict(options or {})
        self._beside = beside
        self._distribution = self.reserve()
        self._names: int = self.reserve() if beside is None else beside._names  # noqa: SLF001
        #: The port for TLS, `None` where it is not offered.
        self.tls_port = self.reserve() if tls else None
        #: The port of the management API, `None` without that plugin.
        self.management_port = self.reserve() if "rabbitmq_management" in plugins else None
        #: What the node is called.
        self.node = f"kombu{self.port}@localhost"

    @classmethod
    def find(cls) -> Path | None:
        """The program that starts RabbitMQ without changing the user."""
        for home in _HOMES:
            program = home / "bin" / cls.program
            if program.exists():
                return program
        return None

    def prepare(self) -> None:
        """Write its configuration, and certificates if it needs them."""
        for sub in ("mnesia", "log"):
            (self.folder / sub).mkdir(exist_ok=True)
        settings = {
            "listeners.tcp.1": f"{self.host}:{self.port}",
            "vm_memory_high_watermark.absolute": "512MB",
            "disk_free_limit.absolute": "50MB",
            "log.file.level": "warning",
        }
        if self.management_port is not None:
            settings |= {
                "management.tcp.ip": self.host,
                "management.tcp.port": str(self.management_port),
            }
        if self.tls_port is not None:
            self.certificates = Certificates(self.folder / "certificates")
            pair = self.certificates.issue()
            settings |= {
                "listeners.ssl.1": f"{self.host}:{self.tls_port}",
                "ssl_options.cacertfile": str(self.certificates.authority),
                "ssl_options.certfile": str(pair.certificate),
                "ssl_options.keyfile": str(pair.key),
                "ssl_options.verify": "verify_none",
            }
        lines = [f"{name} = {value}\n" for name, value in (settings | self._options).items()]
        (self.folder / "rabbitmq.conf").write_text("".join(lines), encoding="utf-8")
        enabled = f"[{','.join(self._plugins)}].\n"
        (self.folder / "enabled_plugins").write_text(enabled, encoding="utf-8")

    def command(self, program: Path) -> Sequence[str]:
        """The command that runs it."""
        return [str(program)]

    def environ(self) -> Mapping[str, str]:
        """Where it finds everything."""
        return {
            # The cookie that nodes know each other by is kept in the home folder.
            "HOME": str(self.folder if self._beside is None else self._beside.folder),
            # Erlang's port mapper is a daemon that the node starts: one of its own.
            "ERL_EPMD_ADDRESS": self.host,
            "ERL_EPMD_PORT": str(self._names),
            "RABBITMQ_NODENAME": self.node,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self._distribution),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.folder / "advanced.config"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
            "RABBITMQ_PID_FILE": str(self.folder / "pid"),
            # One scheduler that does not spin: the tests need the other core.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                "-kernel inet_dist_use_interface {127,0,0,1} +S 1:1 +sbwt none"
            ),
        }

    def answers(self) -> bool:
        """Whether it opens the protocol."""
        # A frame of type 1 (method): Connection.Start.
        return ask((self.host, self.port), b"AMQP\x00\x00\x09\x01").startswith(b"\x01")

    @property
    def url(self) -> str:
        """Its URL."""
        return f"amqp://guest:guest@{self.host}:{self.port}//"

    @property
    def tls_url(self) -> str:
        """The URL for TLS."""
        if self.tls_port is None:
            raise ValueError(f"{self!r} offers no TLS: make it with tls=True")
        return f"amqps://guest:guest@{self.host}:{self.tls_port}//"

    def control(self, *arguments: str, within: float = 30.0) -> str:
        """Run ``rabbitmqctl`` (about a second) and return what it printed.

        Raises:
            RuntimeError: It failed.
            subprocess.TimeoutExpired: It did not end in time (seconds).
        """
        program = self.find()
        if program is None:
            raise RuntimeError(self.missing())
        done = subprocess.run(
            [str(program.with_name("rabbitmqctl")), "-n", self.node, *arguments],
            env={**os.environ, **self.environ()},
            capture_output=True,
            text=True,
            timeout=within,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"rabbitmqctl {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def join(self) -> None:
        """Join the cluster of the node that it was made beside; about ten seconds.

        Raises:
            ValueError: It was made beside none.
            RuntimeError: That failed.
        """
        if self._beside is None:
            raise ValueError(f"{self!r} stands alone: make it with beside=another node")
        self.control("stop_app", within=60)
        self.control("join_cluster", self._beside.node, within=60)
        self.control("start_app", within=60)

    @classmethod
    def version(cls, program: Path) -> str:
        """Its version."""
        for found in program.parents[1].glob("lib/rabbitmq_server-*"):
            return found.name.rpartition("-")[2]
        return ""
