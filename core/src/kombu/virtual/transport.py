"""AMQP's model over a backend: the transport of a `kombu.Connection`."""

from __future__ import annotations

import itertools
import os
import threading
import weakref
from contextlib import ExitStack
from dataclasses import fields
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, ClassVar, cast

from kombu.exceptions import (
    ChannelError,
    ChannelLimitExceeded,
    RecoverableConnectionError,
)
from kombu.transport import base
from kombu.transport.backend import (
    Delivery,
    Leased,
    Leasing,
    Maintained,
    Release,
    Role,
    Topology,
)
from kombu.transport.options import Options, parse_options
from kombu.utils.compat import detect_environment
from kombu.utils.deadlines import current
from kombu.utils.scheduling import FairCycle

from .channel import Channel
from .channel import Channel as VirtualChannel
from .declarations import Declarations
from .forwarding import Forwarder
from .getting import Getter
from .inspection import Inspector
from .leases import LeaseKeeper
from .management import Management
from .receiver import Receiver
from .rota import Rota
from .routes import Routes
from .sessions import one_at_a_time, settle_of
from .shared import SharedDeclarations
from .state import BrokerState
from .tables import new_table
from .upkeep import Upkeep

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kombu.transport.backend import Backend, Session
    from kombu.transport.capabilities import Capabilities

__all__ = ("Transport",)


class Transport(base.Transport):
    """A virtual transport: subclasses make their backend (`new_backend`), and name
    their `options_class` and driver.

    A transport opens one session for commands and one to receive with; they belong to the
    transport, not to each channel.  Every method may be called by any thread.
    """

    Channel: ClassVar[type[Channel]] = Channel
    Management: ClassVar[type[base.Management]] = Management

    options_class: ClassVar[type[Options]] = Options

    #: Seconds between two looks at a store that can't wake us; the transport option of this name
    #: comes first.
    polling_interval: float | None = Options.polling_interval

    #: What has resources take turns; channels that fetch for themselves use it for their queues.
    Cycle: ClassVar[type[FairCycle]] = FairCycle
    #: Channels take their turns in `kombu.virtual.rota`; kept for its documented name.
    cycle: FairCycle | None = None

    #: The open channels of a transport; the class has none.
    channels: Any = None

    #: The most channels that a connection may have open, as in AMQP.
    channel_max = 65535

    def __init__(self, client: Any, **kwargs: Any) -> None:
        super().__init__(client, **kwargs)
        given = client.transport_options or {}
        if self.Channel.overrides:
            # What else is among them is the third party's own.
            given = known_options(self.options_class, given)
        self.options: Any = parse_options(self.options_class, given)
        if "polling_interval" in given:
            self.polling_interval = self.options.polling_interval
        asynchronous = self.options.asynchronous
        if asynchronous is not None and not self.Channel.overrides:
            self.implements = self.implements.extend(asynchronous=bool(asynchronous))
        self.channels: list[Channel] = []
        self._channel_ids = itertools.count(1)
        self._backend: Backend | None = None
        self._lock = threading.RLock()
        # Where a subclass names a state as its class attribute, that one.
        declared = type(self).state
        self.declarations = (
            declared.declarations if isinstance(declared, BrokerState) else Declarations(new_table)
        )

    # -- connection --------------------------------------------------------------------------

    def new_backend(self) -> Backend:
        """Make the backend, for `client` and `options`; subclasses say which."""
        if self.Channel.overrides:
            # Its channels store messages themselves: only a third party's do.
            from .overlay import Unbacked

            return Unbacked(self.Channel)
        raise NotImplementedError(f"{type(self).__name__} does not say what its backend is")

    @property
    def state(self) -> BrokerState:
        """The exchanges and bindings of the connection; assign one that transports share."""
        return BrokerState.over(self.declarations)

    @state.setter
    def state(self, state: BrokerState) -> None:
        self.declarations = state.declarations

    def establish_connection(self) -> Transport:
        """Open the store; returns the transport itself, which is its own connection.

        Raises:
            OSError: The store can't be reached within ``connect_timeout``.
        """
        timeout = self.client.connect_timeout
        deadline = monotonic() + (timeout or self.options.operation_timeout)
        if current.deadline is not None:
            deadline = min(deadline, current.deadline)
        backend = self.new_backend()
        session = backend.open(Role.COMMAND, deadline)
        capabilities = backend.capabilities
        with self._lock:
            self._backend = backend
            longest_turn = self.options.operation_timeout
            self.session = (
                session
                if capabilities.concurrent_sessions
                else one_at_a_time(session, longest_turn)
            )
            # A store inside this process shares its declarations between all its connections.
            self.declarations = getattr(backend, "declarations", None) or self.declarations
            if isinstance(self.session, Topology):
                self.declarations = SharedDeclarations(new_table, self.session, self.deadline)
            self.routes = Routes(self.session, self.declarations, self.deadline)
            self.settle = settle_of(self.session, self.deadline)
            # A store inside this process may hand out its claims by token: forgetting one is all
            # that an acknowledgement is there.
            self.claims: dict[Any, Delivery] | None = getattr(self.session, "claims", None)
            told = session if isinstance(session, Maintained) else None
            self.forwarder = Forwarder(self)
            self.upkeep: Upkeep | None = None
            if told is not None or capabilities.maintenance_interval is not None:
                self.upkeep = Upkeep(self, told, capabilities.maintenance_interval)
            self.keeper = self._new_keeper(backend)
            inspector: Inspector | None = None
            if capabilities.max_delay is not None or capabilities.message_ttl is not True:
                inspector = Inspector(self, capabilities.max_delay)
            self.receiver = Receiver(
                partial(self.open_session, Role.RECEIVE),
                self._give_back,
                capabilities.fetch_batch,
                self.upkeep,
                self.keeper,
                inspector,
            )
            self.getter = Getter(self.session, self.deadline, self.keeper, inspector)
            self._arrived = self.receiver.arrived
            self._source: Receiver | Rota = self.receiver
            _open.add(self)
        return self

    def close_connection(self, connection: Any) -> None:
        """Close the channels, give back what they held, and close the store."""
        with self._lock:
            backend, self._backend = self._backend, None
        if backend is None:
            return
        deadline = self.deadline()
        if self.keeper is not None:
            self.keeper.stop()
        with ExitStack() as closing:
            # Whatever fails on the way, what the store has open is closed in the end.
            closing.callback(backend.close, deadline)
            closing.callback(self.session.close, deadline)
            receiving = self._source.close()
            if receiving is not None:
                closing.callback(receiving.close, deadline)
            if self.claims and not any(channel.gives_back_itself for channel in self.channels):
                # All at once, so that what the channels held comes back in one order; channels
                # that third parties wrote give back what is theirs.
                claimed = list(self.claims.values())
                self.settle((), [Release(delivery) for delivery in claimed], None)
            for channel in list(self.channels):
                channel.close()
            for name in self.declarations.owned_by(self):
                self.session.delete_queue(name, deadline)
                self.declarations.forget_queue(name)

    def forked(self) -> None:
        """Called in the child of a fork: the connection stays the parent's."""
        self._lock = threading.RLock()
        self.declarations.forked()
        if self._backend is not None:
            if self.keeper is not None:
                self.keeper.forked()
            self._source.forked()
            for channel in self.channels:
                channel.forked()
            self.getter.forked()
            self._backend.forked()

    def verify_connection(self, connection: Any) -> bool:
        """Whether the store is open."""
        return self._backend is not None

    @property
    def capabilities(self) -> Capabilities:
        """What the backend can do."""
        if self._backend is None:
            raise RecoverableConnectionError("not connected: call connect() first")
        return self._backend.capabilities

    # -- channels ----------------------------------------------------------------------------

    def next_channel_id(self) -> int:
        """A number for a new channel."""
        return next(self._channel_ids)

    def create_channel(self, connection: Any) -> VirtualChannel:
        """Open a channel.

        Raises:
            ChannelLimitExceeded: `channel_max` are open already.
        """
        if len(self.channels) >= self.channel_max:
            raise ChannelLimitExceeded(
                f"This connection has {len(self.channels)} channels open, which is the limit: "
                "close those that are no longer used"
            )
        channel = self.Channel(connection)
        self.channels.append(channel)
        return channel

    def close_channel(self, channel: Any) -> None:
        """Close a channel."""
        try:
            self.channels.remove(channel)
        except ValueError:
            return
        channel.close()

    # -- messages ----------------------------------------------------------------------------

    def drain_events(self, connection: Any, timeout: float | None = None) -> None:  # type: ignore[override]
        """Deliver the next message of any channel to its consumer.

        Raises:
            TimeoutError: There was none within `timeout` seconds (`None`: wait for ever).
        """
        # The short way for a message that is here already.
        arrived = self._arrived
        while True:
            try:
                delivery = arrived.popleft() if arrived else self._source.wait(timeout)
            except IndexError:
                delivery = self._source.wait(timeout)  # another thread was quicker
            until = delivery.lease_until
            if until is None or until > self.now():
                break
            # It waited here for longer than its claim holds, as in a process that was frozen.
            self.receiver.drop(delivery)
        delivery.consumer.deliver(delivery)

    def on_message_ready(self, channel: Any, message: dict[str, Any], queue: str) -> None:
        """Hand a message (5.7's dictionary) to the consumer that `channel` has for `queue`.

        Raises:
            ChannelError: There is no such consumer.
        """
        if not channel.receive(message, queue):
            raise ChannelError(f"Message for queue {queue!r} without consumers: {message!r:.200}")

    def _deliver(self, message: dict[str, Any], queue: str) -> None:
        """Hand a message to a consumer of `queue` on any channel; a channel's ``_get_many`` and
        ``_poll`` call this with what they find.
        """
        if not any(channel.receive(message, queue) for channel in list(self.channels)):
            raise ChannelError(f"Message for queue {queue!r} without consumers: {message!r:.200}")

    # -- an event loop -----------------------------------------------------------------------

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        """Have the event loop of a worker deliver messages, in place of `drain_events`.

        Registering again begins anew, and leaves nothing of before.  Nothing is done where the
        transport is not ``asynchronous``: there is an option of this name.

        Raises:
            NotImplementedError: Under gevent or eventlet a thread is a greenlet, and all of them
                would wait with this driver's calls.
        """
        if not self.implements.asynchronous or self._source is not self.receiver:
            # The others' channels may fetch for themselves, by calls that block.
            return
        patched = detect_environment()
        if patched != "default" and self.capabilities.waits_natively:
            raise NotImplementedError(
                f"The {self.driver_name} transport can't be driven by an event loop under "
                f"{patched}, whose patches do not reach the waits of its driver: everything else "
                "would stand still meanwhile. Run the event loop without these patches"
            )
        # Few programs have an event loop, and with it come selectors and vine.
        from .drive import Drive

        self.receiver.drive(Drive(self, loop))

    def unregister_from_event_loop(self, connection: Any, loop: Any) -> None:
        """Undo `register_with_event_loop`; closing the connection does so, too."""
        self.receiver.undrive()

    def on_readable(self, connection: Any, loop: Any) -> None:
        """Deliver what is here; the event loop calls this.

        Raises:
            OSError, ConnectionError: The store is gone; one of ``connection_errors``.
        """
        self.receiver.turn()

    # -- channels that fetch for themselves --------------------------------------------------

    def open_unless_open(self) -> None:
        """Open the store, where a subclass's `establish_connection` did not."""
        if self._backend is None:
            Transport.establish_connection(self)

    def take_turns(self, receiver: Receiver) -> None:
        """Have `drain_events` ask `receiver`, too."""
        with self._lock:
            if not isinstance(self._source, Rota):
                self._source = Rota(self.receiver)
            self._source.add(receiver)

    def leave_turns(self, receiver: Receiver) -> None:
        """Undo `take_turns`, and close the receiver."""
        if isinstance(self._source, Rota):
            self._source.remove(receiver)
        receiver.close()

    def now(self) -> float:
        """The store's clock, epoch seconds."""
        if self._backend is None:
            raise RecoverableConnectionError("not connected: call connect() first")
        return self._backend.now()

    def take_one(self, queue: str, no_ack: bool) -> Delivery | None:
        """Fetch one message without waiting (``basic.get``)."""
        self.keep_up()
        return self.getter.get(queue, no_ack)

    def keep_up(self) -> None:
        """Do what is due in the store, before somebody looks at a queue."""
        if self.upkeep is not None:
            self.upkeep.run_if_due(monotonic())

    def _give_back(self, deliveries: Sequence[Delivery]) -> None:
        releases = [Release(delivery, count=False) for delivery in deliveries]
        self.settle((), releases, None)

    def open_session(self, role: Role, deadline: float | None = None) -> Session:
        """Open a further session, for whoever closes it."""
        backend = self._backend
        if backend is None:
            raise RecoverableConnectionError("the connection was closed: connect again")
        own = self.deadline()
        return backend.open(role, own if deadline is None else min(deadline, own))

    # -- claims that end by themselves -------------------------------------------------------

    def _new_keeper(self, backend: Backend) -> LeaseKeeper | None:
        lease = backend.lease if isinstance(backend, Leased) else None
        limit: float | None = getattr(self.options, "lease_limit", None)
        if lease is None or limit == 0 or not isinstance(self.session, Leasing):
            return None
        return LeaseKeeper(self, lease, limit)

    def held(self) -> list[Delivery]:
        """Every delivery that is fetched and not settled, for who renews their claims."""
        held = [d for channel in list(self.channels) for d in channel.unsettled()]
        return held + [d for d in self.receiver.in_hand() if isinstance(d, Delivery)]

    def deadline(self) -> float:
        """By when an operation has to end that begins now: as its caller says, if they do."""
        if current.deadline is not None:
            return current.deadline
        return monotonic() + cast("float", self.options.operation_timeout)

    # -- what can be asked -------------------------------------------------------------------

    def qos_semantics_matches_spec(self, connection: Any) -> bool:
        """False: ``basic.qos`` without ``global`` bounds each consumer, as on RabbitMQ."""
        return False

    @property
    def default_connection_params(self) -> dict[str, Any]:
        """Host and port to use where the URL names none."""
        return {"port": self.default_port, "hostname": "localhost"}


def known_options(cls: type[Options], given: Mapping[str, Any]) -> dict[str, Any]:
    """What of `given` is an option of `cls`."""
    return {f.name: given[f.name] for f in fields(cls) if f.name in given}


#: Transports that were connected, for the child of a fork.
_open: weakref.WeakSet[Transport] = weakref.WeakSet()


def _forked() -> None:
    for transport in list(_open):
        transport.forked()


os.register_at_fork(after_in_child=_forked)
