"""The end of a mailbox that sends commands and collects replies."""

from __future__ import annotations

import socket
from collections import deque
from contextlib import contextmanager
from copy import copy
from time import monotonic, time
from typing import TYPE_CHECKING, Any, ClassVar

from kombu.clocks import LamportClock
from kombu.common import oid_from
from kombu.entity import Exchange, Queue
from kombu.exceptions import InconsistencyError, NotBoundError
from kombu.messaging import Consumer, Producer
from kombu.utils.deadlines import bounded, operation_timeout, own_time, remaining, within
from kombu.utils.functional import maybe_evaluate
from kombu.utils.loggers import get_logger
from kombu.utils.objects import cached_property
from kombu.utils.uuid import uuid

from . import node

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ("Mailbox",)

logger = get_logger("kombu.pidbox")


class Mailbox:
    """Commands to the processes of an application, which are its `Node` s.

    A mailbox is called with a connection and returns a copy that is bound to it.

    Args:
        namespace: Name of the application; exchanges and queues are named after it.
        type: Type of the exchange; with direct and with fanout every node gets every command, and
            executes those that are for it.
        connection: Connection to use.
        clock: Clock that is sent along, and set by what comes; one of its own by default.
        accept: Serializers or content types that may be decoded; json by default.
        serializer: How commands and replies are serialized; json by default.
        producer_pool: Where producers come from, or a `kombu.utils.functional.lazy` of it.
        queue_ttl: Seconds that a command waits for its node.
        queue_expires: Seconds after which the queue of a node goes when nobody uses it.
        queue_durable: Whether queues survive a restart of the broker.
        queue_exclusive: Whether a queue is for its connection only.
        reply_queue_ttl: Seconds that a reply waits for who asked.
        reply_queue_expires: Seconds after which a queue of replies goes when nobody uses it.

    Raises:
        ValueError: Queues can't be both exclusive and durable.

    Safe for threads where each has a bound copy; each thread has a queue of replies of its own.
    """

    #: What `Node` makes.
    node_cls: Any = node.Node
    exchange_fmt = "%s.pidbox"
    reply_exchange_fmt = "reply.%s.pidbox"

    #: Name of the application.
    namespace: str | None = None
    #: Connection, if bound.
    connection: Any = None
    #: Type of the exchange.
    type: str = "direct"
    #: Where commands go.
    exchange: Any = None
    #: Where replies go.
    reply_exchange: Any = None
    #: Content types that may be decoded.
    accept: Any = ("json",)
    #: How messages are serialized.
    serializer: str | None = None

    _DEFAULT_ACCEPT: ClassVar[list[str]] = ["json"]

    def __init__(
        self,
        namespace: str,
        type: str = "direct",
        connection: Any = None,
        clock: LamportClock | None = None,
        accept: Any = None,
        serializer: str | None = None,
        producer_pool: Any = None,
        queue_ttl: float | None = None,
        queue_expires: float | None = None,
        queue_durable: bool = False,
        queue_exclusive: bool = True,
        reply_queue_ttl: float | None = None,
        reply_queue_expires: float | None = 10.0,
    ) -> None:
        if queue_durable and queue_exclusive:
            raise ValueError(
                "queue_exclusive and queue_durable cannot both be True (exclusive queues are "
                "automatically deleted and cannot be durable): pass queue_exclusive=False"
            )
        self.namespace = namespace
        self.connection = connection
        self.type = type
        self.clock = LamportClock() if clock is None else clock
        self.exchange = Exchange(
            self.exchange_fmt % namespace, type=type, durable=False, delivery_mode="transient"
        )
        self.reply_exchange = Exchange(
            self.reply_exchange_fmt % namespace,
            type="direct",
            durable=False,
            delivery_mode="transient",
        )
        #: The tickets that are waited for, and replies that another thread received for them.
        self.unclaimed: dict[str, deque[Any]] = {}
        self.accept = self._DEFAULT_ACCEPT if accept is None else accept
        self.serializer = serializer
        self.queue_ttl = queue_ttl
        self.queue_expires = queue_expires
        self.queue_durable = queue_durable
        self.queue_exclusive = queue_exclusive
        self.reply_queue_ttl = reply_queue_ttl
        self.reply_queue_expires = reply_queue_expires
        self._producer_pool = producer_pool

    def __call__(self, connection: Any) -> Mailbox:
        """A copy bound to a connection; it shares the clock."""
        bound = copy(self)
        bound.connection = connection
        return bound

    def Node(  # noqa: N802  documented name
        self,
        hostname: str | None = None,
        state: Any = None,
        channel: Any = None,
        handlers: dict[str, Callable[..., Any]] | None = None,
    ) -> node.Node:
        """A node of this mailbox, named after the host by default."""
        made: node.Node = self.node_cls(
            hostname or socket.gethostname(), state, channel, handlers, mailbox=self
        )
        return made

    # -- connection --------------------------------------------------------------------------

    @property
    def default_channel(self) -> Any:
        """The default channel of the connection.

        Raises:
            NotBoundError: The mailbox has no connection.
        """
        if self.connection is None:
            raise NotBoundError(
                f"Mailbox {self.namespace!r} has no connection: "
                "bind it first, as in mailbox(connection)"
            )
        return self.connection.default_channel

    def _operation_timeout(self) -> float:
        return operation_timeout(self.connection)

    @cached_property
    def producer_pool(self) -> Any:
        """Where producers come from; `None`: they are made of the channel.

        After it was deleted, which a process does that was forked, a lazy pool is evaluated anew.
        """
        return maybe_evaluate(self._producer_pool)

    @contextmanager
    def producer_or_acquire(self, producer: Any = None, channel: Any = None) -> Iterator[Any]:
        """The given producer, one of the pool, or one on the channel."""
        if producer is not None:
            yield producer
            return
        pool = self.producer_pool
        if pool is None:
            yield Producer(channel or self.default_channel, auto_declare=False)
            return
        with pool.acquire(block=True, timeout=remaining(self._operation_timeout())) as acquired:
            yield acquired

    # -- queues ------------------------------------------------------------------------------

    @property
    def oid(self) -> str:
        """The identifier of this mailbox in this thread."""
        return oid_from(self)

    def get_queue(self, hostname: str) -> Queue:
        """The queue of a node."""
        return Queue(
            f"{hostname}.{self.namespace}.pidbox",
            exchange=self.exchange,
            durable=self.queue_durable,
            exclusive=self.queue_exclusive,
            auto_delete=not self.queue_durable,
            expires=self.queue_expires,
            message_ttl=self.queue_ttl,
        )

    def get_reply_queue(self) -> Queue:
        """The queue of replies of this mailbox in this thread."""
        oid = self.oid
        return Queue(
            f"{oid}.{self.reply_exchange.name}",
            exchange=self.reply_exchange,
            routing_key=oid,
            durable=self.queue_durable,
            exclusive=self.queue_exclusive,
            auto_delete=not self.queue_durable,
            expires=self.reply_queue_expires,
            message_ttl=self.reply_queue_ttl,
        )

    @property
    def reply_queue(self) -> Queue:
        """See `get_reply_queue`."""
        return self.get_reply_queue()

    # -- sending -----------------------------------------------------------------------------

    def call(
        self,
        destination: Sequence[str],
        command: str,
        kwargs: dict[str, Any] | None = None,
        timeout: float | None = None,
        callback: Callable[[Any], Any] | None = None,
        channel: Any = None,
    ) -> list[Any]:
        """Have nodes execute a command, and return their replies: ``[{hostname: reply}, ...]``.

        Args:
            destination: Names of the nodes, a list or tuple.
            command: Name of the command.
            kwargs: Its arguments.
            timeout: Seconds that everything may take; `None`: the ``operation_timeout``.
            callback: Called with each reply.
            channel: Channel to use.

        Fewer replies than nodes mean that the others did not answer in time.
        """
        if timeout is None:
            timeout = self._operation_timeout()
        replies = self._broadcast(
            command,
            kwargs,
            destination,
            reply=True,
            timeout=timeout,
            callback=callback,
            channel=channel,
        )
        return replies or []

    @bounded
    def cast(
        self,
        destination: Sequence[str],
        command: str,
        kwargs: dict[str, Any] | None = None,
        *,
        timeout: float | None = None,
    ) -> None:
        """Have nodes execute a command; does not wait for them."""
        self._broadcast(command, kwargs, destination, reply=False)

    @bounded
    def abcast(
        self, command: str, kwargs: dict[str, Any] | None = None, *, timeout: float | None = None
    ) -> None:
        """Have all nodes execute a command; does not wait for them."""
        self._broadcast(command, kwargs, reply=False)

    def multi_call(
        self,
        command: str,
        kwargs: dict[str, Any] | None = None,
        timeout: float | None = 1,
        limit: int | None = None,
        callback: Callable[[Any], Any] | None = None,
        channel: Any = None,
    ) -> list[Any]:
        """Have all nodes execute a command, and return their replies: ``[{hostname: reply}, ...]``.

        Args:
            command: Name of the command.
            kwargs: Its arguments.
            timeout: Seconds that everything may take; `None`: the ``operation_timeout``.
            limit: Do not wait for more replies than this.
            callback: Called with each reply.
            channel: Channel to use.
        """
        if timeout is None:
            timeout = self._operation_timeout()
        replies = self._broadcast(
            command,
            kwargs,
            reply=True,
            timeout=timeout,
            limit=limit,
            callback=callback,
            channel=channel,
        )
        return replies or []

    def _broadcast(
        self,
        command: str,
        arguments: dict[str, Any] | None = None,
        destination: Sequence[str] | None = None,
        reply: bool = False,
        timeout: float | None = 1,
        limit: int | None = None,
        callback: Callable[[Any], Any] | None = None,
        channel: Any = None,
        serializer: str | None = None,
        pattern: str | None = None,
        matcher: str | None = None,
    ) -> list[Any] | None:
        if destination is not None and not isinstance(destination, (list, tuple)):
            raise ValueError(
                f"destination must be a list/tuple not {destination.__class__}: "
                f"it is {destination!r}, wanted the names of nodes"
            )
        if (pattern is not None and not isinstance(pattern, str)) or (
            matcher is not None and not isinstance(matcher, str)
        ):
            raise ValueError(
                f"pattern and matcher must be text: they are {pattern!r} and {matcher!r}"
            )
        if not reply:
            with within(own_time(self.connection, None)):
                self._publish(
                    command,
                    arguments or {},
                    destination,
                    channel=channel,
                    timeout=timeout,
                    serializer=serializer,
                    pattern=pattern,
                    matcher=matcher,
                )
            return None
        if limit is None and destination:
            limit = len(destination)
        ticket = uuid()
        deadline = None if timeout is None else monotonic() + timeout
        self.unclaimed[ticket] = deque()
        try:
            with within(timeout):
                chan = channel or self.default_channel
                # Before the command is sent: no reply is early.  Each time: some transports delete
                # it after the replies.
                self.reply_queue(chan).declare()
                self._publish(
                    command,
                    arguments or {},
                    destination,
                    reply_ticket=ticket,
                    channel=chan,
                    timeout=timeout,
                    serializer=serializer,
                    pattern=pattern,
                    matcher=matcher,
                )
            left = None if deadline is None else max(deadline - monotonic(), 0.0)
            return self._collect(ticket, limit=limit, timeout=left, callback=callback, channel=chan)
        finally:
            self.unclaimed.pop(ticket, None)

    def _publish(
        self,
        type: str,
        arguments: dict[str, Any],
        destination: Sequence[str] | None = None,
        reply_ticket: str | None = None,
        channel: Any = None,
        timeout: float | None = None,
        serializer: str | None = None,
        producer: Any = None,
        pattern: str | None = None,
        matcher: str | None = None,
    ) -> None:
        message: dict[str, Any] = {
            "method": type,
            "arguments": arguments,
            "destination": destination,
            "pattern": pattern,
            "matcher": matcher,
        }
        if reply_ticket:
            message["ticket"] = reply_ticket
            message["reply_to"] = {"exchange": self.reply_exchange.name, "routing_key": self.oid}
        headers: dict[str, Any] = {"clock": self.clock.forward()}
        if timeout:
            headers["expires"] = time() + timeout
        with self.producer_or_acquire(producer, channel) as sender:
            sender.publish(
                message,
                exchange=self.exchange.name,
                declare=[self.exchange],
                headers=headers,
                serializer=serializer or self.serializer,
                retry=True,
            )

    def _publish_reply(
        self,
        reply: Any,
        exchange: str,
        routing_key: str,
        ticket: str | None,
        channel: Any = None,
        producer: Any = None,
        **opts: Any,
    ) -> None:
        target = Exchange(exchange, type="direct", delivery_mode="transient", durable=False)
        with self.producer_or_acquire(producer, channel) as sender:
            try:
                sender.publish(
                    reply,
                    exchange=target,
                    routing_key=routing_key,
                    declare=[target],
                    headers={"ticket": ticket, "clock": self.clock.forward()},
                    retry=True,
                    **opts,
                )
            except InconsistencyError:
                # The queue is gone, and with it who asked.
                pass

    # -- collecting --------------------------------------------------------------------------

    def _collect(
        self,
        ticket: str,
        limit: int | None = None,
        timeout: float | None = 1,
        callback: Callable[[Any], Any] | None = None,
        channel: Any = None,
        accept: Any = None,
    ) -> list[Any]:
        """The replies to a ticket: as many as `limit`, or those of `timeout` seconds."""
        chan = channel or self.default_channel
        queue = self.reply_queue
        replies = self.unclaimed.setdefault(ticket, deque())
        responses: list[Any] = []

        def sort_in(body: Any, message: Any) -> None:
            self.clock.adjust(message.headers.get("clock") or 0)
            # Late ones, of tickets that nobody waits for any more, are dropped.
            waiting = self.unclaimed.get(message.headers.get("ticket"))
            if waiting is not None:
                waiting.append(body)

        deadline = None if timeout is None else monotonic() + timeout
        connection = chan.connection.client
        consumer = Consumer(
            chan,
            [queue],
            accept=self.accept if accept is None else accept,
            no_ack=True,
            callbacks=[sort_in],
            on_decode_error=_log_undecodable,
        )
        try:
            with consumer:
                while True:
                    while replies and (not limit or len(responses) < limit):
                        response = replies.popleft()
                        if callback is not None:
                            callback(response)
                        responses.append(response)
                    if limit and len(responses) >= limit:
                        return responses
                    left = None if deadline is None else max(deadline - monotonic(), 0.0)
                    try:
                        connection.drain_events(timeout=left)
                    except TimeoutError as exc:
                        if exc.errno is not None:
                            # Not we were late: the connection timed out.
                            raise
                        if not replies:
                            return responses
        finally:
            chan.after_reply_message_received(queue.name)


def _log_undecodable(message: Any, exc: Exception) -> None:  # noqa: ARG001  documented signature
    logger.error("Cannot decode reply: %r", exc, exc_info=exc)
