"""What a channel publishes, and what the broker says to it."""

from __future__ import annotations

import threading
from time import monotonic
from typing import TYPE_CHECKING, Any

import amqp  # type: ignore[import-untyped]
from amqp import spec

from kombu.exceptions import ConnectionError as AnyConnectionError
from kombu.utils.deadlines import within

from .confirms import Confirm, Confirms
from .delaying import HEADER, take_delay, waiting_queue, without_waits
from .errors import MessageNacked, MessageReturned, OutcomeUnknown

if TYPE_CHECKING:
    from .connection import Connection

__all__ = ("Publishing",)


class Publishing:
    """The publishing half of `kombu_amqp.channel.Channel`.

    A message is confirmed before `basic_publish` returns where the connection says so, and always
    where it is mandatory: that is how the broker tells which message fits no queue.
    """

    connection: Connection | None
    events: Any
    is_open: bool
    _confirms: Confirms | None

    def _begin_publishing(self) -> None:
        #: `None` until the channel is in confirm mode.
        self._confirms = None
        self._in_transaction = False
        #: Messages go out in the order of their numbers.
        self._publishing = threading.Lock()
        #: One mandatory message at a time: what comes back is that one.
        self._one_mandatory = threading.Lock()
        self._mandatory: Confirm | None = None

    # -- messages ----------------------------------------------------------------------------

    def prepare_message(
        self,
        body: Any,
        priority: int | None = None,
        content_type: str | None = None,
        content_encoding: str | None = None,
        headers: dict[str, Any] | None = None,
        properties: dict[str, Any] | None = None,
        _Message: Any = amqp.Message,  # noqa: N803  documented name
    ) -> Any:
        """A message for `basic_publish`."""
        if priority is not None:
            priority = min(max(int(priority), 0), 255)
        return _Message(
            body,
            priority=priority,
            content_type=content_type,
            content_encoding=content_encoding,
            application_headers=headers,
            **(properties or {}),
        )

    # -- publishing --------------------------------------------------------------------------

    def basic_publish(
        self,
        msg: Any,
        exchange: str = "",
        routing_key: str = "",
        mandatory: bool = False,
        immediate: bool = False,
        timeout: float | None = None,
        confirm_timeout: float | None = None,
        argsig: str = "Bssbb",
    ) -> None:
        """Publish a message.

        Args:
            msg: The message, as `prepare_message` makes it; a header ``x-delay`` has it wait so
                many milliseconds.
            exchange: Name of the exchange.
            routing_key: Its routing key.
            mandatory: It is an error (or for ``events["basic_return"]``) where it fits no queue.
            immediate: Ignored: no broker knows it any more.
            timeout: Seconds that everything may take.
            confirm_timeout: Seconds to wait for the broker's confirm, where one is waited for.

        Raises:
            MessageReturned: It was mandatory and fits no queue.
            MessageNacked: The broker did not take it.
            Blocked: The broker takes no messages; nothing was sent.
            TimeoutError: It was not confirmed in time: the broker may have it or not.
            OutcomeUnknown: The connection was lost meanwhile: the broker may have it or not.
        """
        confirm = self._connected().confirm_publish
        with within(timeout):
            self._publish(msg, exchange, routing_key, mandatory, confirm, confirm_timeout)

    def basic_publish_confirm(
        self,
        msg: Any,
        exchange: str = "",
        routing_key: str = "",
        mandatory: bool = False,
        immediate: bool = False,
        timeout: float | None = None,
        confirm_timeout: float | None = None,
        argsig: str = "Bssbb",
    ) -> None:
        """Publish a message and wait for its confirm, whatever the connection says."""
        with within(timeout):
            self._publish(msg, exchange, routing_key, mandatory, True, confirm_timeout)

    def _publish(
        self,
        msg: Any,
        exchange: str,
        routing_key: str,
        mandatory: bool,
        confirmed: bool,
        confirm_timeout: float | None,
    ) -> None:
        connection = self._connected()
        # A close or an alarm that has come is told now, not with a later message.
        connection.look()
        self.raise_refusal()
        if connection.blocked is not None:
            connection.wait_unblocked(connection.deadline())
        headers = msg.properties.get("application_headers")
        if headers and HEADER in headers:
            exchange, routing_key = self._wait_first(msg, exchange, routing_key)
        if self._in_transaction or not (confirmed or mandatory):
            if self._confirms is None:
                self._send(msg, exchange, routing_key, mandatory)
                return
            # Counted, as the broker counts it, and not waited for.
            self._confirms.forget(self._send_counted(msg, exchange, routing_key, mandatory))
            return
        if self._confirms is None or not self.is_open:
            self.confirm_select()
        deadline = connection.deadline(confirm_timeout)
        if not mandatory:
            confirm = self._send_counted(msg, exchange, routing_key, mandatory)
            self._await_confirm(connection, confirm, exchange, routing_key, deadline)
            return
        if not self._one_mandatory.acquire(timeout=max(deadline - monotonic(), 0)):
            raise TimeoutError("Basic.publish: another mandatory message waits for its confirm")
        try:
            confirm = self._send_counted(msg, exchange, routing_key, mandatory)
            self._await_confirm(connection, confirm, exchange, routing_key, deadline)
        finally:
            self._mandatory = None
            self._one_mandatory.release()
        if confirm.returned is not None:
            self._tell_return(*confirm.returned)

    def _send(self, msg: Any, exchange: str, routing_key: str, mandatory: bool) -> None:
        self.send_method(
            spec.Basic.Publish, "Bssbb", (0, exchange, routing_key, mandatory, False), msg
        )

    def _send_counted(self, msg: Any, exchange: str, routing_key: str, mandatory: bool) -> Confirm:
        with self._publishing:
            confirms = self._confirms
            if confirms is None:
                # Closed by the broker between two looks.
                self.raise_refusal()
                self.confirm_select()
                confirms = self._confirms
                assert confirms is not None  # noqa: S101  confirm_select sets it, or raises
            confirm = confirms.published()
            if mandatory:
                self._mandatory = confirm
            try:
                self._send(msg, exchange, routing_key, mandatory)
            except BaseException:
                confirms.not_sent(confirm)
                raise
        return confirm

    def _await_confirm(
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
            raise OutcomeUnknown(
                "the connection was lost before the broker confirmed the message; the outcome is "
                f"unknown: it may be in its queue ({exc})"
            ) from exc
        error = confirm.error
        if isinstance(error, AnyConnectionError):
            raise OutcomeUnknown(
                "the connection was lost before the broker confirmed the message; the outcome is "
                f"unknown: it may be in its queue ({error})"
            ) from error
        if error is not None:
            raise error
        if confirm.refused:
            raise MessageNacked(exchange, routing_key)

    # -- delays ------------------------------------------------------------------------------

    def _wait_first(self, msg: Any, exchange: str, routing_key: str) -> tuple[str, str]:
        """Have a message wait before it goes its way; returns where it goes first."""
        headers = msg.properties["application_headers"] = dict(
            msg.properties["application_headers"]
        )
        delay = take_delay(headers)
        if not delay:
            return exchange, routing_key
        # It would leave its waiting queue by it, too early.
        msg.properties.pop("expiration", None)
        queue = waiting_queue(delay, exchange, routing_key)
        self.queue_declare(queue.name, durable=True, auto_delete=False, arguments=queue.arguments)
        return "", queue.name

    def requeue_later(self, raw: Any, queue: str | None, delay: float) -> None:
        """Have a copy of a message come back to its queue later, and acknowledge the message.

        Args:
            raw: py-amqp's message.
            queue: Its queue.
            delay: In seconds.

        Raises:
            ChannelError: Its queue is not known.
        """
        if queue is None:
            raise ValueError(
                "requeue with a delay: the queue that the message came from is not known, because "
                "its consumer was cancelled"
            )
        headers = without_waits(raw.properties.get("application_headers") or {})
        headers[HEADER] = max(int(delay * 1000), 1)
        properties = {
            name: value for name, value in raw.properties.items() if name != "application_headers"
        }
        copy = amqp.Message(raw.body, application_headers=headers, **properties)
        self.basic_publish_confirm(copy, "", queue)
        self.basic_ack(raw.delivery_info["delivery_tag"])

    # -- what the broker says ----------------------------------------------------------------

    def confirm_select(self, nowait: bool = False) -> Any:
        """Have the broker confirm what is published on the channel from now on."""
        answer = super().confirm_select(nowait)  # type: ignore[misc]
        if self._confirms is None:
            self._confirms = Confirms()
        return answer

    def tx_select(self) -> Any:
        """Begin a transaction: what is published counts from `tx_commit` on, and is not confirmed.

        Raises:
            PreconditionFailed: Messages were published with confirms on this channel.
        """
        answer = super().tx_select()  # type: ignore[misc]
        self._in_transaction = True
        return answer

    def _on_basic_ack(self, delivery_tag: int, multiple: bool) -> None:
        if self._confirms is not None:
            self._confirms.settle(delivery_tag, bool(multiple), refused=False)
        super()._on_basic_ack(delivery_tag, multiple)  # type: ignore[misc]

    def _on_basic_nack(self, delivery_tag: int, multiple: bool) -> None:
        if self._confirms is not None:
            self._confirms.settle(delivery_tag, bool(multiple), refused=True)
        super()._on_basic_nack(delivery_tag, multiple)  # type: ignore[misc]

    def _on_basic_return(
        self, reply_code: int, reply_text: str, exchange: str, routing_key: str, message: Any
    ) -> None:
        returned = (reply_code, reply_text, exchange, routing_key, message)
        if self._mandatory is not None:
            self._mandatory.returned = returned
        elif self.connection is not None:
            # Of a transaction.
            self.connection.events.append(lambda: self._tell_return(*returned))

    def _tell_return(
        self, reply_code: int, reply_text: str, exchange: str, routing_key: str, message: Any
    ) -> None:
        error = MessageReturned(exchange, routing_key, message)
        handlers = self.events.get("basic_return")
        if not handlers:
            raise error
        for handler in list(handlers):
            handler(error, exchange, routing_key, message)

    def _confirms_lost(self, error: BaseException) -> bool:
        confirms, self._confirms = self._confirms, None
        return confirms is not None and confirms.fail(error)
