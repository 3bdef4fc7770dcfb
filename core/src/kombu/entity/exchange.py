"""Exchanges, and the bindings that lead from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from kombu.abstract import MaybeChannelBound, Object
from kombu.utils.deadlines import bounded

from .modes import PERSISTENT_DELIVERY_MODE, TRANSIENT_DELIVERY_MODE, maybe_delivery_mode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .queue import Queue

__all__ = ("INTERNAL_EXCHANGE_PREFIX", "Exchange", "binding", "name_of", "pretty_bindings")

#: Exchanges of the broker itself start with this and are never declared (AMQP 0-9-1, 1.7.2.2).
INTERNAL_EXCHANGE_PREFIX = ("amq.",)


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

    @bounded
    def declare(
        self,
        nowait: bool = False,
        passive: bool | None = None,
        channel: Any = None,
        *,
        timeout: float | None = None,
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
        **kwargs: Any,
    ) -> Any:
        """Receive what `exchange` routes to this one."""
        return (channel or self.channel).exchange_bind(
            destination=self.name,
            source=name_of(exchange),
            routing_key=routing_key,
            nowait=nowait,
            arguments=arguments,
            **kwargs,
        )

    @bounded
    def unbind_from(
        self,
        source: Exchange | str = "",
        routing_key: str = "",
        nowait: bool = False,
        arguments: Mapping[str, Any] | None = None,
        channel: Any = None,
        *,
        timeout: float | None = None,
    ) -> Any:
        """Undo `bind_to`."""
        return (channel or self.channel).exchange_unbind(
            destination=self.name,
            source=name_of(source),
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

    @bounded
    def publish(
        self,
        message: Any,
        routing_key: str | None = None,
        mandatory: bool = False,
        immediate: bool = False,
        exchange: str | None = None,
        *,
        timeout: float | None = None,
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

    @bounded
    def delete(
        self, if_unused: bool = False, nowait: bool = False, *, timeout: float | None = None
    ) -> Any:
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


def name_of(exchange: Exchange | str) -> str:
    """The name of an exchange, which may be given by its name."""
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

    def declare(self, channel: Any, nowait: bool = False, *, timeout: float | None = None) -> None:
        """Declare the exchange of the binding."""
        if self.exchange and self.exchange.name:
            self.exchange.declare(channel=channel, nowait=nowait, timeout=timeout)

    def bind(
        self,
        entity: Exchange | Queue,
        nowait: bool = False,
        channel: Any = None,
        *,
        timeout: float | None = None,
    ) -> None:
        """Bind `entity`."""
        entity.bind_to(
            exchange=self.exchange,
            routing_key=self.routing_key,
            arguments=self.arguments,
            nowait=nowait,
            channel=channel,
            timeout=timeout,
        )

    def unbind(
        self,
        entity: Exchange | Queue,
        nowait: bool = False,
        channel: Any = None,
        *,
        timeout: float | None = None,
    ) -> None:
        """Undo `bind`."""
        entity.unbind_from(
            self.exchange,
            routing_key=self.routing_key,
            arguments=self.unbind_arguments,
            nowait=nowait,
            channel=channel,
            timeout=timeout,
        )

    def __repr__(self) -> str:
        return f"<binding: {self}>"

    def __str__(self) -> str:
        return f"{self.exchange.name or repr('')}->{self.routing_key or repr('')}"
