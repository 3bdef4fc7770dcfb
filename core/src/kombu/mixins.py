"""Programs that consume: they connect, declare, receive, and begin again when that is lost."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import count
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

from kombu import messaging
from kombu.exceptions import OperationalError
from kombu.utils.encoding import safe_repr
from kombu.utils.limits import TokenBucket
from kombu.utils.loggers import get_logger
from kombu.utils.objects import cached_property
from kombu.utils.ranges import jittered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from kombu.connection import Connection

__all__ = ("ConsumerMixin", "ConsumerProducerMixin")

logger = get_logger(__name__)

#: Seconds that letting go of a lost connection may take.
LETTING_GO = 1.0

#: The longest pause, in seconds, between connections that are lost again before anything came.
LONGEST_PAUSE = 30.0

#: How often a pause looks whether it is to end (seconds).
LOOK = 0.25

#: Pauses are up to this part shorter, so that consumers do not all come back in the same moment.
JITTER = 0.1


class _Stopped(OperationalError):
    """``should_stop`` was set while there was no connection."""


class _NothingCameError(TimeoutError):
    """Nothing came within the timeout of `consume`; no connection was lost."""


class ConsumerMixin:
    """Makes a consuming program of a class that has a connection and says what to consume.

    The class needs an attribute `connection` (a `kombu.Connection`, of which a copy is used) and
    a method `get_consumers`.  `run` then receives until `should_stop` is set, and begins again
    after each loss of the connection: connects, declares and consumes anew.  Several consumers may
    be on channels of their own.

    Run it in one thread; `should_stop` may be set by any, and is noticed within `safety_interval`.
    """

    #: The connection whose copies are used.
    connection: Connection

    #: How often to try to connect in a row; `None`: for ever.
    connect_max_retries: int | None = None

    #: Set to end.
    should_stop: bool = False

    #: How many connections in a row were lost before anything came.
    _fruitless = 0

    # -- what a program says -----------------------------------------------------------------

    def get_consumers(
        self,
        Consumer: Callable[..., messaging.Consumer],  # noqa: N803  documented name
        channel: Any,
    ) -> Sequence[Any]:
        """The consumers, for each connection anew.

        Args:
            Consumer: Makes one on `channel`: `kombu.Consumer` without its first argument.
            channel: The default channel of the connection.

        Raises:
            NotImplementedError: The subclass does not say.
        """
        raise NotImplementedError(
            f"{type(self).__name__} does not say what to consume: "
            "define get_consumers(self, Consumer, channel), which returns a list of consumers"
        )

    @contextmanager
    def extra_context(self, connection: Connection, channel: Any) -> Iterator[Any]:
        """A context that is entered once the consumers are there; none by default."""
        yield

    def on_connection_error(self, exc: BaseException, interval: float) -> None:
        """Called where connecting failed; `interval`: seconds until it is tried again."""
        logger.warning(
            "Broker connection error, trying again in %s seconds: %r.", interval, exc, exc_info=exc
        )

    def on_connection_revived(self) -> None:
        """Called when the connection is there, the first time and each further one."""

    def on_consume_ready(
        self, connection: Connection, channel: Any, consumers: Sequence[Any], **kwargs: Any
    ) -> None:
        """Called when messages can come; `kwargs` are those of `consume`."""

    def on_consume_end(self, connection: Connection, channel: Any) -> None:
        """Called after the consumers were cancelled; not after the connection was lost."""

    def on_iteration(self) -> None:
        """Called before each wait for an event: after each event, and each `safety_interval`."""

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """Called with a message whose body can't be decoded: logs it and acknowledges it.

        Otherwise it would come again and again.
        """
        logger.error(
            "Can't decode message body: %r (type:%r encoding:%r raw:%s)",
            exc,
            message.content_type,
            message.content_encoding,
            safe_repr(message.body),
        )
        message.ack()

    # -- running -----------------------------------------------------------------------------

    def run(self, _tokens: int = 1, **kwargs: Any) -> None:
        """Consume until `should_stop` is set, and begin again where the connection is lost.

        A connection that is lost again before anything came is waited for longer each time, up to
        half a minute.

        Args:
            _tokens: How many of `restart_limit` a start takes.
            **kwargs: Arguments of `consume`.

        Raises:
            OperationalError: The broker can't be reached in `connect_max_retries` further rounds.
            TimeoutError: A ``timeout`` was given, and nothing came for so long.
            Exception: Whatever a callback raises that is neither a connection nor a channel error.
        """
        errors = (*self.connection_errors, *self.channel_errors)
        self._fruitless = 0
        try:
            while not self.should_stop:
                self._wait_to_restart(_tokens)
                if self._stopped():
                    return
                try:
                    for _ in self.consume(limit=None, **kwargs):
                        self._fruitless = 0
                except _NothingCameError:
                    raise
                except errors as exc:
                    self._fruitless += 1
                    logger.warning(
                        "Connection to broker lost, trying to re-establish connection...",
                        exc_info=exc,
                    )
        finally:
            self._finished()

    def _wait_to_restart(self, tokens: int) -> None:
        if self._fruitless > 1:
            longer = min(2.0 ** (self._fruitless - 1), LONGEST_PAUSE)
            self._pause(jittered(longer, JITTER))
        limit = self.restart_limit
        while not self.should_stop and not limit.can_consume(tokens):
            self._pause(limit.expected_time(tokens))

    def _pause(self, seconds: float) -> None:
        until = monotonic() + seconds
        while not self.should_stop:
            left = until - monotonic()
            if left <= 0:
                return
            sleep(min(left, LOOK))

    def _stopped(self) -> bool:
        """Whether to end; another thread may say so at any time."""
        return self.should_stop

    def _finished(self) -> None:
        """Called when `run` ends."""

    def consume(
        self,
        limit: int | None = None,
        timeout: float | None = None,
        safety_interval: float = 1,
        **kwargs: Any,
    ) -> Iterator[Any]:
        """Connect, consume, and yield after each event, until `should_stop` is set.

        Args:
            limit: How often to wait for an event; `None`: no limit.
            timeout: Seconds that nothing may come for; `None`: no limit.
            safety_interval: Seconds after which a wait ends to look at `should_stop` and at
                heartbeats.
            **kwargs: Handed to `on_consume_ready`.

        Raises:
            TimeoutError: Nothing came within `timeout`.
            OSError, ConnectionError: The connection is lost; `run` begins again.
        """
        try:
            with self.consumer_context(**kwargs) as (connection, _, _):
                yield from self._events(connection, limit, timeout, safety_interval)
        except _Stopped:
            pass

    def _events(
        self,
        connection: Connection,
        limit: int | None,
        timeout: float | None,
        safety_interval: float,
    ) -> Iterator[None]:
        idle_since = checked = monotonic()
        for _ in range(limit) if limit else count():
            if self.should_stop:
                break
            self.on_iteration()
            wait = safety_interval
            if timeout is not None:
                wait = min(wait, max(idle_since + timeout - monotonic(), 0.0))
            came = self._wait(connection, wait)
            if not came and self._stopped():
                break
            now = monotonic()
            if now - checked >= safety_interval or not came:
                # Not only when nothing comes: a busy consumer has a heartbeat, too.
                connection.heartbeat_check()
                checked = now
            if came:
                yield None
                idle_since = monotonic()
            elif timeout is not None and now - idle_since >= timeout:
                raise _NothingCameError(f"nothing came for {timeout} seconds")
            else:
                # It works, there is only nothing to do.
                self._fruitless = 0

    def _wait(self, connection: Connection, seconds: float) -> bool:
        """Wait for an event; whether one came."""
        try:
            connection.drain_events(timeout=seconds)
        except TimeoutError as exc:
            # One with a number says that the connection timed out.
            if exc.errno is not None and not self.should_stop:
                raise
            return False
        except self.connection_errors:
            # Somebody may have closed the connection to end us.
            if not self.should_stop:
                raise
            return False
        return True

    # -- contexts ----------------------------------------------------------------------------

    @contextmanager
    def consumer_context(self, **kwargs: Any) -> Iterator[tuple[Any, Any, list[Any]]]:
        """Connect and consume without waiting for events: ``(connection, channel, consumers)``."""
        with (
            self.Consumer() as (connection, channel, consumers),
            self.extra_context(connection, channel),
        ):
            self.on_consume_ready(connection, channel, consumers, **kwargs)
            yield connection, channel, consumers

    @contextmanager
    def Consumer(self) -> Iterator[tuple[Any, Any, list[Any]]]:  # noqa: N802  documented name
        """Connect, and consume with what `get_consumers` says."""
        with self.establish_connection() as connection:
            self.on_connection_revived()
            logger.info("Connected to %s", connection.as_uri())
            channel = connection.default_channel
            new_consumer = partial(
                messaging.Consumer, channel, on_decode_error=self.on_decode_error
            )
            with (
                self._consume_from(*self.get_consumers(new_consumer, channel)) as consumers,
                self._letting_go(connection),
            ):
                yield connection, channel, consumers
            logger.debug("Consumers canceled")
            self.on_consume_end(connection, channel)
        logger.debug("Connection closed")

    @contextmanager
    def _consume_from(self, *consumers: Any) -> Iterator[list[Any]]:
        with ExitStack() as stack:
            yield [stack.enter_context(consumer) for consumer in consumers]

    @contextmanager
    def establish_connection(self) -> Iterator[Any]:
        """A connection of its own, established, and closed at the end."""
        with self.create_connection() as connection:
            self._ensure(connection)
            with self._letting_go(connection):
                yield connection

    @contextmanager
    def _letting_go(self, connection: Connection) -> Iterator[None]:
        """Where the connection is lost, say no farewell: there may be nobody to hear it."""
        try:
            yield
        except _NothingCameError:
            raise
        # Not those of `self`, whose connection may be known by a channel that is closed by now.
        except connection.connection_errors:
            connection.collect(socket_timeout=LETTING_GO)
            raise

    def _ensure(self, connection: Connection) -> None:
        connection.ensure_connection(
            self.on_connection_error, self.connect_max_retries, callback=self._stop_connecting
        )

    def _stop_connecting(self) -> None:
        """Called about once a second while there is no connection."""
        if self.should_stop:
            raise _Stopped("should_stop was set while there was no connection")

    def create_connection(self) -> Connection:
        """A copy of `connection`, which is left alone."""
        copy: Connection = self.connection.clone()
        return copy

    def maybe_conn_error(self, fun: Callable[[], Any]) -> Any:
        """Call `fun` and ignore connection and channel errors; see `kombu.common.ignore_errors`."""
        try:
            return fun()
        except (*self.connection_errors, *self.channel_errors):
            return None

    # -- questions ---------------------------------------------------------------------------

    @cached_property
    def restart_limit(self) -> TokenBucket:
        """How often to begin again: once a second."""
        return TokenBucket(1)

    @cached_property
    def connection_errors(self) -> tuple[type[BaseException], ...]:
        """Exceptions that say that the connection is lost."""
        return self.connection.connection_errors

    @cached_property
    def channel_errors(self) -> tuple[type[BaseException], ...]:
        """Exceptions that say that a channel is lost."""
        return self.connection.channel_errors


class ConsumerProducerMixin(ConsumerMixin):
    """A consuming program that publishes, too: on a connection of its own.

    A broker that stops taking messages from a connection (RabbitMQ does when it is short of memory)
    would stop one that also consumes from acknowledging.
    """

    _producer_connection: Connection | None = None

    @property
    def producer(self) -> messaging.Producer:
        """A producer on `producer_connection`."""
        return messaging.Producer(self.producer_connection)

    @property
    def producer_connection(self) -> Connection:
        """The connection for publishing; established at the first look, closed with the consumers.

        Raises:
            OperationalError: The broker can't be reached in `connect_max_retries` further rounds.
        """
        connection = self._producer_connection
        if connection is None:
            connection = self.create_connection()
            self._ensure(connection)
            self._producer_connection = connection
        return connection

    def on_consume_end(self, connection: Connection, channel: Any) -> None:
        """Close the connection for publishing."""
        self._finished()
        super().on_consume_end(connection, channel)

    def _finished(self) -> None:
        connection, self._producer_connection = self._producer_connection, None
        if connection is not None:
            connection.close()
