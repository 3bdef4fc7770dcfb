"""A store that can be told not to answer, or not to be there."""

from __future__ import annotations

import time
from time import monotonic
from typing import TYPE_CHECKING, Any, ClassVar

from plain_store import LeasingSession, PlainBackend

from kombu.plugins import TransportSpec, hookimpl
from kombu.testing.runs import patient
from kombu.transport.capabilities import Capabilities

if TYPE_CHECKING:
    from kombu.transport.backend import Binding, Role

#: How much longer than its deadline a call may take (seconds).
LATE = patient(0.5)


class Trouble:
    """What is wrong with the store, for all connections to it."""

    def __init__(self) -> None:
        #: Whether it takes calls and never answers.
        self.silent = False
        #: What every call raises.
        self.error: Exception | None = None
        #: How many calls came while something was wrong.
        self.calls = 0
        #: Deadlines further away than this are a mistake of the caller's.
        self.longest: float | None = None

    def meet(self, deadline: float | None) -> None:
        """Stand in for a round trip to the store."""
        if self.error is None and not self.silent:
            return
        self.calls += 1
        if self.error is not None:
            raise self.error
        if deadline is None:
            return  # on its way, nobody waits
        left = deadline - monotonic()
        if self.longest is not None and left > self.longest:
            raise AssertionError(f"a call was given {left:.1f} s, more than {self.longest} s")
        time.sleep(max(left, 0.0))
        raise TimeoutError("the store did not answer in time")


class HangingSession(LeasingSession):
    """Has all its calls meet the trouble; its bindings are the store's."""

    def __init__(self, backend: HangingBackend) -> None:
        super().__init__(backend)
        self._bindings = backend.bindings

    def bind(self, binding: Binding, type: str | None, deadline: float) -> None:
        HangingBackend.trouble.meet(deadline)
        self._bindings.append(binding)

    def unbind(self, binding: Binding, type: str | None, deadline: float) -> None:
        HangingBackend.trouble.meet(deadline)

    def load(
        self, exchange: str, type: str | None, deadline: float
    ) -> tuple[object, list[Binding]]:
        HangingBackend.trouble.meet(deadline)
        return None, [b for b in self._bindings if b.exchange == exchange]

    def fresh(self, exchange: str, stamp: object) -> bool:
        return True


def _met(name: str, position: int) -> Any:
    plain = getattr(LeasingSession, name)

    def method(self: HangingSession, *args: Any, **kwargs: Any) -> Any:
        deadline = args[position] if len(args) > position else kwargs["deadline"]
        HangingBackend.trouble.meet(deadline)
        return plain(self, *args, **kwargs)

    return method


for _name, _position in {
    "declare_queue": 1,
    "find_queue": 1,
    "delete_queue": 1,
    "put": 1,
    "fetch": 2,
    "size": 1,
    "purge": 1,
    "maintain": 2,
    "settle": 2,
    "renew": 2,
}.items():
    setattr(HangingSession, _name, _met(_name, _position))


class HangingBackend(PlainBackend):
    """One store for the process, which may stop to answer."""

    capabilities = Capabilities(ordering=True, concurrent_sessions=True)
    session_class = HangingSession
    trouble: ClassVar[Trouble] = Trouble()

    def __init__(self, client: Any, options: Any) -> None:
        super().__init__(client, options)
        self.bindings: list[Binding] = []

    def open(self, role: Role, deadline: float) -> Any:
        self.trouble.meet(deadline)
        return HangingSession(self)

    def close(self, deadline: float) -> None:
        self.trouble.meet(deadline)

    def enter(self) -> None:
        """Any thread may come in."""


class HangingPlugin:
    """Brings it as a transport."""

    @hookimpl
    def kombu_transports(self) -> list[TransportSpec]:
        return [
            TransportSpec(
                name="hanging", schemes=("hanging",), backend="hanging_store:HangingBackend"
            )
        ]


__all__ = ("LATE", "HangingBackend", "HangingPlugin", "Trouble")
