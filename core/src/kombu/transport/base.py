"""What every transport looks like from above: `Transport`, its channels and its messages.

A transport over a `kombu.transport.backend.Backend` gets all of this from `kombu.virtual`; a native
one, such as AMQP's, implements it itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from kombu.exceptions import ChannelError, ConnectionError  # noqa: A004
from kombu.message import Message

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("Implements", "Management", "Message", "StdChannel", "Transport")

#: How the options of `kombu.Queue` are named as queue arguments, and what turns seconds and numbers
#: into what a broker expects (https://www.rabbitmq.com/docs/queues#optional-arguments).
RABBITMQ_QUEUE_ARGUMENTS: Mapping[str, tuple[str, Any]] = {
    "expires": ("x-expires", lambda seconds: int(float(seconds) * 1000)),
    "message_ttl": ("x-message-ttl", lambda seconds: int(float(seconds) * 1000)),
    "max_length": ("x-max-length", int),
    "max_length_bytes": ("x-max-length-bytes", int),
    "max_priority": ("x-max-priority", int),
}


def to_rabbitmq_queue_arguments(
    arguments: Mapping[str, Any] | None, **options: Any
) -> Mapping[str, Any] | None:
    """Queue arguments with the options of `kombu.Queue` merged in.

    Args:
        arguments: What the user gave as ``queue_arguments``.
        **options: ``expires`` and ``message_ttl`` in seconds, ``max_length``,
            ``max_length_bytes``, ``max_priority``; `None` for not set.
    """
    converted = {
        RABBITMQ_QUEUE_ARGUMENTS[name][0]: RABBITMQ_QUEUE_ARGUMENTS[name][1](value)
        for name, value in options.items()
        if value is not None
    }
    return {**(arguments or {}), **converted} if converted else arguments


class Implements(dict[str, Any]):
    """What a transport implements, by attribute or by key."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def extend(self, **kwargs: Any) -> Implements:
        """A copy with some entries changed."""
        return type(self)(self, **kwargs)


default_transport_capabilities = Implements(
    asynchronous=False,
    batch_publish=False,
    exchange_type=frozenset({"direct", "topic", "fanout", "headers"}),
    heartbeats=False,
)


def _lacks(obj: Any, method: str) -> NoReturn:
    raise NotImplementedError(
        f"Transport {obj.__module__}.{type(obj).__name__} does not implement {method}()"
    )


class StdChannel:
    """What all channels share."""

    #: Tags of the consumers that receive without acknowledgement, `None` where the messages
    #: themselves know.
    no_ack_consumers: set[str] | None = None
    #: Whether `basic_publish` takes a `kombu.transport.backend.Envelope` as it is.
    takes_envelopes = False

    def Consumer(  # noqa: N802  documented name
        self, *args: Any, timeout: float | None = None, **kwargs: Any
    ) -> Any:
        """A `kombu.Consumer` on this channel."""
        # The upper layer is imported when it is asked for: documented convenience.
        from kombu.messaging import Consumer

        return Consumer(self, *args, timeout=timeout, **kwargs)

    def Producer(self, *args: Any, **kwargs: Any) -> Any:  # noqa: N802  documented name
        """A `kombu.Producer` on this channel."""
        from kombu.messaging import Producer

        return Producer(self, *args, **kwargs)

    def get_bindings(self) -> Any:
        """All bindings, where the transport can list them."""
        _lacks(self, "get_bindings")

    def after_reply_message_received(self, queue: str) -> None:
        """Called when a reply was received on a queue that is for nothing else."""

    def prepare_queue_arguments(
        self, arguments: Mapping[str, Any] | None, **kwargs: Any
    ) -> Mapping[str, Any] | None:
        """The arguments of a queue declaration, with the options of `kombu.Queue` merged in."""
        return to_rabbitmq_queue_arguments(arguments, **kwargs)

    def flush(self) -> None:
        """Wait until the broker has all that was published on the channel.

        Nothing where a publish returns when it has the message.
        """

    def close(self) -> None:
        """Close the channel."""
        _lacks(self, "close")

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


class Management:
    """What can be asked of a broker beside sending and receiving."""

    def __init__(self, transport: Any) -> None:
        self.transport = transport

    def get_bindings(self) -> Any:
        """All bindings."""
        _lacks(self, "get_bindings")


class Transport:
    """A way to a kind of broker.

    Args:
        client: The `kombu.Connection` that this transport serves.
    """

    Management: ClassVar[type[Management]] = Management

    #: The connection this transport was made for.
    client: Any = None
    #: Whether the transport reads URLs itself.
    can_parse_url = False
    #: Port to connect to where the URL names none.
    default_port: int | None = None
    #: What says that the connection is lost, and what says that only the channel is.
    connection_errors: tuple[type[BaseException], ...] = (ConnectionError, OSError)
    channel_errors: tuple[type[BaseException], ...] = (ChannelError,)
    #: Kind of broker, and name of the client library.
    driver_type = "N/A"
    driver_name = "N/A"

    implements: Implements = default_transport_capabilities.extend()

    def __init__(self, client: Any, **kwargs: Any) -> None:
        self.client = client

    def establish_connection(self) -> Any:
        """Connect; returns the connection object that the other methods take."""
        _lacks(self, "establish_connection")

    def close_connection(self, connection: Any) -> None:
        """Close a connection."""
        _lacks(self, "close_connection")

    def create_channel(self, connection: Any) -> Any:
        """Open a channel."""
        _lacks(self, "create_channel")

    def close_channel(self, connection: Any) -> None:
        """Close a channel (the parameter has its documented name)."""
        _lacks(self, "close_channel")

    def flush(self, connection: Any) -> None:
        """Wait until the broker has all that was published; `connection` may be `None`, or lost.

        Nothing where a publish returns when the broker has the message.
        """

    def drain_events(self, connection: Any, **kwargs: Any) -> Any:
        """Wait for an event and handle it."""
        _lacks(self, "drain_events")

    def heartbeat_check(self, connection: Any, rate: int = 2) -> None:
        """Do what heartbeats need; nothing where there are none."""

    def driver_version(self) -> str:
        """Version of the client library."""
        return "N/A"

    def get_heartbeat_interval(self, connection: Any) -> float:
        """Seconds between heartbeats, 0 for none."""
        return 0

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        """Have an event loop call back when there is something to read."""

    def unregister_from_event_loop(self, connection: Any, loop: Any) -> None:
        """Undo `register_with_event_loop`."""

    def verify_connection(self, connection: Any) -> bool:
        """Whether a connection is usable, as far as can be told without I/O."""
        return True

    def on_readable(self, connection: Any, loop: Any) -> None:
        """Called by the event loop when there is something to read."""
        _lacks(self, "on_readable")

    def qos_semantics_matches_spec(self, connection: Any) -> bool:
        """Whether ``basic.qos`` without ``global`` bounds the channel, as AMQP 0-9-1 has it.

        RabbitMQ reads it as a bound for each consumer, and so do the virtual transports here.
        """
        return True

    def as_uri(self, uri: str, include_password: bool = False, mask: str = "**") -> str:
        """A URL of a transport that reads URLs itself, without the password."""
        _lacks(self, "as_uri")

    def get_manager(self, *args: Any, **kwargs: Any) -> Any:
        """What can be asked of the broker beside sending and receiving."""
        return self.Management(self)

    @property
    def manager(self) -> Any:
        """See `get_manager`."""
        return self.get_manager()

    @property
    def default_connection_params(self) -> dict[str, Any]:
        """What a connection uses where the user gave nothing."""
        return {}

    @property
    def supports_heartbeats(self) -> bool:
        """Whether the broker and we tell each other that we are alive."""
        return bool(self.implements.heartbeats)

    @property
    def supports_ev(self) -> bool:
        """Whether the transport can be left to an event loop."""
        return bool(self.implements.asynchronous)
