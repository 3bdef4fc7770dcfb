"""A RabbitMQ of our own: on free loopback ports, with its data under a folder that is given.

Nothing is shared with a RabbitMQ that the machine may run as a service, and nothing stays behind.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mirakuru import TCPExecutor

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ("MISSING", "Server", "find_server", "running")

#: Where Debian puts it.  The one of /usr/sbin is a wrapper that changes the user.
_INSTALLED = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")

MISSING = (
    "RabbitMQ is not installed, and its answers are what these tests compare with: "
    "install it by `apt-get install rabbitmq-server` (it need not be started)"
)

#: How long the server may take to boot (seconds): 4 to 7 on two idle cores.
_BOOT = 90.0

_CONFIGURATION = """\
listeners.tcp.1 = 127.0.0.1:{port}
vm_memory_high_watermark.absolute = 512MB
disk_free_limit.absolute = 50MB
log.file.level = warning
"""


@dataclass(frozen=True)
class Server:
    """Where a running RabbitMQ is to be found; user and password are ``guest``."""

    port: int

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"


def find_server() -> Path | None:
    """The program that starts RabbitMQ, `None` where it is not installed."""
    return _INSTALLED if _INSTALLED.exists() and shutil.which("epmd") else None


@contextlib.contextmanager
def running(program: Path, folder: Path) -> Iterator[Server]:
    """Run RabbitMQ with its data in `folder`; kill it at the end."""
    port, distribution, names = _free_ports(3)
    for sub in ("mnesia", "log"):
        (folder / sub).mkdir()
    (folder / "rabbitmq.conf").write_text(_CONFIGURATION.format(port=port))
    (folder / "enabled_plugins").write_text("[].")
    # Erlang's port mapper would otherwise be started by the node as a daemon that outlives it.
    mapper = TCPExecutor(
        ["epmd", "-address", "127.0.0.1", "-port", str(names)],
        host="127.0.0.1",
        port=names,
        timeout=_BOOT,
    )
    node = TCPExecutor(
        [str(program)],
        host="127.0.0.1",
        port=port,
        timeout=_BOOT,
        envvars=_environment(folder, port, distribution, names),
        cwd=str(folder),
    )
    with mapper, node:
        yield Server(port)


def _environment(folder: Path, port: int, distribution: int, names: int) -> dict[str, str]:
    return {
        # The cookie that nodes know each other by is kept in the home folder.
        "HOME": str(folder),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": str(names),
        "RABBITMQ_NODENAME": f"judge{port}@localhost",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(distribution),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        # One scheduler that does not spin: the tests need the other core.
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
            "-kernel inet_dist_use_interface {127,0,0,1} +S 1:1 +sbwt none"
        ),
    }


def _free_ports(count: int) -> list[int]:
    """Ports that are free now, all different."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
