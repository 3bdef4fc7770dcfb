"""Declarations: exchanges, queues and the bindings between them.

A declaration is plain data that can be pickled and kept in configuration; bound to a channel
(``queue(channel)``) it makes a copy that can act.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from .abstract import MaybeChannelBound, Object
from .exceptions import ContentDisallowed
from .serialization import prepare_accept_content

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ("Exchange", "Queue", "binding", "maybe_delivery_mode", "pretty_bindings")

TRANSIENT_DELIVERY_MODE = 1
PERSISTENT_DELIVERY_MODE = 2
DELIVERY_MODES = {
    "transient": TRANSIENT_DELIVERY_MODE,
    "persistent": PERSISTENT_DELIVERY_MODE,
}

_BINDINGS = "a binding, or a list of them, made by kombu.binding() or exchange.binding()"

#: Exchanges of the broker itself start with this and are never declared (AMQP 0-9-1, 1.7.2.2).
INTERNAL_EXCHANGE_PREFIX = ("amq.",)


def maybe_delivery_mode(
    v: Any, modes: Mapping[str, int] | None = None, default: int = PERSISTENT_DELIVERY_MODE
) -> int:
    """A delivery mode by name or number; `default` for nothing.

    Raises:
        KeyError: There is no mode of this name.
    """
    if not v:
        return default
    if isinstance(v, int):
        return v
    known = modes or DELIVERY_MODES
    try:
        return known[v]
    except KeyError:
        raise KeyError(
            f"{v!r} is no delivery mode: use {', '.join(map(repr, known))}, 1 or 2"
        ) from None


def pretty_bindings(bindings: Iterable[Any]) -> str:
    """Bindings for people."""
    return "[{}]".format(", ".join(map(str, bindings)))


def _mode(value: Any) -> int:
    return maybe_delivery_mode(value)


class Exchange(MaybeChannelBound):
    """An exchange declaration.

    Args:
        name: Name of the exchange; ``""`` is the default exchange, which leads to the queue that
            is named by the routing key.
        type: ``direct`` (default), ``topic``, ``fanout``, ``headers``, or a plugin's.
        channel: Channel to bind to.
        durable: Survives a restart of the broker.  Default is True.
        auto_delete: Deleted with its last binding.  Default is False.
        delivery_mode: Of messages that name none: ``"transient"`` (1) or ``"persistent"`` (2).
        arguments: Further arguments of the declaration.
        no_declare: `declare` does nothing.
    """

    TRANSIENT_DELIVERY_MODE = TRANSIENT_DELIVERY_MODE
    PERSISTENT_DELIVERY_MODE = PERSISTENT_DELIVERY_MODE

    name: str = ""
    type: str = "direct"
    arguments: Mapping[str, Any] | None = None
    durable = True
    auto_delete = False
    passive = False
    delivery_mode: int | None = None
    no_declare = False

    attrs: ClassVar[tuple[tuple[str, Callable[[Any], Any] | None], ...]] = (
        ("name", None),
        ("type", None),
        ("arguments", None),
        ("durable", bool),
        ("passive", bool),
        ("auto_delete", bool),
        ("delivery_mode", _mode),
        ("no_declare", bool),
    )

    def __init__(self, name: str = "", type: str = "", channel: Any = None, **kwargs: Any) -> None:
        self.name = name or self.name
        super().__init__(**kwargs)
        self.type = type or self.type
        self._check_kinds(
            ("name", str, "text"), ("type", str, "text"), ("arguments", Mapping, "a mapping")
        )
        self.maybe_bind(channel)

    def __hash__(self) -> int:
        return hash(("Exchange", self.name))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Exchange):
            return NotImplemented
        return all(
            getattr(self, name) == getattr(other, name)
            for name in ("name", "type", "arguments", "durable", "auto_delete", "delivery_mode")
        )

    def __str__(self) -> str:
        return self._repr_entity(self._label())

    def __repr__(self) -> str:
        return self._repr_entity(self._label())

    def _label(self) -> str:
        return f"Exchange {self.name or repr('')}({self.type})"

    @property
    def can_cache_declaration(self) -> bool:  # type: ignore[override]
        """Whether it is enough to declare it once on a connection."""
        return True

    def _can_declare(self) -> bool:
        return bool(
            self.name and not self.no_declare and not self.name.startswith(INTERNAL_EXCHANGE_PREFIX)
        )

    def declare(
        self, nowait: bool = False, passive: bool | None = None, channel: Any = None
    ) -> Any:
        """Declare the exchange on the broker.

        Args:
            nowait: Do not wait for the broker's answer.
            passive: Only check that it is there.
            channel: Channel to use instead of the one that it is bound to.
        """
        if not self._can_declare():
            return None
        return (channel or self.channel).exchange_declare(
            exchange=self.name,
            type=self.type,
            durable=self.durable,
            auto_delete=self.auto_delete,
            arguments=self.arguments,
            nowait=nowait,
            passive=self.passive if passive is None else passive,
        )

    def bind_to(
        self,
        exchange: Exchange | str = "",
        routing_key: str = "",
        arguments: Mapping[str, Any] | None = None,
        nowait: bool = False,
        channel: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Receive what `exchange` routes to this one."""
        return (channel or self.channel).exchange_bind(
            destination=self.name,
            source=_name(exchange),
            routing_key=routing_key,
            nowait=nowait,
            arguments=arguments,
            **kwargs,
        )

    def unbind_from(
        self,
        source: Exchange | str = "",
        routing_key: str = "",
        nowait: bool = False,
        arguments: Mapping[str, Any] | None = None,
        channel: Any = None,
    ) -> Any:
        """Undo `bind_to`."""
        return (channel or self.channel).exchange_unbind(
            destination=self.name,
            source=_name(source),
            routing_key=routing_key,
            nowait=nowait,
            arguments=arguments,
        )

    def Message(  # noqa: N802  documented name
        self,
        body: Any,
        delivery_mode: int | str | None = None,
        properties: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        """A message for `publish`.

        Args:
            body: The body, serialized.
            delivery_mode: Of this message; that of the exchange where it is not given.
            properties: AMQP's properties.
            **kwargs: ``priority``, ``content_type``, ``content_encoding`` and ``headers``.
        """
        properties = {} if properties is None else properties
        properties["delivery_mode"] = maybe_delivery_mode(delivery_mode or self.delivery_mode)
        if isinstance(body, str) and kwargs.get("content_encoding") is None:
            kwargs["content_encoding"] = "utf-8"
        return self.channel.prepare_message(body, properties=properties, **kwargs)

    def publish(
        self,
        message: Any,
        routing_key: str | None = None,
        mandatory: bool = False,
        immediate: bool = False,
        exchange: str | None = None,
    ) -> Any:
        """Publish a body, or what `Message` returned."""
        if isinstance(message, (str, bytes)):
            message = self.Message(message)
        return self.channel.basic_publish(
            message,
            exchange=exchange or self.name,
            routing_key=routing_key or "",
            mandatory=mandatory,
            immediate=immediate,
        )

    def delete(self, if_unused: bool = False, nowait: bool = False) -> Any:
        """Delete the exchange from the broker.

        Args:
            if_unused: Only where nothing is bound to it.
            nowait: Do not wait for the broker's answer.
        """
        return self.channel.exchange_delete(exchange=self.name, if_unused=if_unused, nowait=nowait)

    def binding(
        self,
        routing_key: str = "",
        arguments: Mapping[str, Any] | None = None,
        unbind_arguments: Mapping[str, Any] | None = None,
    ) -> binding:
        """A binding from this exchange, for `Queue`'s ``bindings``."""
        return binding(self, routing_key, arguments, unbind_arguments)


def _name(exchange: Exchange | str) -> str:
    return exchange if isinstance(exchange, str) else exchange.name


class binding(Object):  # noqa: N801  documented name
    """A binding from an exchange to a queue or exchange.

    Args:
        exchange: The exchange to bind to.
        routing_key: Its routing key.
        arguments: Arguments of the binding.
        unbind_arguments: Arguments for taking it away again.
    """

    attrs: ClassVar[tuple[tuple[str, Callable[[Any], Any] | None], ...]] = (
        ("exchange", None),
        ("routing_key", None),
        ("arguments", None),
        ("unbind_arguments", None),
    )

    exchange: Exchange
    routing_key: str
    arguments: Mapping[str, Any] | None
    unbind_arguments: Mapping[str, Any] | None

    def __init__(
        self,
        exchange: Exchange | None = None,
        routing_key: str = "",
        arguments: Mapping[str, Any] | None = None,
        unbind_arguments: Mapping[str, Any] | None = None,
    ) -> None:
        self.exchange = exchange if exchange is not None else Exchange()
        self.routing_key = routing_key
        self.arguments = arguments
        self.unbind_arguments = unbind_arguments

    def declare(self, channel: Any, nowait: bool = False) -> None:
        """Declare the exchange of the binding."""
        if self.exchange and self.exchange.name:
            self.exchange.declare(channel=channel, nowait=nowait)

    def bind(self, entity: Exchange | Queue, nowait: bool = False, channel: Any = None) -> None:
        """Bind `entity`."""
        entity.bind_to(
            exchange=self.exchange,
            routing_key=self.routing_key,
            arguments=self.arguments,
            nowait=nowait,
            channel=channel,
        )

    def unbind(self, entity: Exchange | Queue, nowait: bool = False, channel: Any = None) -> None:
        """Undo `bind`."""
        entity.unbind_from(
            self.exchange,
            routing_key=self.routing_key,
            arguments=self.unbind_arguments,
            nowait=nowait,
            channel=channel,
        )

    def __repr__(self) -> str:
        return f"<binding: {self}>"

    def __str__(self) -> str:
        return f"{self.exchange.name or repr('')}->{self.routing_key or repr('')}"


class Queue(MaybeChannelBound):
    """A queue declaration.

    Args:
        name: Name of the queue; the broker makes one up for ``""``.
        exchange: Exchange to bind to (an `Exchange`, or the name of one), or a list of bindings.
        routing_key: The binding key.
        channel: Channel to bind to.
        bindings: Further bindings, see `binding`.
        on_declared: Called with the broker's answer to the declaration: name, messages, consumers.
        durable: Survives a restart of the broker.  Default is True.
        exclusive: Only for this connection, and deleted with it; implies `auto_delete`.
        auto_delete: Deleted when its last consumer is gone.
        no_ack: Consumers need not acknowledge.
        alias: For applications; unused here.
        queue_arguments: Further arguments of the declaration.
        binding_arguments: Arguments of the binding.
        consumer_arguments: Arguments of consumers, such as ``x-priority``.
        no_declare: `declare` does nothing.
        expires: Seconds after which the queue goes when nobody uses it.
        message_ttl: Seconds that a message may wait in the queue.
        max_length: Number of messages that it may hold.
        max_length_bytes: Their size in bytes.
        max_priority: The highest priority that it tells apart.
    """

    ContentDisallowed = ContentDisallowed

    name: str = ""
    exchange: Any = Exchange("")
    routing_key: str = ""

    durable = True
    exclusive = False
    auto_delete = False
    no_ack = False
    no_declare: bool | None = None
    alias: Any = None
    bindings: list[binding]
    queue_arguments: Mapping[str, Any] | None = None
    binding_arguments: Mapping[str, Any] | None = None
    consumer_arguments: Mapping[str, Any] | None = None
    expires: float | None = None
    message_ttl: float | None = None
    max_length: int | None = None
    max_length_bytes: int | None = None
    max_priority: int | None = None

    attrs: ClassVar[tuple[tuple[str, Callable[[Any], Any] | None], ...]] = (
        ("name", None),
        ("exchange", None),
        ("routing_key", None),
        ("queue_arguments", None),
        ("binding_arguments", None),
        ("consumer_arguments", None),
        ("durable", bool),
        ("exclusive", bool),
        ("auto_delete", bool),
        ("no_ack", None),
        ("alias", None),
        ("bindings", list),
        ("no_declare", bool),
        ("expires", float),
        ("message_ttl", float),
        ("max_length", int),
        ("max_length_bytes", int),
        ("max_priority", int),
    )

    def __init__(
        self,
        name: str = "",
        exchange: Exchange | str | Iterable[binding] | None = None,
        routing_key: str = "",
        channel: Any = None,
        bindings: Iterable[binding] | binding | None = None,
        on_declared: Callable[..., Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self.name = name or self.name
        super().__init__(**kwargs)
        if isinstance(exchange, str):
            self.exchange = Exchange(exchange)
        elif isinstance(exchange, Exchange):
            self.exchange = exchange
        elif isinstance(exchange, (list, tuple, set)):
            # The documented old form of `bindings`.
            more = [bindings] if isinstance(bindings, binding) else bindings
            bindings = [*exchange, *(more or ())]
        elif exchange is not None:
            raise TypeError(self._wrong("exchange", exchange, "an Exchange, or the name of one"))
        # "key" is the old name of the routing key.
        self.routing_key = routing_key or kwargs.get("key") or self.routing_key
        if isinstance(bindings, binding):
            bindings = [bindings]
        try:
            self.bindings = list(bindings or ())
        except TypeError as exc:
            raise TypeError(self._wrong("bindings", bindings, _BINDINGS)) from exc
        for one in self.bindings:
            if not isinstance(one, binding):
                raise TypeError(self._wrong("bindings", self.bindings, _BINDINGS))
        self._check_kinds(
            ("name", str, "text"),
            ("routing_key", str, "text"),
            ("queue_arguments", Mapping, "a mapping"),
            ("binding_arguments", Mapping, "a mapping"),
            ("consumer_arguments", Mapping, "a mapping"),
        )
        self.on_declared = on_declared
        if self.exclusive:
            self.auto_delete = True
        self.maybe_bind(channel)

    def bind(self, channel: Any) -> Queue:
        """A copy bound to `channel`."""
        bound = super().bind(channel)
        bound.on_declared = self.on_declared
        return bound

    def __hash__(self) -> int:
        return hash(("Queue", self.name))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Queue):
            return NotImplemented
        return all(
            getattr(self, name) == getattr(other, name)
            for name in (
                "name",
                "exchange",
                "routing_key",
                "queue_arguments",
                "binding_arguments",
                "consumer_arguments",
                "durable",
                "exclusive",
                "auto_delete",
            )
        )

    def __repr__(self) -> str:
        if self.bindings:
            return self._repr_entity(f"Queue {self.name} -> {pretty_bindings(self.bindings)}")
        return self._repr_entity(
            f"Queue {self.name} -> {self.exchange!r} -> {self.routing_key or ''}"
        )

    @property
    def can_cache_declaration(self) -> bool:  # type: ignore[override]
        """Whether it is enough to declare it once: not where it may be deleted behind our back."""
        expiring = self.expires or "x-expires" in (self.queue_arguments or {})
        return not expiring and not self.auto_delete

    def when_bound(self) -> None:
        """Bind the exchange, too."""
        if self.exchange:
            self.exchange = self.exchange(self._channel)

    def declare(self, nowait: bool = False, channel: Any = None) -> str:
        """Declare the exchange and the queue and bind them; returns the name of the queue."""
        self._create_exchange(nowait, channel)
        self._create_queue(nowait, channel)
        self._create_bindings(nowait, channel)
        return self.name

    def _create_exchange(self, nowait: bool = False, channel: Any = None) -> None:
        if self.exchange:
            self.exchange.declare(nowait=nowait, channel=channel)

    def _create_queue(self, nowait: bool = False, channel: Any = None) -> None:
        self.queue_declare(nowait=nowait, passive=False, channel=channel)
        if self.exchange and self.exchange.name:
            self.queue_bind(nowait=nowait, channel=channel)

    def _create_bindings(self, nowait: bool = False, channel: Any = None) -> None:
        for extra in self.bindings:
            use = channel or self.channel
            extra.declare(use, nowait=nowait)
            extra.bind(self, nowait=nowait, channel=use)

    def queue_declare(
        self, nowait: bool = False, passive: bool = False, channel: Any = None
    ) -> Any:
        """Declare the queue alone.

        Args:
            nowait: Do not wait for the broker's answer.
            passive: Only check that it is there.
            channel: Channel to use instead of the one that it is bound to.
        """
        if self.no_declare:
            return None
        use = channel or self.channel
        arguments = use.prepare_queue_arguments(
            self.queue_arguments or {},
            expires=self.expires,
            message_ttl=self.message_ttl,
            max_length=self.max_length,
            max_length_bytes=self.max_length_bytes,
            max_priority=self.max_priority,
        )
        answer = use.queue_declare(
            queue=self.name,
            passive=passive,
            durable=self.durable,
            exclusive=self.exclusive,
            auto_delete=self.auto_delete,
            arguments=arguments,
            nowait=nowait,
        )
        if answer is not None:
            if not self.name:
                self.name = answer[0]
            if self.on_declared:
                self.on_declared(*answer)
        return answer

    def queue_bind(self, nowait: bool = False, channel: Any = None) -> Any:
        """Bind the queue to its exchange."""
        return self.bind_to(
            self.exchange, self.routing_key, self.binding_arguments, nowait=nowait, channel=channel
        )

    def bind_to(
        self,
        exchange: Exchange | str = "",
        routing_key: str = "",
        arguments: Mapping[str, Any] | None = None,
        nowait: bool = False,
        channel: Any = None,
    ) -> Any:
        """Bind the queue to an exchange."""
        return (channel or self.channel).queue_bind(
            queue=self.name,
            exchange=_name(exchange),
            routing_key=routing_key,
            arguments=arguments,
            nowait=nowait,
        )

    def get(self, no_ack: bool | None = None, accept: Any = None) -> Any:
        """Take one message, `None` where there is none ready.

        Args:
            no_ack: Take it without acknowledgement.
            accept: Content types (or serializer names) that may be decoded.
        """
        message = self.channel.basic_get(
            queue=self.name, no_ack=self.no_ack if no_ack is None else no_ack
        )
        if message is None:
            return None
        to_python = getattr(self.channel, "message_to_python", None)
        if to_python is not None:
            message = to_python(message)
        if message.errors:
            message._reraise_error()  # noqa: SLF001  our own class, see kombu.message
        message.accept = prepare_accept_content(accept)
        return message

    def purge(self, nowait: bool = False) -> int:
        """Drop the ready messages; returns how many there were."""
        return self.channel.queue_purge(queue=self.name, nowait=nowait) or 0

    def consume(
        self,
        consumer_tag: str = "",
        callback: Callable[[Any], Any] | None = None,
        no_ack: bool | None = None,
        nowait: bool = False,
        on_cancel: Callable[[str], Any] | None = None,
    ) -> Any:
        """Start a consumer, which lasts for as long as the channel or until `cancel`.

        Args:
            consumer_tag: Its name; the broker makes one up for ``""``.
            callback: Called with each message.
            no_ack: Receive without acknowledgement.
            nowait: Do not wait for the broker's answer.
            on_cancel: Called with the tag where the broker cancels the consumer.
        """
        return self.channel.basic_consume(
            queue=self.name,
            no_ack=self.no_ack if no_ack is None else no_ack,
            consumer_tag=consumer_tag or "",
            callback=callback,
            nowait=nowait,
            arguments=self.consumer_arguments,
            on_cancel=on_cancel,
        )

    def cancel(self, consumer_tag: str) -> Any:
        """Stop a consumer."""
        return self.channel.basic_cancel(consumer_tag)

    def delete(self, if_unused: bool = False, if_empty: bool = False, nowait: bool = False) -> Any:
        """Delete the queue from the broker.

        Args:
            if_unused: Only where it has no consumers.
            if_empty: Only where it has no messages.
            nowait: Do not wait for the broker's answer.
        """
        return self.channel.queue_delete(
            queue=self.name, if_unused=if_unused, if_empty=if_empty, nowait=nowait
        )

    def queue_unbind(
        self,
        arguments: Mapping[str, Any] | None = None,
        nowait: bool = False,
        channel: Any = None,
    ) -> Any:
        """Undo `queue_bind`."""
        return self.unbind_from(self.exchange, self.routing_key, arguments, nowait, channel)

    def unbind_from(
        self,
        exchange: Exchange | str = "",
        routing_key: str = "",
        arguments: Mapping[str, Any] | None = None,
        nowait: bool = False,
        channel: Any = None,
    ) -> Any:
        """Undo `bind_to`."""
        return (channel or self.channel).queue_unbind(
            queue=self.name,
            exchange=_name(exchange),
            routing_key=routing_key,
            arguments=arguments,
            nowait=nowait,
        )

    @classmethod
    def from_dict(cls, queue: str, **options: Any) -> Queue:
        """A queue from configuration.

        Args:
            queue: Its name.
            **options: What `Queue` takes, and ``binding_key``, ``exchange`` (a name),
                ``exchange_type``, ``exchange_durable``, ``exchange_auto_delete``,
                ``exchange_delivery_mode``, ``exchange_arguments``, ``queue_durable``,
                ``queue_auto_delete`` and ``queue_exclusive``.
        """
        exchange = Exchange(
            options.get("exchange") or "",
            type=options.get("exchange_type") or "",
            delivery_mode=options.get("exchange_delivery_mode") or options.get("delivery_mode"),
            durable=_first(options, "exchange_durable", "durable"),
            auto_delete=_first(options, "exchange_auto_delete", "auto_delete"),
            arguments=options.get("exchange_arguments"),
        )
        return cls(
            queue,
            exchange=exchange,
            routing_key=options.get("binding_key") or options.get("routing_key") or "",
            durable=_first(options, "queue_durable", "durable"),
            exclusive=_first(options, "queue_exclusive", "exclusive"),
            auto_delete=_first(options, "queue_auto_delete", "auto_delete"),
            no_ack=options.get("no_ack"),
            alias=options.get("alias"),
            no_declare=options.get("no_declare"),
            queue_arguments=options.get("queue_arguments"),
            binding_arguments=options.get("binding_arguments"),
            consumer_arguments=options.get("consumer_arguments"),
            bindings=options.get("bindings"),
            on_declared=options.get("on_declared"),
            expires=options.get("expires"),
            message_ttl=options.get("message_ttl"),
            max_length=options.get("max_length"),
            max_length_bytes=options.get("max_length_bytes"),
            max_priority=options.get("max_priority"),
        )

    def as_dict(self, recurse: bool = False) -> dict[str, Any]:
        """The attributes by name; with `recurse` also those of the exchange and the bindings."""
        shown = super().as_dict(recurse)
        if not recurse:
            return shown
        shown["bindings"] = [extra.as_dict(recurse=True) for extra in self.bindings]
        return shown


def _first(options: Mapping[str, Any], *names: str) -> Any:
    return next((options[name] for name in names if options.get(name) is not None), None)
