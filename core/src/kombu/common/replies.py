"""Answering requests, and what was declared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kombu import serialization
from kombu.messaging import Producer

if TYPE_CHECKING:
    from kombu.entity import Exchange, Queue

__all__ = ("declaration_cached", "send_reply")


def declaration_cached(entity: Exchange | Queue, channel: Any) -> bool:
    """Whether `maybe_declare` has declared an exchange or queue on the channel's connection."""
    return hash(entity) in channel.connection.client.declared_entities


def send_reply(
    exchange: Exchange | str,
    req: Any,
    msg: Any,
    producer: Producer | None = None,
    retry: bool = False,
    retry_policy: dict[str, Any] | None = None,
    *,
    timeout: float | None = None,
    **props: Any,
) -> Any:
    """Send the answer to a request, to the routing key that its ``reply_to`` names.

    Args:
        exchange: Where replies go.
        req: The request, a `kombu.Message`.
        msg: The answer; serialized as the request was.
        producer: What sends it; by default a producer on the channel of the request.
        retry: Send it again where the connection is lost.
        retry_policy: How often and when: arguments of `Connection.ensure`.
        timeout: Seconds that it may take; `None`: the ``operation_timeout``.
        **props: Further arguments of `Producer.publish`.

    Raises:
        KeyError: The request says nothing of where to answer.
    """
    wanted = req.properties
    if "reply_to" not in wanted:
        raise KeyError(
            "the request has no reply_to: its sender has to name a queue that replies go to"
        )
    if producer is None:
        producer = Producer(req.channel)
    if timeout is not None:
        props["timeout"] = timeout
    options: dict[str, Any] = {
        "routing_key": wanted["reply_to"],
        "correlation_id": wanted.get("correlation_id"),
    }
    serializer = serialization.registry.type_to_name.get(req.content_type)
    if serializer is not None:
        options.update(serializer=serializer, content_encoding=req.content_encoding)
    return producer.publish(
        msg, exchange=exchange, retry=retry, retry_policy=retry_policy, **{**options, **props}
    )
