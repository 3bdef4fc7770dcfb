"""Declaring once for each connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .exceptions import RecoverableConnectionError

if TYPE_CHECKING:
    from .abstract import MaybeChannelBound

__all__ = ("maybe_declare",)


def maybe_declare(
    entity: MaybeChannelBound, channel: Any = None, retry: bool = False, **retry_policy: Any
) -> bool:
    """Declare an exchange or queue, unless that was done on this connection.

    Args:
        entity: What to declare.
        channel: Channel to use; that of the entity where it is not given.
        retry: Try again where the connection is lost.
        **retry_policy: Arguments of `Connection.ensure`.

    Returns:
        Whether it was declared now.

    Raises:
        RecoverableConnectionError: The channel lost its connection.
    """
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
        return False
    if retry:
        client.ensure(entity, entity.declare, **retry_policy)(channel=channel)
    else:
        entity.declare(channel=channel)  # type: ignore[attr-defined]  exchanges and queues have it
    if entity.can_cache_declaration:
        declared.add(known)
    return True
