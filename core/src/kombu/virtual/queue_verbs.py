"""AMQP's verbs about queues (0-9-1, section 1.7.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from kombu.transport.backend import Binding

from . import refusals
from .arguments import backoff, check_equivalent, queue_spec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kombu.transport.backend import QueueSpec, Session

    from .declarations import Declarations
    from .receiver import Receiver
    from .rules import Rules
    from .transport import Transport

__all__ = ("QueueVerbs", "queue_declare_ok_t")


class queue_declare_ok_t(NamedTuple):  # noqa: N801  documented name
    """The broker's answer to a declaration of a queue."""

    queue: str
    message_count: int
    consumer_count: int


class QueueVerbs:
    """Declares, binds, purges and deletes queues for one channel.

    Args:
        transport: The connection, which owns what is exclusive.
        session: Where queues are kept.
        declarations: What the connections of the store declared.
        receiver: Holds what was fetched and not handed out, which is still ready.
        rules: What the channel may do.
        vhost: The virtual host, for messages.

    Deadlines are in seconds of `time.monotonic`.
    """

    def __init__(
        self,
        transport: Transport,
        session: Session,
        declarations: Declarations,
        receiver: Receiver,
        rules: Rules,
        vhost: str,
    ) -> None:
        self._transport = transport
        self._session = session
        self._declarations = declarations
        self._receiver = receiver
        self._rules = rules
        self._vhost = vhost

    def exists(self, name: str, deadline: float) -> bool:
        """Whether there is such a queue."""
        return self._session.find_queue(name, deadline) is not None

    def must_exist(self, name: str, method: str, deadline: float) -> None:
        """Raise `ChannelError` (404) where there is no such queue."""
        if not self.exists(name, deadline):
            raise refusals.no_queue(name, self._vhost, method)

    def find(self, name: str, deadline: float) -> queue_declare_ok_t:
        """What a passive declaration answers; raises `ChannelError` (404)."""
        found = self._session.find_queue(name, deadline)
        if found is None:
            raise refusals.no_queue(name, self._vhost, "Queue.declare")
        return self._answer(name, found[1])

    def declare(
        self,
        name: str,
        durable: bool,
        exclusive: bool,
        auto_delete: bool,
        arguments: Mapping[str, Any] | None,
        deadline: float,
    ) -> queue_declare_ok_t:
        """Declare a queue; raises what ``Channel.queue_declare`` documents."""
        wanted = self.spec(name, durable, arguments, temporary=auto_delete or exclusive)
        self._rules.may_redeclare(name, auto_delete, exclusive)
        standing, ready = self._session.declare_queue(wanted, deadline)
        if self._transport.capabilities.queue_specs:
            check_equivalent(standing, wanted, self._vhost)
        self._declarations.add_queue(
            name,
            auto_delete,
            self._transport if exclusive else None,
            backoff(standing.arguments, self._transport.options.requeue_backoff_max),
        )
        return self._answer(name, ready)

    def spec(
        self,
        name: str,
        durable: bool,
        arguments: Mapping[str, Any] | None,
        *,
        temporary: bool,
    ) -> QueueSpec:
        """What to declare; raises `ChannelError` (406) where an argument makes no sense.

        A plugin may see to it that a `temporary` queue does not outlive a client that was killed.
        """
        return queue_spec(name, durable, arguments)

    def may_create(self, name: str, deadline: float) -> None:
        """Raise `ChannelError` (403) where a new queue would have a name of the broker's."""
        if self._rules.strict and not self.exists(name, deadline):
            self._rules.may_create(name, "Queue.declare")

    def _answer(self, name: str, ready: int) -> queue_declare_ok_t:
        ready += self._receiver.unseen(queue=name)
        return queue_declare_ok_t(name, ready, self._declarations.consumer_count(name))

    def bind(
        self,
        queue: str,
        exchange: str | None,
        key: str,
        arguments: Mapping[str, Any] | None,
        deadline: float,
    ) -> None:
        """Have `queue` receive what `exchange` routes to it."""
        self._rules.not_the_default(exchange, "Queue.bind")
        if self._rules.strict:
            self.must_exist(queue, "Queue.bind", deadline)
        self._rules.may_bind(exchange or "", arguments, "Queue.bind")
        if exchange:
            binding = Binding(exchange, queue, key, arguments)
            self._declarations.bind(binding)
            broadcasting = self._transport.routes.broadcasting
            if broadcasting is not None:
                broadcasting.bound(binding, deadline)

    def unbind(
        self,
        queue: str,
        exchange: str | None,
        key: str,
        arguments: Mapping[str, Any] | None,
        deadline: float,
    ) -> None:
        """Undo `bind`; unknown bindings are ignored."""
        if exchange:
            binding = Binding(exchange, queue, key, arguments)
            if binding in self._declarations.bindings(exchange):
                self._rules.may_use(queue, "Queue.unbind")
            self._declarations.unbind(binding)
            broadcasting = self._transport.routes.broadcasting
            if broadcasting is not None:
                broadcasting.unbound(binding, deadline)

    def delete(self, queue: str, if_unused: bool, if_empty: bool, deadline: float) -> int:
        """Delete a queue; raises `ChannelError` (406) where it is in use, or not empty."""
        self._receiver.give_back_of_queue(queue)
        if if_unused and self._declarations.consumer_count(queue):
            raise refusals.in_use("queue", queue, self._vhost, "Queue.delete")
        deleted = self._session.delete_queue(queue, deadline, if_empty=if_empty)
        if deleted is None:
            raise refusals.in_use("queue", queue, self._vhost, "Queue.delete", "not empty")
        self._declarations.forget_queue(queue)
        return deleted

    def purge(self, queue: str, deadline: float) -> int:
        """Drop the ready messages of a queue; return how many there were."""
        if self._rules.strict:
            self.must_exist(queue, "Queue.purge", deadline)
        self._receiver.give_back_of_queue(queue)
        return self._session.purge(queue, deadline)
