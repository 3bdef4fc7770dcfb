"""The transport options of the AMQP transport."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

from kombu.transport.options import CommonOptions

from .consume.cancelled import POLICIES, RAISE
from .delaying import QUEUES, WAYS, Delays
from .publish.window import WINDOW, Window

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ("AmqpOptions", "arguments_of_amqp")


@dataclass(frozen=True)
class AmqpOptions(CommonOptions):
    """What the AMQP transport understands; most of it goes to `amqp.Connection` as it is.

    Durations are in seconds.
    """

    transport: ClassVar[str] = "AMQP"

    #: True: a publish returns when the broker has the message.  ``"window"``: at once, and what is
    #: not confirmed is kept, and sent again where the connection is lost.  False: at once.
    confirm_publish: bool | str = WINDOW
    #: The most messages, and bytes of their bodies, that a channel may have unconfirmed with
    #: ``"window"``, and the seconds after which the oldest is waited for before more are sent.
    confirm_window: int = Window.count
    confirm_window_bytes: int = Window.size
    confirm_window_age: float = Window.age
    #: Of a consumer whose queue was deleted, and that has no ``on_cancel``: ``"raise"``
    #: `ConsumerCancelled`; ``"redeclare"`` the queue, as this connection declared it, and go on;
    #: ``"wait"`` until somebody has declared it, and go on.
    consumer_cancelled: str = RAISE
    #: The broker's setting of this name, in seconds: prefetched messages go back to their queue
    #: when half of it is over, and nothing is prefetched then, until the callback ends that takes
    #: so long.
    consumer_timeout: float | None = None
    #: How ``publish(delay=...)`` has messages wait: in ``"queues"`` that are declared for them, or
    #: in the ``"levels"`` of `kombu.transport.native_delayed_delivery`, and nothing is declared.
    delayed_delivery: str = QUEUES
    #: Goes before the names of both, with an underscore.
    delayed_delivery_prefix: str | None = None
    #: Seconds between heartbeats, 0 for none; it goes before that of the connection.
    heartbeat: float | None = None
    #: SASL mechanism; it goes before that of the connection.
    login_method: str | None = None
    #: What a mechanism that py-amqp does not know sends.
    login_response: Any = None
    #: SASL mechanisms as objects of `amqp.sasl`.
    authentication: Any = ()
    #: Told to the broker, which shows them to its operators.
    client_properties: Mapping[str, Any] | None = None
    locale: str = "en_US"
    #: The most channels, and the largest frame in bytes; the broker's limits if those are lower.
    channel_max: int | None = None
    frame_max: int | None = None
    #: Options of the socket: names of `socket`'s ``TCP_`` constants, or their numbers, and values.
    socket_settings: Mapping[Any, Any] | None = None
    #: Seconds that an answer may take, and that a write may, where the caller has no deadline.
    read_timeout: float | None = None
    write_timeout: float | None = None
    #: Called when the connection is open, with it.
    on_open: Callable[[Any], Any] | None = None
    #: Called when the limits are negotiated.
    on_tune_ok: Callable[..., Any] | None = None
    #: Called with the reason when the broker takes no messages, and when it takes them again; by
    #: whichever thread reads.
    on_blocked: Callable[[str], Any] | None = None
    on_unblocked: Callable[[], Any] | None = None

    #: The management HTTP API, where it is elsewhere than the broker, or for another user.
    manager_hostname: str | None = None
    manager_port: int | None = None
    manager_userid: str | None = None
    manager_password: str | None = None

    def __post_init__(self) -> None:
        """Check what would otherwise fail far from here.

        Raises:
            ValueError: An option has a value that can't be.
        """
        if self.confirm_publish not in (True, False, WINDOW):
            raise ValueError(
                f"confirm_publish is {self.confirm_publish!r}: wanted True, False or {WINDOW!r}"
            )
        if self.consumer_cancelled not in POLICIES:
            raise ValueError(
                f"consumer_cancelled is {self.consumer_cancelled!r}: wanted one of {POLICIES}"
            )
        for name in ("confirm_window", "confirm_window_bytes", "confirm_window_age"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)!r}: wanted more than 0")
        if self.delayed_delivery not in WAYS:
            raise ValueError(f"delayed_delivery is {self.delayed_delivery!r}: wanted one of {WAYS}")
        if self.consumer_timeout is not None and not self.consumer_timeout > 0:
            raise ValueError(f"consumer_timeout is {self.consumer_timeout!r}: wanted more than 0")

    @property
    def delays(self) -> Delays:
        """How messages are delayed."""
        return Delays(self.delayed_delivery, self.delayed_delivery_prefix)

    @property
    def window(self) -> Window:
        """The bounds of what is not confirmed."""
        return Window(self.confirm_window, self.confirm_window_bytes, self.confirm_window_age)


#: What is not for `amqp.Connection` itself, or is given to it by the transport.
_OURS = frozenset(
    {
        "operation_timeout",
        "confirm_publish",
        "confirm_window",
        "confirm_window_bytes",
        "confirm_window_age",
        "heartbeat",
        "consumer_cancelled",
        "consumer_timeout",
        "delayed_delivery",
        "delayed_delivery_prefix",
        "login_method",
        "manager_hostname",
        "manager_port",
        "manager_userid",
        "manager_password",
    }
)


def arguments_of_amqp(options: AmqpOptions) -> dict[str, Any]:
    """The options that go to `amqp.Connection` as they are: those that were given."""
    return {
        field.name: value
        for field in fields(options)
        if field.name not in _OURS and (value := getattr(options, field.name)) != field.default
    }
