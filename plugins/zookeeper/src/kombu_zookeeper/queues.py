"""Queues: declared, found, counted, purged and deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kazoo.exceptions import NodeExistsError, NoNodeError

from kombu.exceptions import ChannelError

from .nodes import in_order, read_spec, write_spec

if TYPE_CHECKING:
    from kombu.transport.backend import QueueSpec

    from .line import Line
    from .nodes import QueueNodes, Tree

__all__ = ("Listing", "Queues")

#: How many transactions to send at once.
_CHUNK = 200


class Queues:
    """The queues of a tree.  Any thread may call any method."""

    def __init__(self, line: Line, tree: Tree) -> None:
        self._line = line
        self._tree = tree

    def declare(self, spec: QueueSpec, deadline: float) -> tuple[QueueSpec, int]:
        """Create a queue unless it is there; return what stands, and how many are ready."""
        nodes = self._tree.queue(spec.name)
        client = self._line.client
        while True:
            found = self.find(spec.name, deadline)
            if found is not None:
                return found
            change = client.transaction()
            change.create(nodes.path, write_spec(spec))
            change.create(nodes.messages)
            change.create(nodes.claims)
            failures = [r for r in self._line.commit(change, deadline) if isinstance(r, Exception)]
            if not failures:
                return spec, 0
            if not any(isinstance(failure, NodeExistsError) for failure in failures):
                raise self._refused(spec.name, failures)

    def find(self, name: str, deadline: float) -> tuple[QueueSpec, int] | None:
        """What stands of a queue, and how many messages are ready; `None` where there is none."""
        nodes = self._tree.queue(name)
        client = self._line.client
        self._line.check()
        spec = client.get_async(nodes.path)
        listing = Listing(self._line, nodes)
        try:
            raw, _ = self._line.wait(spec, deadline)
            return read_spec(raw), len(listing.ready(deadline))
        except NoNodeError:
            return None

    def size(self, name: str, deadline: float) -> int:
        """How many messages are ready, 0 where there is no such queue."""
        try:
            return len(Listing(self._line, self._tree.queue(name)).ready(deadline))
        except NoNodeError:
            return 0

    def purge(self, name: str, deadline: float) -> int:
        """Drop the ready messages; return how many there were."""
        nodes = self._tree.queue(name)
        try:
            ready = Listing(self._line, nodes).ready(deadline)
        except NoNodeError:
            return 0
        return self._drop(nodes, ready, deadline)

    def delete(self, name: str, deadline: float, if_empty: bool) -> int | None:
        """Delete a queue with its messages and claims; return how many were ready.

        With `if_empty` one that has ready messages stays: `None`.
        """
        nodes = self._tree.queue(name)
        dropped = 0
        while True:
            listing = Listing(self._line, nodes)
            try:
                ready = listing.ready(deadline)
            except NoNodeError:
                return dropped
            if ready and if_empty:
                return None
            # Ahead of the rest, which is all or nothing.
            dropped += self._drop(nodes, ready, deadline)
            change = self._line.client.transaction()
            for path in listing.held():
                change.delete(path)
            for path in (nodes.messages, nodes.claims, nodes.path):
                change.delete(path)
            # Not done where something came or went meanwhile.
            if not any(isinstance(r, Exception) for r in self._line.commit(change, deadline)):
                return dropped

    def _drop(self, nodes: QueueNodes, messages: list[str], deadline: float) -> int:
        """Delete messages that nobody claimed meanwhile; return how many."""
        dropped = 0
        for start in range(0, len(messages), _CHUNK):
            self._line.check()
            sent = []
            for message in messages[start : start + _CHUNK]:
                change = self._line.client.transaction()
                # Fails where there is a claim.
                change.create(f"{nodes.claims}/{message}", ephemeral=True)
                change.delete(f"{nodes.claims}/{message}")
                change.delete(f"{nodes.messages}/{message}")
                sent.append(change.commit_async())
            for result in sent:
                answers = self._line.wait(result, deadline)
                dropped += not any(isinstance(answer, Exception) for answer in answers)
        return dropped

    def _refused(self, name: str, failures: list[Any]) -> Exception:
        return ChannelError(
            f"ZooKeeper at {self._line.where} refused to create the znodes of queue {name!r} "
            f"({failures[0]!r})",
            reply_code=541,
        )


class Listing:
    """The messages and claims of a queue, asked for when this is made.

    Raises `NoNodeError` where there is no such queue, when it is read.
    """

    def __init__(self, line: Line, nodes: QueueNodes, watch: Any = None) -> None:
        line.check()
        self._line = line
        self._nodes = nodes
        self._claims = line.client.get_children_async(nodes.claims, watch=watch)
        self._messages = line.client.get_children_async(nodes.messages, watch=watch)

    def ready(self, deadline: float) -> list[str]:
        """Names of the messages that nobody claimed, in order."""
        claims = set(self._line.wait(self._claims, deadline))
        messages = self._line.wait(self._messages, deadline)
        return in_order(name for name in messages if name not in claims)

    def held(self) -> list[str]:
        """Paths of what `ready` left out: claims, and messages that are claimed or foreign."""
        claims: set[str] = set(self._claims.get_nowait())
        messages: list[str] = self._messages.get_nowait()
        ready = set(in_order(name for name in messages if name not in claims))
        held = [f"{self._nodes.claims}/{name}" for name in claims]
        return held + [f"{self._nodes.messages}/{m}" for m in messages if m not in ready]
