"""What 5.7 documents of a virtual channel beside AMQP's verbs: what subclasses set or read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, cast

from kombu.exchange_types import BUILTIN
from kombu.transport.backend import Delivery
from kombu.transport.base import StdChannel

from .codecs import Base64
from .envelope import from_payload
from .exchange import (
    DirectExchange,
    ExchangeType,
    FanoutExchange,
    RoutedExchange,
    TopicExchange,
)
from .message import Message as VirtualMessage
from .message import from_delivery
from .qos import QoS as VirtualQoS
from .spi import OVERRIDABLE, AbstractChannel
from .tables import add_channel_types

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from .consuming import Consumers
    from .declarations import Declarations
    from .exchange import Row
    from .state import BrokerState

__all__ = ("DocumentedChannel",)


class DocumentedChannel(AbstractChannel, StdChannel):
    """The class attributes and helpers of `kombu.transport.virtual.Channel`.

    A subclass that overrides nothing of `OVERRIDABLE` is a channel as it stands.  One that does
    makes instances with `kombu.virtual.overlaid.OverlaidChannel` behind it, which calls what the
    subclass overrides.  The channels of a plugin that overrides documented names and wants none of
    that say ``class Channel(virtual.Channel, native=True)``; what their subclasses override counts.
    """

    QoS: ClassVar[Any] = VirtualQoS
    Message: ClassVar[type[VirtualMessage]] = VirtualMessage

    #: What the subclass overrides of `OVERRIDABLE`.
    overrides: ClassVar[frozenset[str]] = frozenset()

    #: Names of transport options that become attributes of the channel.
    from_transport_options: tuple[str, ...] = ("body_encoding", "deadletter_queue")
    #: How bodies travel inside the text of an envelope: a name of `codecs`, or `None` for plain.
    body_encoding: str | None = "base64"
    #: Encodings of bodies by name: objects with ``encode`` and ``decode``.
    codecs: ClassVar[dict[str, Any]] = {"base64": Base64()}
    #: Where messages go that fit no queue; `None`: the transport option of this name.
    deadletter_queue: str | None = None
    #: Whether closing gives unsettled messages back, where a subclass stores them itself.
    do_restore = True
    #: Whether a subclass that overrides ``_put_fanout`` is to be given broadcasts.
    supports_fanout = False
    #: The classes of exchange types by name; a subclass may add and replace some.
    exchange_types: ClassVar[Mapping[str, Any]] = {
        "direct": DirectExchange,
        "topic": TopicExchange,
        "fanout": FanoutExchange,
    }
    #: The priorities there are, and that of a message without one.
    min_priority = 0
    max_priority = 9
    default_priority = 0

    #: Asked before each fetch whether there may be one; see `ask_before_fetch`.
    gate: Callable[[], bool] | None = None

    closed: bool
    #: The class whose names count as not overridden.
    _plain: ClassVar[Any]
    _declarations: Declarations
    _consumers: Consumers
    queue_delete: Callable[..., int]
    _next_tag: Callable[[], int]
    _qos: Any = None
    _types: dict[str, Any] | None = None

    def __init_subclass__(cls, native: bool = False, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        plain = cls if native else cls._plain
        cls._plain = plain
        cls.overrides = frozenset(
            name
            for name in OVERRIDABLE
            if getattr(cls, name, None) is not getattr(plain, name, None)
        )
        if "exchange_types" in cls.overrides:
            add_channel_types(cls.exchange_types)
        if cls.overrides or any(
            getattr(cls, name) is not getattr(plain, name)
            for name in ("basic_publish", "prepare_message")
        ):
            # Such a subclass knows messages as dictionaries only.
            cls.takes_envelopes = False

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG004  __init__'s
        """Make an instance of the class, or of the one that `overlaid` makes of it."""
        if not cls.overrides:
            return super().__new__(cls)
        # Only a third party's channel pays for what it takes.
        from .overlaid import overlaid

        return super().__new__(cast("type[DocumentedChannel]", overlaid(cls)))

    # -- quality of service ------------------------------------------------------------------

    @property
    def qos(self) -> Any:
        """The channel's `QoS`."""
        found = self._qos
        if found is None:
            found = self._qos = self.QoS(self)
        return found

    def ask_before_fetch(self, gate: Callable[[], bool] | None) -> None:
        """Have `gate` asked before each fetch whether there may be one; `None`: ask no more."""
        self.gate = gate
        self._limits_changed()

    def _limits_changed(self) -> None:
        """Told when a limit of the channel's consumers changed."""

    # -- what was declared -------------------------------------------------------------------

    @property
    def state(self) -> BrokerState:
        """The exchanges and bindings of the connection."""
        return cast("BrokerState", self.connection.state)

    def typeof(self, exchange: str, default: str = "direct") -> ExchangeType:
        """The type of an exchange, that of `default` where nobody declared it."""
        spec = self._declarations.find_exchange(exchange)
        name = default if spec is None else spec.type
        if self._types is None:
            self._types = {}
        found = self._types.get(name)
        if found is None:
            cls = self.exchange_types.get(name)
            found = RoutedExchange(self, name) if cls is None else cls(self)
            self._types[name] = found
        return cast("ExchangeType", found)

    def get_table(self, exchange: str) -> Sequence[Row]:
        """The bindings of an exchange as (routing key, pattern, queue)."""
        prepare = self.typeof(exchange).prepare_bind
        return [
            prepare(b.destination, exchange, b.routing_key, b.arguments)
            for b in self._declarations.bindings(exchange)
            if not b.to_exchange
        ]

    def get_exchanges(self) -> list[str]:
        """The names of the declared exchanges."""
        return [spec.name for spec in self._declarations.exchanges()]

    def list_bindings(self) -> list[tuple[str, str, str]]:
        """All bindings as (queue, exchange, routing key)."""
        bindings = self._declarations.bindings()
        return [(b.destination, b.exchange, b.routing_key) for b in bindings if not b.to_exchange]

    def get_bindings(self) -> Iterable[dict[str, str]]:
        """All bindings as dictionaries with ``source``, ``destination`` and ``routing_key``."""
        for queue, exchange, routing_key in self.list_bindings():
            yield {"source": exchange, "destination": queue, "routing_key": routing_key}

    def after_reply_message_received(self, queue: str) -> None:
        """Delete a reply queue that has served its purpose."""
        self.queue_delete(queue)

    def _routes_plainly(self, exchange: str) -> bool:
        """Whether the core's router knows all there is to the type of an exchange."""
        spec = self._declarations.find_exchange(exchange)
        if spec is None or spec.type not in self.exchange_types:
            return True
        plain = DocumentedChannel.exchange_types.get(spec.type)
        return spec.type in BUILTIN and self.exchange_types[spec.type] is plain

    @property
    def _active_queues(self) -> list[str]:
        return list(dict.fromkeys(consumer.queue for consumer in self._consumers.values()))

    def receive(self, payload: dict[str, Any], queue: str) -> bool:
        """Take a message (5.7's dictionary) for `queue` that did not come by a fetch, so that there
        is nobody to acknowledge it to; returns whether the channel has a consumer for it.
        """
        for consumer in list(self._consumers.values()):
            if consumer.queue == queue:
                delivery = Delivery(queue, None, from_payload(payload), taken=True)
                consumer.callback(from_delivery(self, self._next_tag(), delivery))
                return True
        return False

    # -- messages, bodies and priorities -----------------------------------------------------

    def prepare_message(
        self,
        body: Any,
        priority: int | None = None,
        content_type: str | None = None,
        content_encoding: str | None = None,
        headers: dict[str, Any] | None = None,
        properties: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """A message in the form of 5.7's virtual transports, to be given to `basic_publish`."""
        properties = properties or {}
        properties.setdefault("delivery_info", {})
        properties.setdefault("priority", priority or 0)
        return {
            "body": body,
            "content-encoding": content_encoding,
            "content-type": content_type,
            "headers": headers or {},
            "properties": properties,
        }

    def message_to_python(self, raw_message: Any) -> VirtualMessage:
        """A message in the form of 5.7's virtual transports as a `Message` of this channel."""
        if isinstance(raw_message, VirtualMessage):
            return raw_message
        return self.Message(raw_message, channel=self)

    def encode_body(self, body: Any, encoding: str | None = None) -> tuple[Any, str | None]:
        """The body as it is stored, and the name of the encoding that was used, if any."""
        if encoding:
            return self._codec(encoding).encode(body), encoding
        return body, encoding

    def decode_body(self, body: Any, encoding: str | None = None) -> Any:
        """Undo `encode_body`."""
        return self._codec(encoding).decode(body) if encoding else body

    def _codec(self, encoding: str) -> Any:
        try:
            return self.codecs[encoding]
        except KeyError:
            raise KeyError(
                f"{type(self).__name__} has no codec {encoding!r} for bodies, only "
                f"{sorted(self.codecs)}: set body_encoding to one of them, or to None for plain"
            ) from None

    def _get_message_priority(self, message: Mapping[str, Any], reverse: bool = False) -> int:
        """The priority of a message (5.7's dictionary), within ``min_priority`` and
        ``max_priority``; with `reverse`, where lower numbers come first.
        """
        try:
            wanted = int(message["properties"]["priority"])
        except (KeyError, TypeError, ValueError):
            wanted = self.default_priority
        priority = max(min(wanted, self.max_priority), self.min_priority)
        return self.max_priority - priority if reverse else priority
