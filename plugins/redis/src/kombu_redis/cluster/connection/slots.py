"""Which master has which slot."""

from __future__ import annotations

import contextlib
import os
import threading
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple

import redis.exceptions as driver
from redis.cluster import parse_cluster_slots

from kombu.exceptions import ConnectionError as BrokerConnectionError
from kombu.exceptions import RecoverableConnectionError
from kombu_redis.connection import errors
from kombu_redis.connection.commands import pack
from kombu_redis.connection.line import BROKEN, Line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kombu_redis.connection.address import Address

__all__ = ("Node", "Slots")

#: How long one node is given to tell (seconds).
_ASKED = 1.0
#: How long it is given at least.
_LEAST = 0.1
#: The least time between two looks (seconds).
_BREATH = 0.1


class Node(NamedTuple):
    """A server of the cluster."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Slots:
    """The map of one cluster, which the sessions of a connection share.  Any thread may use it.

    Args:
        address: How to connect to a node.
        seeds: The nodes that the URL names, of which one that answers is enough.
        remap: Where a node is that calls itself by an address that can't be reached from here.
    """

    def __init__(
        self,
        address: Callable[[Node], Address],
        seeds: Sequence[Node],
        remap: Callable[[tuple[str, int]], tuple[str, int]] | None = None,
    ) -> None:
        self.address = address
        self._seeds = list(seeds)
        self._remap = remap
        self._lock = threading.Lock()
        self._map: list[Node | None] = []
        self._masters: tuple[Node, ...] = ()
        #: Those that may be asked, the next one first.
        self._known: list[Node] = list(seeds)
        self._lines: dict[Node, Line] = {}
        #: How often the map was read.
        self.generation = 0
        self._read_at = 0.0

    @property
    def where(self) -> str:
        """For messages."""
        return "the cluster of " + ", ".join(map(str, self._seeds))

    @property
    def masters(self) -> tuple[Node, ...]:
        """The masters that have slots."""
        return self._masters

    def node(self, slot: int) -> Node | None:
        """The master of a slot, `None` where nobody is known to have it."""
        return self._map[slot] if self._map else None

    def moved(self, slot: int, host: str, port: int, by: Node) -> Node:
        """Note where a node said that a slot is now."""
        node = self._reached(host or by.host, port)
        with self._lock:
            if self._map:
                self._map[slot] = node
                if node not in self._masters:
                    self._masters = (*self._masters, node)
        return node

    def reached(self, host: str, port: int, by: Node) -> Node:
        """A node that another one named."""
        return self._reached(host or by.host, port)

    def _reached(self, host: str, port: int) -> Node:
        if self._remap is not None:
            host, port = self._remap((host, port))
        return Node(host, port)

    def load(self, deadline: float) -> None:
        """Read the map unless that was done."""
        if not self._map:
            self.reload(self.generation, deadline)

    def reload(self, seen: int, deadline: float) -> None:
        """Read the map anew, unless somebody did after the `generation` that was `seen`.

        Raises:
            ConnectionError: (kombu's) No node can be reached, or it is not one of a cluster.
            TimeoutError: None answered in time.
        """
        if not self._lock.acquire(timeout=max(deadline - monotonic(), 0.01)):
            raise TimeoutError(f"{self.where} was not heard of in time")
        try:
            if self.generation == seen and (
                not self._map or monotonic() >= self._read_at + _BREATH
            ):
                self._reload(deadline)
        finally:
            self._lock.release()

    def _reload(self, deadline: float) -> None:
        failures: list[str] = []
        last: BaseException | None = None
        nodes = [*self._known, *(seed for seed in self._seeds if seed not in self._known)]
        for tried, node in enumerate(nodes):
            left = deadline - monotonic()
            if tried > 1 and left <= 0:
                raise TimeoutError(
                    f"{self.where} was not heard of in time ({'; '.join(failures)}): see whether "
                    "the servers run and are reachable from here, or give it more time"
                )
            try:
                # One that is silent leaves time for the others.
                share = max(left / (len(nodes) - tried), _LEAST)
                answer = self._ask(node, min(share, _ASKED))
            except BROKEN as exc:
                if isinstance(exc, driver.AuthenticationError):
                    raise errors.unreachable(str(node), exc) from exc
                last = exc
                failures.append(f"{node} {exc}")
                if node in self._known:
                    self._known = [*(known for known in self._known if known != node), node]
                continue
            if isinstance(answer, Exception):
                raise self._no_cluster(node, answer)
            if self._note(node, answer):
                return
            failures.append(f"{node} knows of no slots")
        self._read_at = monotonic()
        if isinstance(last, driver.TimeoutError) and len(failures) == 1:
            raise errors.unreachable(str(self._seeds[0]), last)
        raise RecoverableConnectionError(
            f"No node of {self.where} can be reached ({'; '.join(failures)}): see whether the "
            "servers run and are reachable from here, then connect again"
        ) from last

    def _no_cluster(self, node: Node, answer: Exception) -> Exception:
        if "cluster support disabled" in str(answer):
            return BrokerConnectionError(
                f"Redis at {node} is no node of a cluster ({answer}): write redis://{node}/0, or "
                "rediss:// for TLS; rediscluster:// and redisclusters:// are for nodes with "
                "cluster-enabled yes",
                reply_code=530,
            )
        return errors.refused(str(node), answer)

    def _ask(self, node: Node, timeout: float) -> Any:
        line = self._lines.get(node)
        if line is not None and line.pid != os.getpid():
            line.abandon()
            line = None
        try:
            if line is None:
                line = self._lines[node] = Line(self.address(node), timeout)
            line.write(pack("CLUSTER", "SLOTS"), timeout)
            return line.read(timeout)
        except BaseException:
            self._lines.pop(node, None)
            if line is not None:
                with contextlib.suppress(*BROKEN):
                    line.close()
            raise

    def _note(self, by: Node, answer: Any) -> bool:
        """Keep what a node told; whether it knows of slots."""
        table: list[Node | None] = [None] * 16384
        known: list[Node] = []
        masters: list[Node] = []
        for (first, last), nodes in parse_cluster_slots(answer, current_host=by.host).items():
            found = [self._reached(*at) for at in (nodes["primary"], *nodes["replicas"])]
            known += [node for node in found if node not in known]
            if found[0] not in masters:
                masters.append(found[0])
            table[first : last + 1] = [found[0]] * (last + 1 - first)
        if not masters:
            return False
        self._map = table
        self._masters = tuple(masters)
        # Another one is asked the next time: this one may be cut off from the others.
        self._known = [*(node for node in known if node != by), by]
        for node in [node for node in self._lines if node not in known]:
            self._close(self._lines.pop(node))
        self.generation += 1
        self._read_at = monotonic()
        return True

    @staticmethod
    def _close(line: Line) -> None:
        with contextlib.suppress(*BROKEN):
            line.close()

    def close(self) -> None:
        """Close the lines; the map stays."""
        with self._lock:
            lines, self._lines = self._lines, {}
        for line in lines.values():
            self._close(line)

    def forked(self) -> None:
        """In the child of a fork: close the descriptors."""
        self._lock = threading.Lock()
        lines, self._lines = self._lines, {}
        for line in lines.values():
            with contextlib.suppress(*BROKEN):
                line.abandon()
