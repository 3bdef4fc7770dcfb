"""What a third party's channel overrides: how messages are stored, looked up and given back.

Messages are 5.7's dictionaries here (`kombu.virtual.envelope`).  What stands in `AbstractChannel`
forwards to the transport's backend; a subclass that overrides any of it gets a
`kombu.virtual.overlaid` channel, which calls what it overrides in place of the backend.
"""

from __future__ import annotations

import warnings
from queue import Empty
from typing import TYPE_CHECKING, Any, cast

from kombu.transport.backend import QueueSpec
from kombu.utils.scheduling import FairCycle
from kombu.utils.uuid import uuid

from .envelope import EXTRAS, from_payload, to_payload
from .warnings import UndeliverableWarning

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kombu.transport.backend import Session

__all__ = ("OVERRIDABLE", "AbstractChannel")

#: What a subclass overrides to have it called; everything else is overridden as in any class.
OVERRIDABLE = (
    "_get",
    "_put",
    "_size",
    "_purge",
    "_delete",
    "_new_queue",
    "_has_queue",
    "_poll",
    "_get_many",
    "_get_and_deliver",
    "drain_events",
    "_restore",
    "_restore_at_beginning",
    "_lookup",
    "_put_fanout",
    "_queue_bind",
    "get_table",
    "typeof",
    "exchange_types",
    "from_transport_options",
    "message_to_python",
    "Message",
    "QoS",
)


class AbstractChannel:
    """The methods that say how a virtual channel stores its messages.

    Not to be subclassed directly: subclass `kombu.transport.virtual.Channel`.  A store that needs
    no backend is done with `_get`, `_put`, `_size` and `_purge`; the others have defaults.
    """

    # What the channel brings that is not here.
    connection: Any
    deadletter_queue: str | None
    get_table: Callable[[str], Any]
    typeof: Callable[[str], Any]
    _deadline: Callable[[], float]

    _cycle: FairCycle | None = None

    # -- the store ---------------------------------------------------------------------------

    def _get(self, queue: str, timeout: float | None = None) -> dict[str, Any]:
        """Remove and return the first message of `queue`.

        Raises:
            Empty: (`queue.Empty`) There is none.
        """
        delivery = self.connection.take_one(queue, True)
        if delivery is None:
            raise Empty
        payload = to_payload(delivery.envelope, uuid())
        if delivery.redelivered:
            payload["redelivered"] = True
        return payload

    def _put(self, queue: str, message: dict[str, Any], **kwargs: Any) -> None:
        """Store a message at the end of `queue`."""
        for _, error in self._below.put([(queue, from_payload(message))], self._deadline()):
            raise error

    def _size(self, queue: str) -> int:
        """How many messages of `queue` are ready."""
        return self._below.size(queue, self._deadline())

    def _purge(self, queue: str) -> int:
        """Drop the ready messages of `queue`; return how many there were."""
        return self._below.purge(queue, self._deadline())

    def _delete(self, queue: str, *args: Any, **kwargs: Any) -> None:
        """Delete `queue`: called with ``(exchange, routing_key, pattern, queue)`` of each binding
        behind the name.
        """
        self._below.delete_queue(queue, self._deadline())

    def _new_queue(self, queue: str, **kwargs: Any) -> None:
        """Create `queue` unless it is there; `kwargs` are those of ``queue_declare``."""
        arguments = dict(kwargs.get("arguments") or {})
        spec = QueueSpec(queue, durable=bool(kwargs.get("durable")), arguments=arguments)
        self._below.declare_queue(spec, self._deadline())

    def _has_queue(self, queue: str, **kwargs: Any) -> bool:
        """Whether `queue` is there."""
        return self._below.find_queue(queue, self._deadline()) is not None

    @property
    def _below(self) -> Session:
        """The backend's session, under whatever a subclass lays over it."""
        return cast("Session", self.connection.session)

    # -- waiting -----------------------------------------------------------------------------

    @property
    def cycle(self) -> FairCycle:
        """The queues that have consumers, in turns."""
        found = self._cycle
        if found is None:
            found = self._cycle = FairCycle(self._get_and_deliver, [], Empty)
        found.resources = self._active_queues
        return found

    @property
    def _active_queues(self) -> list[str]:
        """The queues that have consumers on this channel."""
        raise NotImplementedError(f"{type(self).__name__} is no channel: subclass virtual.Channel")

    def _poll(self, cycle: FairCycle, callback: Callable[..., Any], timeout: Any = None) -> Any:
        """Hand the next message of the queues of `cycle` to ``callback(message, queue)``.

        Raises:
            Empty: (`queue.Empty`) There is none.
        """
        return cycle.get(callback)

    def _get_and_deliver(self, queue: str, callback: Callable[..., Any]) -> None:
        callback(self._get(queue), queue)

    # -- routes ------------------------------------------------------------------------------

    def _lookup(self, exchange: str, routing_key: str, default: str | None = None) -> Sequence[str]:
        """The queues that a message goes to; `default` (or ``deadletter_queue``) where it fits
        none, with an `UndeliverableWarning`.
        """
        if default is None:
            default = self.deadletter_queue
        if not exchange:
            return [routing_key or default or ""]
        kind = self.typeof(exchange)
        queues = list(kind.lookup(self.get_table(exchange), exchange, routing_key, default))
        if not queues and default is not None:
            warnings.warn(undeliverable(exchange, routing_key), stacklevel=2)
            self._new_queue(default)
            queues = [default]
        return queues

    def _put_fanout(
        self, exchange: str, message: dict[str, Any], routing_key: str | None = None, **kwargs: Any
    ) -> None:
        """Broadcast a message: put it into every queue that is bound to `exchange`."""
        for queue in self._lookup(exchange, routing_key or ""):
            self._put(queue, message, **kwargs)

    def _queue_bind(self, exchange: str, routing_key: str, pattern: Any, queue: str) -> None:
        """Called with each new binding, for a store that broadcasts by itself; the base class
        needs nothing.
        """

    # -- giving back -------------------------------------------------------------------------

    def _restore(self, message: Any) -> None:
        """Put an unacknowledged message back into its queue, marked as redelivered."""
        payload = message.serializable()
        payload["redelivered"] = True
        extras = payload["properties"].setdefault(EXTRAS, {})
        extras["count"] = extras.get("count", 0) + 1
        for queue in self._origin(message):
            self._put(queue, payload)

    def _restore_at_beginning(self, message: Any) -> None:
        """Put a message back so that it comes first, where the store can; see `_restore`."""
        self._restore(message)

    def _origin(self, message: Any) -> Sequence[str]:
        queue = getattr(message, "source_queue", None)
        delivery = getattr(message, "_delivery", None)
        if queue is None and delivery is not None:
            queue = delivery.queue
        if queue is not None:
            return [queue]
        info = message.delivery_info
        return self._lookup(info.get("exchange") or "", info.get("routing_key") or "")


def undeliverable(exchange: str, routing_key: str) -> UndeliverableWarning:
    """The warning for a message that fits no queue."""
    return UndeliverableWarning(
        f"Message could not be delivered: No queues bound to exchange {exchange!r} "
        f"using binding key {routing_key!r}."
    )
