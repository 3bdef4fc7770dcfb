"""A private Redis cluster: some masters, and replicas of theirs."""

from __future__ import annotations

import contextlib
import socket
import time
from typing import TYPE_CHECKING, Any

from .base import Server, ServerError
from .certificates import Certificates
from .redis import Redis, Valkey

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from typing import IO

__all__ = ("RedisCluster", "RedisNode", "ValkeyCluster", "ValkeyNode")

_SLOTS = 16384
#: How long the nodes may take to agree (seconds), on a machine that is busy.
_AGREEMENT = 60.0
#: The nodes talk to each other by TLS, too; their certificates are no clients'.
_TLS = {"tls-cluster": "yes", "tls-replication": "yes", "tls-auth-clients": "no"}


class RedisNode(Redis):
    """One node of a `RedisCluster`.

    Args:
        node_timeout: After how many seconds of silence others take it for dead.
        tls: Whether to offer TLS.
        users: Names and passwords; where there are some, the user without a name can do nothing.
        options: Further lines of its configuration, by name.
        folder: Where the data is kept.
    """

    name = "Redis (node of a cluster)"

    def __init__(
        self,
        *,
        node_timeout: float = 2.0,
        tls: bool = False,
        users: Mapping[str, str] | None = None,
        options: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:
        super().__init__(tls=tls, users=users, folder=folder)
        #: The port that the nodes talk to each other on.
        self.bus = self.reserve()
        #: Who certifies it, where that is not its own authority.
        self.certified_by: Certificates | None = None
        self._options = {
            "cluster-enabled": "yes",
            "cluster-port": str(self.bus),
            "cluster-node-timeout": str(int(node_timeout * 1000)),
            # The living shards go on where one has no master.
            "cluster-require-full-coverage": "no",
            # A replica takes over whatever it missed while it was not connected.
            "cluster-replica-validity-factor": "0",
            "repl-diskless-sync-delay": "0",
            # Or clients that use TLS would be told of the ports without.
            **(_TLS if tls else {}),
            **(options or {}),
        }

    def authority(self) -> Certificates:
        """Whoever certifies all nodes of the cluster, or this one where it is in none."""
        return self.certified_by or super().authority()

    def ask(self, *words: object) -> str:
        """Run a command on its unix socket; an answer that says no is a `ServerError`."""
        login = self._first_login()
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(10)
            line.connect(str(self.socket))
            if login:
                _exchange(line, "AUTH", *login)
            return _exchange(line, *words)

    def _first_login(self) -> tuple[str, ...]:
        return next(iter(self._users.items()), ())


class RedisCluster(Server):
    """Redis as a cluster, whose nodes write every command to the disk before they answer.

    What is done to it (`stop`, `kill9`, `pause` and so on) is done to all nodes; those of one are
    called on the node.

    Args:
        masters: How many masters share the slots.
        replicas: How many replicas each of them has.
        node_timeout: After how many seconds of silence a node is taken for dead.
        tls: Whether to offer TLS.
        users: Names and passwords; where there are some, the user without a name can do nothing.
        options: Further lines of the configuration of each node, by name.
        folder: Where the data is kept.
    """

    name = "Redis (cluster)"
    program = Redis.program
    source = Redis.source
    #: What its nodes are.
    node_class: type[RedisNode] = RedisNode

    def __init__(
        self,
        masters: int = 3,
        replicas: int = 0,
        *,
        node_timeout: float = 2.0,
        tls: bool = False,
        users: Mapping[str, str] | None = None,
        options: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:
        super().__init__(folder)
        self._masters = masters
        self._tls = tls
        login = next(iter((users or {}).items()), None)
        given = dict(options or {})
        if login is not None:
            given |= {"masteruser": login[0], "masterauth": login[1]}
        #: All nodes; those that began as masters come first.
        self.nodes = [
            self.node_class(node_timeout=node_timeout, tls=tls, users=users, options=given)
            for _ in range(masters * (1 + replicas))
        ]
        self._made = False

    # -- what a server is ----------------------------------------------------------------------

    def command(self, program: Path) -> Sequence[str]:
        """The command that runs one of its nodes."""
        return self.nodes[0].command(program)

    def answers(self) -> bool:
        """Whether all its nodes answer and know of each other."""
        return all(node.answers() for node in self.nodes) and self._agrees()

    def _agrees(self) -> bool:
        alive = [node for node in self.nodes if node.running]
        return all(
            "cluster_state:ok" in node.ask("CLUSTER", "INFO")
            and f"cluster_known_nodes:{len(self.nodes)}" in node.ask("CLUSTER", "INFO")
            for node in alive
        )

    @property
    def url(self) -> str:
        """Its URL, with all nodes and the first of its users."""
        first, *others = self.nodes
        login = first.url.removeprefix("redis://").rpartition("@")[0]
        begin = f"rediscluster://{login}@" if login else "rediscluster://"
        return ";".join(f"{begin}{node.host}:{node.port}" for node in (first, *others))

    @property
    def tls_url(self) -> str:
        """The URL for TLS, which says whom to trust."""
        return "redisclusters" + self.nodes[0].tls_url.removeprefix("rediss")

    @property
    def entrances(self) -> Sequence[tuple[str, int]]:
        """The addresses of its nodes."""
        return [(node.host, node.port) for node in self.nodes]

    def behind(
        self, proxies: Mapping[tuple[str, int], tuple[str, int]]
    ) -> tuple[str, dict[str, Any]]:
        """The URL of the proxies, and the option by which nodes are found behind them."""
        url = self.url
        for (host, port), (to_host, to_port) in proxies.items():
            url = url.replace(f"{host}:{port}", f"{to_host}:{to_port}")
        return url, {"address_remap": lambda at: proxies.get(at, at)}

    @property
    def running(self) -> bool:
        """Whether a process of it runs."""
        return any(node.running for node in self.nodes)

    @property
    def output(self) -> str:
        """What its nodes wrote."""
        return "\n".join(node.output for node in self.nodes)

    # -- what can be done with one -------------------------------------------------------------

    def start(self) -> None:
        """Start all nodes, make them a cluster the first time, and wait until they agree.

        Raises:
            ServerMissing: It is not installed.
            ServerError: They don't start, or don't agree.
        """
        if self._tls and self.nodes[0].certified_by is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            authority = Certificates(self.folder / "certificates")
            for node in self.nodes:
                node.certified_by = authority
        for node in self.nodes:
            node.start()
        if not self._made:
            self._make()
            self._made = True
        self.settle()

    def _make(self) -> None:
        first, *others = self.nodes
        masters, replicas = self.nodes[: self._masters], self.nodes[self._masters :]
        for n, node in enumerate(masters):
            begin, end = (_SLOTS * at // len(masters) for at in (n, n + 1))
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", n + 1)
            node.ask("CLUSTER", "ADDSLOTSRANGE", begin, end - 1)
        for node in others:
            node.ask("CLUSTER", "MEET", first.host, first.tls_port or first.port, first.bus)
        count = f"cluster_known_nodes:{len(self.nodes)}"
        _until(lambda: all(count in node.ask("CLUSTER", "INFO") for node in self.nodes))
        for n, node in enumerate(replicas):
            of = masters[n % len(masters)].ask("CLUSTER", "MYID")
            _until(lambda node=node, of=of: _accepts(node, "CLUSTER", "REPLICATE", of))  # type: ignore[misc]

    def settle(self) -> None:
        """Wait until the running nodes agree that the cluster is complete, replicas included."""

        def settled() -> bool:
            alive = [node for node in self.nodes if node.running]
            return self._agrees() and all(
                "role:master" in said or "master_link_status:up" in said
                for said in (node.ask("INFO", "replication") for node in alive)
            )

        _until(settled)

    def stop(self) -> None:
        """End all nodes in order."""
        for node in self.nodes:
            node.stop()

    def kill9(self) -> None:
        """Kill all nodes by SIGKILL."""
        for node in self.nodes:
            node.kill9()

    def pause(self) -> None:
        """Freeze all nodes."""
        for node in self.nodes:
            node.pause()

    def resume(self) -> None:
        """Let all nodes go on."""
        for node in self.nodes:
            node.resume()

    def close(self) -> None:
        """Kill all nodes, and remove their data."""
        for node in self.nodes:
            node.close()
        super().close()

    def master_of(self, slot: int) -> RedisNode:
        """The node that is the master of a slot, as the living nodes have it.

        Raises:
            ServerError: None of them has it.
        """
        for node in self.nodes:
            if not node.running:
                continue
            mine = node.ask("CLUSTER", "NODES")
            for line in mine.splitlines():
                words = line.split()
                if "myself" in words[2] and "master" in words[2] and _has(words[8:], slot):
                    return node
        raise ServerError(f"no living node of {self!r} has the slot {slot}")

    def move_slot(self, slot: int, to: RedisNode, batch: int = 10) -> None:
        """Move a slot with its keys to another master, as ``redis-cli --cluster reshard`` does."""
        source = self.master_of(slot)
        if source is to:
            return
        source_id, to_id = source.ask("CLUSTER", "MYID"), to.ask("CLUSTER", "MYID")
        to.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", source_id)
        source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", to_id)
        login = to._first_login()  # noqa: SLF001
        auth = ("AUTH2", *login) if login else ()
        while keys := source.ask("CLUSTER", "GETKEYSINSLOT", slot, batch).split("\n"):
            keys = [key for key in keys if key]
            if not keys:
                break
            source.ask("MIGRATE", to.host, to.port, "", 0, 5000, *auth, "KEYS", *keys)
        for node in (to, source, *self.nodes):
            if node.running:
                with contextlib.suppress(ServerError):  # replicas are told by their masters
                    node.ask("CLUSTER", "SETSLOT", slot, "NODE", to_id)


def _has(ranges: list[str], slot: int) -> bool:
    for text in ranges:
        first, _, last = text.partition("-")
        if first.isdigit() and int(first) <= slot <= int(last or first):
            return True
    return False


def _accepts(node: RedisNode, *words: object) -> bool:
    try:
        node.ask(*words)
    except ServerError:
        return False
    return True


def _until(done: Callable[[], bool]) -> None:
    end = time.monotonic() + _AGREEMENT
    while True:
        with contextlib.suppress(OSError):
            if done():
                return
        if time.monotonic() > end:
            raise ServerError(f"the nodes of the cluster did not agree in {_AGREEMENT:g} s")
        time.sleep(0.05)


class ValkeyNode(RedisNode):
    """One node of a `ValkeyCluster`."""

    name = "Valkey (node of a cluster)"
    program = Valkey.program
    source = Valkey.source


class ValkeyCluster(RedisCluster):
    """Valkey as a cluster.  The one of the wheel is built without TLS."""

    name = "Valkey (cluster)"
    program = Valkey.program
    source = Valkey.source
    node_class = ValkeyNode


def _exchange(line: socket.socket, *words: object) -> str:
    """Send a command and read its answer: text, or the items of a list in lines."""
    parts = [str(word).encode() for word in words]
    text = b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)
    line.sendall(b"*%d\r\n%b" % (len(parts), text))
    with line.makefile("rb") as answers:
        return _read(answers)


def _read(answers: IO[bytes]) -> str:
    head: bytes = answers.readline().rstrip(b"\r\n")
    kind, rest = head[:1], head[1:].decode()
    if kind == b"-":
        raise ServerError(f"a node of the cluster refused a command: {rest}")
    if kind == b"$":
        if rest == "-1":
            return ""
        text: bytes = answers.read(int(rest) + 2)
        return text[:-2].decode("utf-8", "surrogateescape")
    if kind == b"*":
        return "\n".join(_read(answers) for _ in range(int(rest)))
    if not head:
        raise ConnectionResetError("the node closed the connection")
    return rest
