"""Queues."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from kombu.abstract import MaybeChannelBound
from kombu.exceptions import ChannelError, ContentDisallowed
from kombu.serialization import prepare_accept_content
from kombu.utils.deadlines import bounded

from .exchange import Exchange, binding, name_of, pretty_bindings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ("Queue",)

_NOT_FOUND = 404

_BINDINGS = "a binding, or a list of them, made by kombu.binding() or exchange.binding()"


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
    _named_by_broker: bool = False

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
        bound._named_by_broker = self._named_by_broker  # noqa: SLF001 (another of this class)
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

    @bounded
    def declare(
        self, nowait: bool = False, channel: Any = None, *, timeout: float | None = None
    ) -> str:
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

    @bounded
    def queue_declare(
        self,
        nowait: bool = False,
        passive: bool = False,
        channel: Any = None,
        *,
        timeout: float | None = None,
    ) -> Any:
        """Declare the queue alone.

        Args:
            nowait: Do not wait for the broker's answer.
            passive: Only check that it is there.
            channel: Channel to use instead of the one that it is bound to.

        A queue that the broker has named, and that is gone, as it is with its connection, gets
        another name.
        """
        if self.no_declare:
            return None
        use = channel or self.channel
        if self._named_by_broker and not passive and self._is_gone(use):
            # The broker refuses to have its names chosen by others.
            self.name = ""
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
                self.name, self._named_by_broker = answer[0], True
            if self.on_declared:
                self.on_declared(*answer)
        return answer

    def _is_gone(self, channel: Any) -> bool:
        try:
            channel.queue_declare(queue=self.name, passive=True)
        except ChannelError as exc:
            if exc.reply_code != _NOT_FOUND:
                raise
            return True
        return False

    @bounded
    def queue_bind(
        self, nowait: bool = False, channel: Any = None, *, timeout: float | None = None
    ) -> Any:
        """Bind the queue to its exchange."""
        return self.bind_to(
            self.exchange, self.routing_key, self.binding_arguments, nowait=nowait, channel=channel
        )

    @bounded
    def bind_to(
        self,
        exchange: Exchange | str = "",
        routing_key: str = "",
        arguments: Mapping[str, Any] | None = None,
        nowait: bool = False,
        channel: Any = None,
        *,
        timeout: float | None = None,
    ) -> Any:
        """Bind the queue to an exchange."""
        return (channel or self.channel).queue_bind(
            queue=self.name,
            exchange=name_of(exchange),
            routing_key=routing_key,
            arguments=arguments,
            nowait=nowait,
        )

    @bounded
    def get(
        self, no_ack: bool | None = None, accept: Any = None, *, timeout: float | None = None
    ) -> Any:
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

    @bounded
    def purge(self, nowait: bool = False, *, timeout: float | None = None) -> int:
        """Drop the ready messages; returns how many there were."""
        return self.channel.queue_purge(queue=self.name, nowait=nowait) or 0

    @bounded
    def consume(
        self,
        consumer_tag: str = "",
        callback: Callable[[Any], Any] | None = None,
        no_ack: bool | None = None,
        nowait: bool = False,
        on_cancel: Callable[[str], Any] | None = None,
        *,
        timeout: float | None = None,
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

    @bounded
    def cancel(self, consumer_tag: str, *, timeout: float | None = None) -> Any:
        """Stop a consumer."""
        return self.channel.basic_cancel(consumer_tag)

    @bounded
    def delete(
        self,
        if_unused: bool = False,
        if_empty: bool = False,
        nowait: bool = False,
        *,
        timeout: float | None = None,
    ) -> Any:
        """Delete the queue from the broker.

        Args:
            if_unused: Only where it has no consumers.
            if_empty: Only where it has no messages.
            nowait: Do not wait for the broker's answer.
        """
        return self.channel.queue_delete(
            queue=self.name, if_unused=if_unused, if_empty=if_empty, nowait=nowait
        )

    @bounded
    def queue_unbind(
        self,
        arguments: Mapping[str, Any] | None = None,
        nowait: bool = False,
        channel: Any = None,
        *,
        timeout: float | None = None,
    ) -> Any:
        """Undo `queue_bind`."""
        return self.unbind_from(self.exchange, self.routing_key, arguments, nowait, channel)

    @bounded
    def unbind_from(
        self,
        exchange: Exchange | str = "",
        routing_key: str = "",
        arguments: Mapping[str, Any] | None = None,
        nowait: bool = False,
        channel: Any = None,
        *,
        timeout: float | None = None,
    ) -> Any:
        """Undo `bind_to`."""
        return (channel or self.channel).queue_unbind(
            queue=self.name,
            exchange=name_of(exchange),
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
