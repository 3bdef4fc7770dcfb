"""What a consumer knows of its queues: which have something, which are told of, which are away."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kombu.transport.backend import Wants

    from ..keys import ClusterKeys

__all__ = ("KnownQueues", "Room")

#: After how long queues that were empty are asked again though nobody rang (seconds): for each of
#: them this much, and at least and at most that much.
_PAUSE_EACH, _PAUSE, _LONGEST_PAUSE = 0.01, 1.0, 5.0
#: How often they are asked by who has no time to wait (seconds).
_GLANCE = 0.02
#: Up to how many queues are waited for anew by each fetch, and asked by who does not wait.
_FEW = 100


class Room(NamedTuple):
    """What a fetch asks for, and has room for."""

    wants: Wants
    #: How many messages in all.
    limit: int
    #: How many more of each queue.
    limits: dict[str, int]
    #: The queues of which it may be any.
    roomy: list[str]

    @classmethod
    def of(cls, wants: Wants, limit: int) -> Room:
        """The room that there is when a fetch begins."""
        limits = {name: min(want.limit, limit) for name, want in wants.items()}
        return cls(wants, limit, limits, [name for name, most in limits.items() if most > 0])


class KnownQueues:
    """What is known of the queues that are wanted.  Used by one thread at a time.

    Args:
        keys: The names of their keys.
    """

    def __init__(self, keys: ClusterKeys) -> None:
        self._keys = keys
        #: The queues by the key that is rung with.
        self._bells: dict[bytes, str] = {}
        #: Queues that may have something, ...
        self._hot: dict[str, None] = {}
        #: ... those whose master will tell, and when they are asked nevertheless, ...
        self._waiting: set[str] = set()
        self._waiting_until = 0.0
        #: ... those whose master could not be asked just now, ...
        self._dark: set[str] = set()
        #: ... and those that were rung for.
        self._rung: set[str] = set()
        #: When something is due, by queue, in seconds of `time.monotonic`.
        self._due: dict[str, float] = {}
        self._glance_at = 0.0
        #: Whether they are so many that they stay waited for while their consumer works.
        self.many = False

    def begin(self, wants: Wants) -> None:
        """Others are wanted."""
        self.many = len(wants) > _FEW
        self._bells = {self._keys.queue(name)[1].encode(): name for name in wants}
        # Who has one queue asks it at once.
        self._hot = dict.fromkeys(wants) if len(wants) == 1 else {}
        self._due = {}
        self._rung.clear()
        self._glance_at = 0.0

    # -- those that may have something ---------------------------------------------------------

    def hot(self, room: Room) -> list[str]:
        """Those that may have something for which there is room."""
        if not self._hot:
            return []
        limits = room.limits
        return [name for name in self._hot if limits.get(name, 0) > 0]

    def heat(self, name: str) -> None:
        """A queue may have something."""
        self._hot[name] = None

    def exhaust(self, name: str) -> None:
        """A queue had less than it was asked for."""
        self._hot.pop(name, None)

    def answer(self, name: str, answer: Sequence[Any], listens: bool) -> None:
        """A master told of a queue; `listens` is whether it will tell when there is more."""
        ready, now, due = answer
        self.note_due(name, due, float(now))
        if ready:
            self._hot[name] = None
            self._waiting.discard(name)
        elif listens:
            self._waiting.add(name)

    # -- those that are rung for ---------------------------------------------------------------

    def ring(self, bell: bytes, room: Room) -> bool:
        """A queue was rung for; whether there is room for what it has."""
        name = self._bells.get(bell)
        if name is None or room.limits.get(name, 0) <= 0:
            return False
        self._waiting.discard(name)
        self._rung.add(name)
        self._hot[name] = None
        return True

    def was_rung(self, name: str) -> bool:
        """Whether a queue was rung for and not asked since."""
        return name in self._rung

    def asked(self, name: str) -> None:
        """A queue that was rung for was asked."""
        self._rung.discard(name)

    def named(self, bells: Sequence[bytes]) -> set[str]:
        """The queues that were rung for."""
        return {self._bells[bell] for bell in bells if bell in self._bells}

    # -- those that are waited for -------------------------------------------------------------

    @property
    def waits(self) -> bool:
        """Whether a master will tell of one."""
        return bool(self._waiting)

    def wait_no_more(self) -> None:
        """No master tells of any of them; they are asked as soon as they matter again."""
        self._waiting.clear()
        self._waiting_until = 0.0

    def mistrust(self) -> None:
        """A master that would have told may be gone."""
        self._waiting.clear()

    def tire(self, now: float, count: int) -> None:
        """Ask those that are waited for again, if it was long ago; `count` is how many they are."""
        if now >= self._waiting_until:
            self._waiting.clear()
            pause = max(_PAUSE, count * _PAUSE_EACH)
            self._waiting_until = now + min(pause, _LONGEST_PAUSE)

    def unknown(self, room: Room) -> list[str]:
        """Those of which nobody would tell, but for those that can't be asked just now."""
        known = self._waiting | self._dark if self._dark else self._waiting
        return [name for name in room.roomy if name not in known]

    def glance(self, now: float) -> bool:
        """Whether who has no time to wait is to ask again the queues that were empty."""
        if now < self._glance_at:
            return False
        self._glance_at = now + _GLANCE
        return True

    def cold(self, names: Sequence[str]) -> list[str]:
        """Those of some that are not known to have something, and can be asked just now."""
        return [name for name in names if name not in self._hot and name not in self._dark]

    # -- those that can't be asked -------------------------------------------------------------

    def darken(self, name: str) -> None:
        """Its master could not be asked."""
        self._dark.add(name)

    def brighten(self) -> None:
        """Ask also those that could not be asked."""
        self._dark.clear()

    # -- what is due ---------------------------------------------------------------------------

    def note_due(self, name: str, due: bytes, now: float) -> None:
        """When something of a queue is due, if it is, and what time it is at its master."""
        if due:
            self._due[name] = monotonic() + float(due) - now
        else:
            self._due.pop(name, None)

    def until(self, room: Room) -> float:
        """Up to when there is nothing to ask, if nobody rings (`time.monotonic`)."""
        dues = [self._due[name] for name in room.roomy if name in self._due] if self._due else []
        return min([self._waiting_until, *dues])

    def fall_due(self, room: Room) -> None:
        """Ask those of which something is due now."""
        if not self._due:
            return
        now = monotonic()
        for name in [name for name in room.roomy if self._due.get(name, now + 1) <= now]:
            del self._due[name]
            self._waiting.discard(name)
