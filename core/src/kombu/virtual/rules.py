"""What a channel may do to which exchange or queue.

`strict` asks for what RabbitMQ refuses and 5.7's virtual transports let pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kombu.exchange_types.headers import X_MATCH_MODES

from . import refusals

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kombu.envelope import Envelope

    from .declarations import Declarations

__all__ = ("Rules",)

HIGHEST_PRIORITY = 255


class Rules:
    """The rules of one connection.  Every method returns nothing, or raises what RabbitMQ answers.

    Args:
        declarations: What is declared.
        owner: The connection, as the owner of exclusive queues.
        vhost: Its virtual host, for messages.
        strict: Whether to be as strict as RabbitMQ.
    """

    def __init__(self, declarations: Declarations, owner: object, vhost: str, strict: bool) -> None:
        self._declarations = declarations
        self._owner = owner
        self._vhost = vhost
        self.strict = strict

    def may_use(self, queue: str, method: str) -> None:
        """A queue that another connection has exclusively is not to be touched."""
        if not self.strict:
            # A worker that comes back may find that its old connection is not quite gone.
            return
        record = self._declarations.queue(queue)
        if record is not None and record.owner not in (None, self._owner):
            raise refusals.locked(queue, self._vhost, method)

    def may_create(self, name: str, method: str) -> None:
        """Names that begin with ``amq.`` are the broker's."""
        if self.strict and name.startswith("amq."):
            raise refusals.reserved_name(name, method)

    def not_the_default(self, exchange: str | None, method: str) -> None:
        """The default exchange can be neither bound nor deleted."""
        if self.strict and exchange == "":
            raise refusals.default_exchange(method)

    def exchange_exists(self, exchange: str, method: str) -> None:
        """An exchange has to be declared before it is used."""
        if self.strict and exchange and self._declarations.find_exchange(exchange) is None:
            raise refusals.no_exchange(exchange, self._vhost, method)

    def may_bind(self, exchange: str, arguments: Mapping[str, Any] | None, method: str) -> None:
        """A binding has to fit its exchange."""
        self.exchange_exists(exchange, method)
        spec = self._declarations.find_exchange(exchange)
        if spec is not None and spec.type == "headers" and arguments:
            mode = arguments.get("x-match", "all")
            if mode not in X_MATCH_MODES:
                raise refusals.invalid_x_match(mode, X_MATCH_MODES, method)

    def check_priority(self, envelope: Envelope) -> None:
        """Priorities are of one octet; others become the nearest, and what is no number 0."""
        priority = envelope.priority
        whole = isinstance(priority, int)
        if whole and 0 <= priority <= HIGHEST_PRIORITY:
            return
        if self.strict:
            raise refusals.invalid_priority(priority)
        envelope.priority = max(0, min(priority, HIGHEST_PRIORITY)) if whole else 0

    def may_redeclare(self, queue: str, auto_delete: bool, exclusive: bool) -> None:
        """A queue is declared with the same options everywhere."""
        record = self._declarations.queue(queue)
        if record is None:
            return
        if exclusive and record.owner is None:
            raise refusals.not_exclusive(queue, self._vhost)
        if auto_delete != record.auto_delete:
            raise refusals.queue_differs(
                queue, self._vhost, "auto_delete", auto_delete, record.auto_delete
            )
