"""Declaring once for each connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .exceptions import RecoverableConnectionError
from .utils.deadlines import current, operation_timeout, within

if TYPE_CHECKING:
    from .entity import Exchange, Queue

__all__ = ("DeclaredEntities", "maybe_declare")

#: How many objects are remembered by identity.
MOST_REMEMBERED = 1000


class Epoch:
    """A time in which what was declared on a connection stands; see `DeclaredEntities.epoch`."""

    __slots__ = ("current",)

    def __init__(self) -> None:
        self.current = True


class DeclaredEntities(set[int]):
    """Hashes of what was declared on a connection, and the very objects, for a quick look."""

    def __init__(self) -> None:
        super().__init__()
        #: For who declared something here and wants to know whether that still stands.
        self.epoch = Epoch()
        # The object is kept beside its name: its identity is not given to another meanwhile.
        self._objects: dict[int, tuple[Any, str]] = {}

    def is_known(self, entity: Any) -> bool:
        """Whether this very object was declared under the name that it has now."""
        known = self._objects.get(id(entity))
        return known is not None and known[1] == entity.name

    def remember(self, entity: Any) -> None:
        """Note that this very object was declared."""
        if len(self._objects) >= MOST_REMEMBERED:
            self._objects.clear()
        self._objects[id(entity)] = (entity, entity.name)

    def clear(self) -> None:
        """Forget everything: the broker may have, too."""
        super().clear()
        self._objects.clear()
        self.epoch.current = False
        self.epoch = Epoch()


def maybe_declare(
    entity: Exchange | Queue,
    channel: Any = None,
    retry: bool = False,
    *,
    timeout: float | None = None,
    **retry_policy: Any,
) -> bool:
    """Declare an exchange or queue, unless that was done on this connection.

    Args:
        entity: What to declare.
        channel: Channel to use; that of the entity where it is not given.
        retry: Try again where the connection is lost.
        timeout: Seconds that everything may take, retries included; `None`: the
            ``operation_timeout``, and no limit where the policy has ``max_retries=None``.
        **retry_policy: Arguments of `Connection.ensure`; without ``max_retries`` it is 3.

    Returns:
        Whether it was declared now.

    Raises:
        RecoverableConnectionError: The channel lost its connection.
    """
    for_ever = retry and retry_policy.get("max_retries", 0) is None
    if timeout is None and current.deadline is None and not for_ever:
        timeout = operation_timeout(channel if channel is not None else entity._channel)  # noqa: SLF001
    with within(timeout):
        return _maybe_declare(entity, channel, retry, retry_policy)


def _maybe_declare(
    entity: Exchange | Queue, channel: Any, retry: bool, retry_policy: dict[str, Any]
) -> bool:
    original = entity
    if not entity.is_bound:
        if channel is None:
            # Says what to do about an entity that is not bound.
            return bool(entity.channel)
        entity = entity.bind(channel)
    if channel is None:
        channel = entity.channel
    transport = channel.connection
    client = None if transport is None else transport.client
    if client is None:
        raise RecoverableConnectionError(
            "channel disconnected: open a new one, or publish with retry=True"
        )
    declared = client.declared_entities
    known = hash(entity)
    if entity.can_cache_declaration and known in declared:
        declared.remember(original)
        return False
    if retry:
        # By its own channel, which is replaced with the connection.
        bound = entity if entity.channel is channel else entity.bind(channel)
        client.retrying(bound, **retry_policy).call(bound.declare)
    else:
        entity.declare(channel=channel)
    if entity.can_cache_declaration:
        declared.add(known)
        declared.remember(original)
    return True
