"""What a channel publishes, and what the broker says to it."""

from __future__ import annotations

import threading
from time import monotonic
from typing import TYPE_CHECKING, Any

import amqp  # type: ignore[import-untyped]
from amqp import spec

from kombu.exceptions import ConnectionError as AnyConnectionError

from .confirms import Confirm, Confirms
from .delaying import HEADER, take_delay, waiting_queue, without_waits
from .errors import MessageNacked, MessageReturned, OutcomeUnknown

if TYPE_CHECKING:
    from .channel import Channel
    from .connection import Connection

__all__ = ("Publisher",)


class Publisher:
    """The publishing half of a channel.

    A message is confirmed before `publish` returns where the caller says so, and always where it
    is mandatory: that is how the broker tells which message fits no queue.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        #: `None` until the channel is in confirm mode.
        self._confirms: Confirms | None = None
        #: Nothing is confirmed before the transaction is.
        self.in_transaction = False
        #: Messages go out in the order of their numbers.
        self._order = threading.Lock()
        #: One mandatory message at a time: what comes back is that one.
        self._one_mandatory = threading.Lock()
        self._mandatory: Confirm | None = None

    # -- publishing --------------------------------------------------------------------------

    def publish(
        self,
        message: Any,
        exchange: str,
        routing_key: str,
        *,
        mandatory: bool,
        confirmed: bool,
        confirm_timeout: float | None,
    ) -> None:
        """Publish a message; see `Channel.basic_publish`."""
        channel = self._channel
        connection = channel.live()
        # A close or an alarm that has come is told now, not with a later message.
        connection.look()
        channel.raise_refusal()
        if connection.blocked is not None:
            connection.wait_unblocked(connection.deadline())
        headers = message.properties.get("application_headers")
        if headers and HEADER in headers:
            message, exchange, routing_key = self._wait_first(message, exchange, routing_key)
        if self.in_transaction or not (confirmed or mandatory):
            if self._confirms is None:
                self._send(message, exchange, routing_key, mandatory)
            else:
                # Counted, as the broker counts it, and not waited for.
                confirm = self._send_counted(message, exchange, routing_key, mandatory)
                self._confirms.forget(confirm)
            return
        if self._confirms is None or not channel.is_open:
            channel.confirm_select()
        deadline = connection.deadline(confirm_timeout)
        if not mandatory:
            confirm = self._send_counted(message, exchange, routing_key, mandatory)
            self._await(connection, confirm, exchange, routing_key, deadline)
            return
        if not self._one_mandatory.acquire(timeout=max(deadline - monotonic(), 0)):
            raise TimeoutError("Basic.publish: another mandatory message waits for its confirm")
        try:
            confirm = self._send_counted(message, exchange, routing_key, mandatory)
            self._await(connection, confirm, exchange, routing_key, deadline)
        finally:
            self._mandatory = None
            self._one_mandatory.release()
        if confirm.returned is not None:
            self._tell_return(*confirm.returned)

    def _send(self, message: Any, exchange: str, routing_key: str, mandatory: bool) -> None:
        self._channel.send_method(
            spec.Basic.Publish, "Bssbb", (0, exchange, routing_key, mandatory, False), message
        )

    def _send_counted(
        self, message: Any, exchange: str, routing_key: str, mandatory: bool
    ) -> Confirm:
        with self._order:
            confirms = self._confirms
            if confirms is None:
                # Closed by the broker since the last look.
                self._channel.raise_refusal()
                self._channel.confirm_select()
                confirms = self._confirms = self._confirms or Confirms()
            confirm = confirms.published()
            if mandatory:
                self._mandatory = confirm
            try:
                self._send(message, exchange, routing_key, mandatory)
            except BaseException:
                confirms.not_sent(confirm)
                raise
        return confirm

    def _await(
        self,
        connection: Connection,
        confirm: Confirm,
        exchange: str,
        routing_key: str,
        deadline: float,
    ) -> None:
        try:
            connection.wait_until(confirm.known, deadline)
        except TimeoutError:
            if self._confirms is not None:
                self._confirms.forget(confirm)
            raise TimeoutError(
                f"Basic.publish: {connection.host} did not confirm the message in time; the "
                "outcome is unknown: it may be in its queue"
            ) from None
        except (OSError, AnyConnectionError) as exc:
            raise _unknown(exc) from exc
        error = confirm.error
        if isinstance(error, (OSError, AnyConnectionError)):
            raise _unknown(error) from error
        if error is not None:
            raise error
        if confirm.refused:
            raise MessageNacked(exchange, routing_key)

    # -- delays ------------------------------------------------------------------------------

    def _wait_first(self, message: Any, exchange: str, routing_key: str) -> tuple[Any, str, str]:
        """Have a message wait before it goes its way; returns it, and where it goes first."""
        headers = dict(message.properties["application_headers"])
        delay = take_delay(headers)
        # It would leave its waiting queue by its expiration, too early.
        properties = {n: v for n, v in message.properties.items() if n != "expiration" or not delay}
        # A copy: who publishes it again, because the connection was lost, means the same.
        message = amqp.Message(message.body, **{**properties, "application_headers": headers})
        if not delay:
            return message, exchange, routing_key
        queue = waiting_queue(delay, exchange, routing_key)
        self._channel.queue_declare(
            queue.name, durable=True, auto_delete=False, arguments=queue.arguments
        )
        return message, "", queue.name

    def requeue_later(self, raw: Any, queue: str | None, delay: float) -> None:
        """Have a copy of a message come back to its queue later, and acknowledge the message.

        Args:
            raw: py-amqp's message.
            queue: Its queue.
            delay: In seconds.

        Raises:
            ValueError: Its queue is not known.
        """
        if queue is None:
            raise ValueError(
                "requeue with a delay: the queue that the message came from is not known, because "
                "its consumer was cancelled"
            )
        headers = without_waits(raw.properties.get("application_headers") or {})
        headers[HEADER] = max(int(delay * 1000), 1)
        copy = amqp.Message(raw.body, **{**raw.properties, "application_headers": headers})
        self.publish(copy, "", queue, mandatory=False, confirmed=True, confirm_timeout=None)
        self._channel.basic_ack(raw.delivery_info["delivery_tag"])

    # -- what the broker says ----------------------------------------------------------------

    def begin_confirms(self) -> None:
        """The broker confirms what is published from now on."""
        if self._confirms is None:
            self._confirms = Confirms()

    @property
    def confirming(self) -> bool:
        """Whether the channel is in confirm mode."""
        return self._confirms is not None

    def settle(self, delivery_tag: int, multiple: bool, *, refused: bool) -> None:
        """The broker has taken or refused a message, or all up to it."""
        if self._confirms is not None:
            self._confirms.settle(delivery_tag, multiple, refused)

    def returned(self, *returned: Any) -> Any:
        """A message came back; returns what `Connection.drain_events` is to do, if anything."""
        if self._mandatory is not None:
            self._mandatory.returned = returned
            return None
        # Of a transaction.
        return lambda: self._tell_return(*returned)

    def _tell_return(
        self, reply_code: int, reply_text: str, exchange: str, routing_key: str, message: Any
    ) -> None:
        error = MessageReturned(exchange, routing_key, message)
        handlers = self._channel.events.get("basic_return")
        if not handlers:
            raise error
        for handler in list(handlers):
            handler(error, exchange, routing_key, message)

    def lost(self, error: BaseException) -> bool:
        """The channel or connection is lost; returns whether somebody waited for a confirm."""
        confirms, self._confirms = self._confirms, None
        self.in_transaction = False
        return confirms is not None and confirms.fail(error)


def _unknown(cause: BaseException) -> OutcomeUnknown:
    return OutcomeUnknown(
        "the connection was lost before the broker confirmed the message; the outcome is unknown: "
        f"it may be in its queue ({cause})"
    )
