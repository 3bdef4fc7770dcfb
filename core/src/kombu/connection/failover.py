"""In which order the hosts of a connection are tried."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, Any

from kombu.utils.ranges import shufflecycle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

__all__ = ("FAILOVER_STRATEGIES", "hosts_in_order", "resolve_strategy")


#: Strategies by the name that users give.
FAILOVER_STRATEGIES: dict[str, Callable[[Iterable[str]], Iterator[str]]] = {
    "round-robin": cycle,
    "shuffle": shufflecycle,
}


def resolve_strategy(strategy: Any) -> Any:
    """A strategy by name, or the user's own: a callable from hosts to an endless iterator.

    A name that there is not comes back as it is: whoever has one host may have it in the settings.
    """
    if isinstance(strategy, str):
        return FAILOVER_STRATEGIES.get(strategy, strategy)
    return strategy or cycle


def hosts_in_order(strategy: Any, hosts: Sequence[str]) -> Iterator[str]:
    """The hosts in the order of a strategy that `resolve_strategy` returned, for ever.

    Raises:
        ValueError: There is no strategy of this name.
    """
    if not callable(strategy):
        raise ValueError(  # noqa: TRY004  documented: a name that there is not
            f"{strategy!r} is no failover strategy: use one of "
            f"{', '.join(map(repr, FAILOVER_STRATEGIES))}, or a callable"
        )
    order: Iterator[str] = strategy(hosts)
    return order
