"""The names of the keys in a cluster.

What one script touches has to lie in one slot, so the name of a queue is the hash tag of all its
keys, its claims among them; the bindings of an exchange have the exchange's name.  A queue and an
exchange of the same name, which is the usual case, so lie on the same master.
"""

from __future__ import annotations

from redis.crc import key_slot

from kombu_redis.wire.keys import Keys

__all__ = ("BUCKETS", "ClusterKeys", "slot_of")

#: Over how many keys the register of queues is spread.
BUCKETS = 8

_REMEMBERED = 4096


def slot_of(key: str) -> int:
    """The slot of a key."""
    return int(key_slot(key.encode()))


class ClusterKeys(Keys):
    """The keys of one key space in a cluster; the arguments are those of `Keys`.

    Raises:
        ValueError: The prefix has a brace, which would be taken for a hash tag.
    """

    def __init__(
        self,
        prefix: str = "",
        steps: tuple[int, ...] = (0, 3, 6, 9),
        separator: str = "\x06\x16",
        unacked: tuple[str, str] = ("unacked", "unacked_index"),
        highest_first: bool = False,
    ) -> None:
        if set("{}") & set(prefix):
            raise ValueError(
                f"transport_options global_keyprefix is {prefix!r}: in a cluster the braces mark "
                "what the slot of a key is computed from; leave them out"
            )
        super().__init__(prefix, steps, separator, unacked, highest_first)
        # An index of the queues of all masters can't lie on one.
        self.ready = ()
        self._unacked_names = unacked
        self._groups: dict[str, tuple[str, ...]] = {}

    @staticmethod
    def _tag(name: str) -> str:
        """A name as a hash tag: whatever braces it has, the slot is that of all of it."""
        if "{" in name or "}" in name:
            name = name.replace("%", "%25").replace("{", "%7B").replace("}", "%7D")
        return f"{{{name}}}"

    def queue(self, name: str) -> tuple[str, ...]:
        """The keys of a queue: declaration, who waits, delayed, dead letters, then its lists."""
        return self.group(name)[4:]

    def group(self, name: str) -> tuple[str, ...]:
        """All keys of a queue that a fetch needs: its claims, `expiring_of`, then `queue`."""
        keys = self._groups.get(name)
        if keys is None:
            if len(self._groups) >= _REMEMBERED:
                self._groups.clear()
            tag = self._tag(name)
            own = f"{self.prefix}_kombu6."
            steps = reversed(self.steps) if self.highest_first else self.steps
            keys = self._groups[name] = (
                *(f"{self.prefix}{part}.{tag}" for part in self._unacked_names),
                f"{own}claims.{tag}",
                f"{own}expiring.{tag}",
                f"{own}queue.{tag}",
                f"{own}waiting.{tag}",
                f"{own}later.{tag}",
                f"{own}dead.{tag}",
                *(self.list(name, step) for step in steps),
            )
        return keys

    def list(self, name: str, step: int) -> str:
        """The list of one step of a queue."""
        base = f"{self.prefix}{self._tag(name)}"
        return f"{base}{self.separator}{step}" if step else base

    def claims_of(self, queue: str) -> tuple[str, str, str]:
        """Where the claims on a queue's messages are."""
        unacked, index, claims = self.group(queue)[:3]
        return unacked, index, claims

    def expiring_of(self, queue: str) -> str:
        """Where it is written when a queue expires that nobody uses."""
        return self.group(queue)[3]

    def bound(self, queue: str) -> str:
        """The exchanges that a queue was bound to."""
        return f"{self.prefix}_kombu6.bound.{self._tag(queue)}"

    def nothing(self, queue: str) -> str:
        """A key that is never there, in the queue's slot."""
        return f"{self.prefix}_kombu6.nothing.{self._tag(queue)}"

    def bindings(self, exchange: str) -> tuple[str, str, str]:
        """The bindings of an exchange."""
        tag = self._tag(exchange)
        return (
            f"{self.prefix}_kombu.binding.{tag}",
            f"{self.prefix}_kombu.binding_permanent.{tag}",
            f"{self.prefix}_kombu6.binding.{tag}",
        )

    def exchange(self, name: str) -> tuple[str, ...]:
        """What counts the changes of an exchange's bindings, and its `bindings`."""
        return f"{self.prefix}_kombu6.bindings.{self._tag(name)}", *self.bindings(name)

    def bucket(self, number: int) -> str:
        """A part of the register of queues."""
        return f"{self.prefix}_kombu6.queues.{{{number}}}"

    def bucket_of(self, queue: str) -> str:
        """The part of the register that a queue is in."""
        return self.bucket(slot_of(queue) % BUCKETS)
