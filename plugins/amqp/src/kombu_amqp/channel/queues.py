"""The methods about queues and their bindings; those about exchanges are py-amqp's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from amqp import spec  # type: ignore[import-untyped]
from amqp.protocol import queue_declare_ok_t  # type: ignore[import-untyped]

from ..consume.cancelled import REDECLARE
from .base import BaseChannel

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("QueueMethods",)


class QueueMethods(BaseChannel):
    """``queue.*``; what was declared is noted where it may have to be declared again."""

    def queue_declare(
        self,
        queue: str = "",
        passive: bool = False,
        durable: bool = False,
        exclusive: bool = False,
        auto_delete: bool = True,
        nowait: bool = False,
        arguments: Mapping[str, Any] | None = None,
        argsig: str = "BsbbbbbF",
    ) -> Any:
        """Declare a queue; returns its name and how many messages and consumers it has."""
        answer = self.send_method(
            spec.Queue.Declare,
            argsig,
            (0, queue, passive, durable, exclusive, auto_delete, nowait, arguments),
            wait=None if nowait else spec.Queue.DeclareOk,
            returns_tuple=True,
        )
        connection = self.connection
        if connection is not None and connection.overdue is not None and auto_delete:
            connection.vanishing.add(queue if nowait else answer[0])
        if connection is not None and connection.consumer_cancelled == REDECLARE and not passive:
            connection.topology.declared(
                queue if nowait else answer[0],
                durable=durable,
                exclusive=exclusive,
                auto_delete=auto_delete,
                arguments=arguments,
            )
        return None if nowait else queue_declare_ok_t(*answer)

    def queue_bind(
        self,
        queue: str,
        exchange: str = "",
        routing_key: str = "",
        nowait: bool = False,
        arguments: Mapping[str, Any] | None = None,
        argsig: str = "BsssbF",
    ) -> Any:
        """Bind a queue to an exchange."""
        done = super().queue_bind(queue, exchange, routing_key, nowait, arguments, argsig)
        connection = self.connection
        if connection is not None and connection.consumer_cancelled == REDECLARE:
            connection.topology.bound(queue, exchange, routing_key, arguments)
        return done

    def queue_unbind(
        self,
        queue: str,
        exchange: str,
        routing_key: str = "",
        nowait: bool = False,
        arguments: Mapping[str, Any] | None = None,
        argsig: str = "BsssF",
    ) -> Any:
        """Take a binding away."""
        done = super().queue_unbind(queue, exchange, routing_key, nowait, arguments, argsig)
        connection = self.connection
        if connection is not None:
            connection.topology.unbound(queue, exchange, routing_key)
        return done
