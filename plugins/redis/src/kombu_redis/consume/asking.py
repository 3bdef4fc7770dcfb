"""What a fetch asks for: the keys of all queues, or, of many queues, what an index says is ready.

A consumer of few queues names all their keys at each fetch, and the script looks at all of them.
For many that costs more than the messages do, so their names are written down in the store, once,
and the script looks at those of them that the index (`kombu_redis.scripts.index`) tells of.
"""

from __future__ import annotations

import json
from hashlib import sha1
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

from ..connection.talk import Call, Packed, pack
from ..scripts import SCRIPTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kombu.transport.backend import Wants

    from ..backend import RedisBackend

__all__ = ("MANY", "Asking", "Few", "Many", "asking_for", "end_of_entry")

#: Up to so many queues all keys are named.
MANY = 16
#: For how long the names of many queues are remembered that nobody asks for (milliseconds).
_REMEMBERED = 120_000
#: Queues that are looked at in one script: it holds up the server for a fraction of a millisecond.
_SLICE = 100
#: How often many queues are looked at that the index does not tell of (seconds).
LOOK = 1.0


def end_of_entry(queue: str) -> str:
    """What stands behind a message in its entry in ``unacked``: exchange and queue, for 5.7."""
    return f', "", {json.dumps(queue)}]'


class Asking(Protocol):
    """What depends on the set of queues, and what their limits are just now."""

    #: Whether any queue has room, as `limit` found it.
    roomy: bool
    #: Which queues have room, in a form that can be compared.
    state: object
    #: When to look at all queues (`looks`), in seconds of `time.monotonic`; `inf`: no need to.
    look_at: float

    def limit(self, wants: Wants, limit: int) -> None:
        """Bring the limits up to date."""

    def fetch(self, tags: str, limit: int, after_bell: bool) -> Call:
        """What takes messages."""

    def before(self) -> Sequence[Call]:
        """What has to be done before a fetch that does not wait; its answers go to `told`."""

    def told(self, answers: Sequence[Any]) -> bool:
        """Note the answers to `before`; whether something was found that nobody of ours marked.

        An answer may be an exception of the driver's.
        """

    def wait(self, seconds: float) -> bytes:
        """The command that waits for a bell of a queue that has room."""

    def queue(self, field: Any) -> str:
        """The queue that stands in an answer."""

    def look(self) -> bytes:
        """The command that tells how many lists of all queues have something."""

    def looks(self) -> Sequence[Call]:
        """What finds messages that no bell was rung for, and rings."""

    def forgotten(self) -> None:
        """The store forgot what was written down."""


def asking_for(backend: RedisBackend, wants: Wants) -> Asking:
    """The cheaper one."""
    if len(wants) <= MANY or not backend.keys.ready:
        return Few(backend, wants)
    return Many(backend, wants)


class _Looking:
    """What both have: the keys, and how to look at all of them."""

    def __init__(self, backend: RedisBackend, wants: Wants) -> None:
        keys = backend.keys
        self._backend = backend
        self._names = list(wants)
        self._groups = [keys.queue(name) for name in self._names]
        self._bells = [group[1] for group in self._groups]
        self._look: bytes | None = None
        self._looks: list[Call] | None = None

    def look(self) -> bytes:
        """See `Asking.look`."""
        if self._look is None:
            lists = len(self._backend.keys.steps)
            self._look = pack("EXISTS", *(k for group in self._groups for k in group[-lists:]))
        return self._look

    def looks(self) -> Sequence[Call]:
        """See `Asking.looks`."""
        if self._looks is None:
            keys = self._backend.keys
            self._looks = [
                Call(
                    SCRIPTS.survey,
                    (
                        keys.expiring,
                        *keys.ready,
                        *(k for group in self._groups[at : at + _SLICE] for k in group),
                    ),
                    (Packed.of(len(keys.steps), *self._names[at : at + _SLICE]),),
                )
                for at in range(0, len(self._names), _SLICE)
            ]
        return self._looks


class Few(_Looking):
    """All keys are named.

    Args:
        backend: The connection.
        wants: Whose queues they are.
    """

    look_at = inf

    def __init__(self, backend: RedisBackend, wants: Wants) -> None:
        super().__init__(backend, wants)
        keys = backend.keys
        self._keys = (
            keys.unacked,
            keys.index,
            keys.claims,
            keys.expiring,
            *(key for group in self._groups for key in group),
            *keys.ready,
        )
        self._ends = [end_of_entry(name) for name in self._names]
        self._turn = 0
        self._limits: list[int] = []
        self._takes: list[int] = []
        #: What follows the limit and the tags, and what it was made of.
        self._rest: Packed | None = None
        self._rest_of: tuple[Any, ...] = ()
        self.roomy = False
        self.state: object = None

    def limit(self, wants: Wants, limit: int) -> None:
        """See `Asking.limit`."""
        limits = self._limits = [min(want.limit, limit) for want in wants.values()]
        self._takes = [int(want.take) for want in wants.values()]
        self.state = room = [at for at, most in enumerate(limits) if most > 0]
        self.roomy = bool(room)

    def fetch(self, tags: str, limit: int, after_bell: bool) -> Call:
        """See `Asking.fetch`."""
        self._turn += 1
        count = len(self._names)
        fairness = self._backend.fairness
        first = self._turn % count + (count * fairness.begin() if fairness is not None else 0)
        of = after_bell, first, self._limits, self._takes
        if self._rest is None or of != self._rest_of:
            self._rest_of = of
            self._rest = Packed.of(
                self._backend.claim_seconds,
                int(after_bell),
                count,
                len(self._backend.keys.steps),
                first,
                *self._names,
                *self._ends,
                *self._limits,
                *self._takes,
            )
        return Call(SCRIPTS.fetch, self._keys, (limit, tags, self._rest))

    def before(self) -> Sequence[Call]:
        """Nothing."""
        return ()

    def told(self, answers: Sequence[Any]) -> bool:
        """Nothing was asked."""
        return False

    def wait(self, seconds: float) -> bytes:
        """See `Asking.wait`."""
        bells = (bell for bell, most in zip(self._bells, self._limits, strict=True) if most > 0)
        return pack("BRPOP", *bells, f"{seconds:.3f}")

    def queue(self, field: Any) -> str:
        """The queue of a place."""
        name: str = self._names[field]
        return name

    def forgotten(self) -> None:
        """Nothing was written down."""


class Many(_Looking):
    """The names of the queues are written down in the store.

    Args:
        backend: The connection.
        wants: Whose queues they are.
    """

    def __init__(self, backend: RedisBackend, wants: Wants) -> None:
        super().__init__(backend, wants)
        keys = backend.keys
        sign = sha1("\n".join(sorted(self._names)).encode(), usedforsecurity=False).hexdigest()
        wanted = keys.wants(sign)
        self._keys = (
            keys.unacked,
            keys.index,
            keys.claims,
            keys.expiring,
            *keys.ready,
            wanted,
        )
        self._enlist = Call(SCRIPTS.enlist, [wanted], [_REMEMBERED, *self._names])
        self._enlisted = False
        self._by_bytes = {name.encode(): name for name in self._names}
        self._most = 0
        #: Whether most need no claim, and whether all are alike in that: others come with others.
        takes = [want.take for want in wants.values()]
        self._take = int(takes.count(True) * 2 > len(takes))
        self._alike = takes.count(bool(self._take)) == len(takes)
        self._otherwise: list[Any] = []
        self._rest: Packed | None = None
        self._rest_of: tuple[Any, ...] = ()
        self._wait_for_all: bytes | None = None
        #: At first everything is looked at: who filled the queues may have been kombu 5.7.
        self.look_at = 0.0
        self.roomy = False
        self.state: object = None

    def limit(self, wants: Wants, limit: int) -> None:
        """See `Asking.limit`."""
        if not wants:
            self.roomy = False
            return
        # A list, not a generator: this is done for each fetch, and there may be thousands.
        limits = [want.limit for want in wants.values()]
        most, take = max(limits), self._take
        self._most = min(most, limit)
        self.roomy = most > 0
        full: list[str] = []
        self.state = full
        otherwise: list[Any] = []
        self._otherwise = otherwise
        if self._alike and limits.count(most) == len(limits):
            return
        for name, want in wants.items():
            if want.limit != most or want.take != take:
                otherwise += (name, min(want.limit, limit), int(want.take))
                if want.limit <= 0:
                    full.append(name)

    def fetch(self, tags: str, limit: int, after_bell: bool) -> Call:
        """See `Asking.fetch`."""
        fairness = self._backend.fairness
        begin = fairness.begin() if fairness is not None else 0
        of = after_bell, self._most, self._take, begin, self._otherwise
        if self._rest is None or of != self._rest_of:
            keys = self._backend.keys
            self._rest_of = of
            self._rest = Packed.of(
                self._backend.claim_seconds,
                int(after_bell),
                f"{keys.prefix}_kombu6.",
                keys.prefix,
                _REMEMBERED,
                self._most,
                self._take,
                len(keys.steps),
                begin,
                *keys.endings,
                *self._otherwise,
            )
        return Call(SCRIPTS.gather, self._keys, (limit, tags, self._rest))

    def before(self) -> Sequence[Call]:
        """Write the names down, and look at all queues, where it is time to."""
        calls = [] if self._enlisted else [self._enlist]
        if self.look_at <= monotonic():
            calls += self.looks()
        return calls

    def told(self, answers: Sequence[Any]) -> bool:
        """See `Asking.told`."""
        looks = list(answers)
        if looks and not self._enlisted:
            self._enlisted = not isinstance(looks.pop(0), Exception)
        if not looks:
            return False
        again, marks = LOOK, 0
        for look in looks:
            if isinstance(look, Exception):
                # A server that is full, say; the next look is as soon as any.
                continue
            _, marked, due = look
            marks += marked
            if due:
                again = min(again, float(due))
        first, self.look_at = self.look_at == 0.0, monotonic() + again
        return marks > 0 and not first

    def wait(self, seconds: float) -> bytes:
        """See `Asking.wait`."""
        full = self.state
        if full:
            without = set(full)  # type: ignore[call-overload]
            pairs = zip(self._names, self._bells, strict=True)
            bells = [bell for name, bell in pairs if name not in without]
            return pack("BRPOP", *bells, f"{seconds:.3f}")
        if self._wait_for_all is None:
            self._wait_for_all = pack("BRPOP", *self._bells, "").rpartition(b"$")[0]
        word = b"%.3f" % seconds
        return b"%b$%d\r\n%b\r\n" % (self._wait_for_all, len(word), word)

    def queue(self, field: Any) -> str:
        """The queue of a name."""
        return self._by_bytes[field]

    def forgotten(self) -> None:
        """The store was emptied, or this consumer was frozen: begin anew."""
        self._enlisted = False
        self.look_at = 0.0
