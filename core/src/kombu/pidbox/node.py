"""The end of a mailbox that executes commands."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, TypeVar

from kombu import messaging
from kombu.matcher import match
from kombu.utils.deadlines import bounded, operation_timeout
from kombu.utils.loggers import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .mailbox import Mailbox

__all__ = ("Node",)

logger = get_logger("kombu.pidbox")

F = TypeVar("F", bound="Callable[..., Any]")


class Node:
    """Receives commands and calls their handlers.

    Args:
        hostname: Its name, by which it is addressed.
        state: Handed to each handler.
        channel: Channel to receive on; that of the mailbox's connection by default.
        handlers: Functions by the name of their command.
        mailbox: The `Mailbox` that it belongs to.

    For one thread; what a subclass makes of `dispatch` is called instead of ours.
    """

    #: Its name.
    hostname: str = ""
    #: The mailbox that it belongs to.
    mailbox: Any = None
    #: Functions by the name of their command; called as ``handler(state, **arguments)``.
    handlers: Any = None
    #: Handed to each handler.
    state: Any = None
    #: Channel to receive and to answer on.
    channel: Any = None

    def __init__(
        self,
        hostname: str,
        state: Any = None,
        channel: Any = None,
        handlers: dict[str, Callable[..., Any]] | None = None,
        mailbox: Mailbox | None = None,
    ) -> None:
        self.channel = channel
        self.mailbox = mailbox
        self.hostname = hostname
        self.state = state
        self.handlers = {} if handlers is None else handlers

    def _operation_timeout(self) -> float:
        return operation_timeout(self.channel or getattr(self.mailbox, "connection", None))

    def handler(self, fun: F) -> F:
        """Decorate a function: it handles the command of its name."""
        self.handlers[fun.__name__] = fun
        return fun

    # -- receiving ---------------------------------------------------------------------------

    @bounded
    def Consumer(  # noqa: N802  documented name
        self,
        channel: Any = None,
        no_ack: bool = True,
        accept: Any = None,
        *,
        timeout: float | None = None,
        **options: Any,
    ) -> messaging.Consumer:
        """A `kombu.Consumer` of the node's queue, which is declared."""
        queue = self.mailbox.get_queue(self.hostname)
        queue.on_declared = self._warn_if_shared
        return messaging.Consumer(
            channel or self.channel or self.mailbox.default_channel,
            [queue],
            no_ack=no_ack,
            accept=self.mailbox.accept if accept is None else accept,
            **options,
        )

    def _warn_if_shared(self, name: str, messages: int, consumers: int) -> None:
        if consumers:
            warnings.warn(
                f"A node named {self.hostname} is already using this process mailbox: each command "
                "reaches one of the two. Did you start two with the same name? Name them apart",
                stacklevel=2,
            )

    @bounded
    def listen(
        self,
        channel: Any = None,
        callback: Callable[[Any, Any], Any] | None = None,
        *,
        timeout: float | None = None,
    ) -> messaging.Consumer:
        """Start to receive commands; they come with ``drain_events``.  Cancel what it returns.

        Args:
            channel: Channel to receive on instead.
            callback: Called with ``(body, message)`` instead of `handle_message`.
            timeout: Seconds that declaring may take; `None`: the ``operation_timeout``.
        """
        consumer = self.Consumer(
            channel=channel,
            callbacks=[callback or self.handle_message],
            on_decode_error=self.on_decode_error,
        )
        consumer.consume()
        return consumer

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """Called with a command that can't be decoded: logs it."""
        logger.error("Cannot decode message: %r", exc, exc_info=exc)

    def handle_message(self, body: Any, message: Any = None) -> Any:
        """Execute a command, if it is for this node; returns what its handler returned.

        What is no command is logged and passed over: whoever can send must not stop the process.
        """
        try:
            meant = self._is_meant(body, message)
        except Exception as exc:
            logger.exception("pidbox message is no command: %r", exc)  # noqa: TRY401  5.7 has it
            return None
        return self.dispatch(**body) if meant else None

    dispatch_from_message = handle_message

    def _is_meant(self, body: Mapping[str, Any], message: Any) -> bool:
        destination, pattern, matcher = map(body.get, ("destination", "pattern", "matcher"))
        if not isinstance(body["method"], str):
            raise TypeError(f"the method is {body['method']!r}, wanted text")
        if "self" in body:
            raise TypeError("'self' is no part of a command")
        reply_to = body.get("reply_to")
        if reply_to and not {"exchange", "routing_key"} <= set(reply_to):
            raise TypeError(f"reply_to is {reply_to!r}, wanted an exchange and a routing_key")
        if message is not None:
            self.mailbox.clock.adjust(message.headers.get("clock") or 0)
        if destination:
            return self.hostname in destination
        if pattern and matcher:
            return bool(match(self.hostname, pattern, matcher))
        return True

    # -- executing ---------------------------------------------------------------------------

    def dispatch(
        self,
        method: str,
        arguments: dict[str, Any] | None = None,
        reply_to: Mapping[str, str] | None = None,
        ticket: str | None = None,
        **kwargs: Any,
    ) -> Any:
        """Execute a command and send the answer, where one is wanted.

        Args:
            method: Its name.
            arguments: Arguments of the handler.
            reply_to: ``exchange`` and ``routing_key`` that the answer goes to.
            ticket: What the answer is to be known by.
            **kwargs: What else the message says; ignored.

        Returns:
            What the handler returned; ``{"error": ...}`` where it raised, which is logged.
        """
        handle = self.handle_call if reply_to else self.handle_cast
        try:
            reply = handle(method, arguments or {})
        except Exception as exc:
            logger.exception("pidbox command error: %r", exc)  # noqa: TRY401  5.7 has it
            reply = {"error": repr(exc)}
        if reply_to:
            self.reply(
                {self.hostname: reply},
                exchange=reply_to["exchange"],
                routing_key=reply_to["routing_key"],
                ticket=ticket,
            )
        return reply

    def handle(self, method: str, arguments: dict[str, Any] | None = None) -> Any:
        """Call the handler of a command.

        Raises:
            KeyError: There is none of this name.
        """
        return self.handlers[method](self.state, **(arguments or {}))

    def handle_call(self, method: str, arguments: dict[str, Any]) -> Any:
        """Execute a command whose answer is wanted."""
        return self.handle(method, arguments)

    def handle_cast(self, method: str, arguments: dict[str, Any]) -> Any:
        """Execute a command whose answer is not wanted."""
        return self.handle(method, arguments)

    @bounded
    def reply(
        self,
        data: Any,
        exchange: str,
        routing_key: str,
        ticket: str | None,
        *,
        timeout: float | None = None,
        **kwargs: Any,
    ) -> None:
        """Send an answer; where nobody waits for it any more it is dropped.

        Args:
            data: The answer.
            exchange: Where it goes.
            routing_key: Its routing key.
            ticket: What it is to be known by.
            timeout: Seconds that it may take; `None`: the ``operation_timeout``.
            **kwargs: Ignored.
        """
        self.mailbox._publish_reply(  # noqa: SLF001  documented to those who read 5.7
            data,
            exchange,
            routing_key,
            ticket,
            channel=self.channel,
            serializer=self.mailbox.serializer,
        )
