"""In which order the hosts of a connection are tried."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, Any

from kombu.utils.ranges import shufflecycle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ("FAILOVER_STRATEGIES", "resolve_strategy", "round_robin")


def round_robin(hosts: Iterable[str]) -> Iterator[str]:
    """One after the other, for ever."""
    return cycle(hosts)


#: Strategies by the name that users give.
FAILOVER_STRATEGIES: dict[str, Callable[[Iterable[str]], Iterator[str]]] = {
    "round-robin": round_robin,
    "shuffle": shufflecycle,
}


def resolve_strategy(strategy: Any) -> Any:
    """A strategy by name, or the user's own: a callable from hosts to an endless iterator.

    Raises:
        ValueError: There is none of this name.
    """
    if not isinstance(strategy, str):
        return strategy or round_robin
    try:
        return FAILOVER_STRATEGIES[strategy]
    except KeyError:
        raise ValueError(
            f"{strategy!r} is no failover strategy: use one of "
            f"{', '.join(map(repr, FAILOVER_STRATEGIES))}, or a callable"
        ) from None
