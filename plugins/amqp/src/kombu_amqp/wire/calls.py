"""Methods and their answers, on a channel and on the connection itself."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from typing import TYPE_CHECKING, Any, ClassVar

from amqp.exceptions import METHOD_NAME_MAP  # type: ignore[import-untyped]
from amqp.serialization import dumps, loads  # type: ignore[import-untyped]

from ..errors import RecoverableConnectionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..connection import Connection

__all__ = ("Answer", "Calls", "method_name")


def method_name(method: tuple[int, int]) -> str:
    """A method as people call it, such as ``Queue.declare``."""
    return str(METHOD_NAME_MAP.get(method, method))


class Answer:
    """What the broker answers to one method.

    Args:
        methods: The methods that are an answer.
        late: Called with the arguments of an answer that nobody waits for any more.
    """

    __slots__ = ("arguments", "error", "forgotten", "late", "method", "methods")

    def __init__(
        self, methods: list[tuple[int, int]], late: Callable[..., Any] | None = None
    ) -> None:
        self.methods = methods
        self.late = late
        #: Which one came, and with what.
        self.method: tuple[int, int] | None = None
        self.arguments: tuple[Any, ...] = ()
        #: Why none will come.
        self.error: BaseException | None = None
        #: Nobody waits any more.
        self.forgotten = False

    def settled(self) -> bool:
        """Whether it is known how it went."""
        return self.method is not None or self.error is not None


class Calls:
    """Sends methods and waits for their answers; for py-amqp's channels and connections.

    Answers come in the order of the methods.  An answer that nobody waits for any more, because
    their time was up, is still told from that of the next method.
    """

    connection: Connection | None
    channel_id: int | None
    is_closing: bool
    _callbacks: dict[Any, Callable[..., Any]]
    _METHODS: ClassVar[dict[Any, Any]]
    _ALLOWED_METHODS_WHEN_CLOSING: tuple[Any, ...]
    _answers: deque[Answer]
    _order: threading.Lock

    def _begin_calls(self) -> None:
        self._answers = deque()
        #: Methods go out in the order in which their answers are expected.
        self._order = threading.Lock()

    # -- sending -----------------------------------------------------------------------------

    def send_method(
        self,
        sig: tuple[int, int],
        format: str | None = None,
        args: Any = None,
        content: Any = None,
        wait: Any = None,
        callback: Callable[[], Any] | None = None,
        returns_tuple: bool = False,
        late: Callable[..., Any] | None = None,
    ) -> Any:
        """Send a method, and wait for its answer where there is one (`wait`).

        An answer that comes when the time is up is given to `late`.

        Raises:
            TimeoutError: The answer did not come by the deadline of the call.
            ConnectionError, ChannelError: The connection is lost, or the broker refuses.
        """
        connection = self.live()
        data = dumps(format, args) if format else b""
        if wait is None:
            connection.outgoing.send(self.channel_id, sig, data, content)
            if callback is not None:
                callback()
            return None
        answer = Answer(wait if isinstance(wait, list) else [wait], late)
        with self._order:
            self._answers.append(answer)
            try:
                connection.outgoing.send(self.channel_id, sig, data, content)
            except BaseException:
                with contextlib.suppress(ValueError):  # it was told already
                    self._answers.remove(answer)
                raise
        return self._wait_for(connection, answer, sig, returns_tuple)

    def live(self) -> Connection:
        """The connection.

        Raises:
            RecoverableConnectionError: It is closed or lost.
        """
        connection = self.connection
        if connection is None:
            raise RecoverableConnectionError(
                "this channel or connection is closed, or lost: open a new one"
            )
        return connection

    def wait(
        self,
        method: Any,
        callback: Any = None,
        timeout: float | None = None,
        returns_tuple: bool = False,
    ) -> Any:
        """Wait for a method of the broker; kept because py-amqp has it."""
        answer = Answer(method if isinstance(method, list) else [method])
        self._answers.append(answer)
        return self._wait_for(self.live(), answer, answer.methods[0], returns_tuple, timeout)

    def _wait_for(
        self,
        # The answer may close the channel: another thread may have read it already.
        connection: Connection,
        answer: Answer,
        asked: tuple[int, int],
        returns_tuple: bool,
        timeout: float | None = None,
    ) -> Any:
        try:
            connection.incoming.wait_until(answer.settled, connection.deadline(timeout))
        except TimeoutError:
            answer.forgotten = True
            raise TimeoutError(
                f"{method_name(asked)}: {connection.host} did not answer in time"
            ) from None
        if answer.error is not None:
            raise answer.error
        arguments = answer.arguments
        return arguments if returns_tuple else (arguments and arguments[0])

    # -- answers -----------------------------------------------------------------------------

    def dispatch_method(self, method_sig: tuple[int, int], payload: Any, content: Any) -> None:
        """Handle a method of the broker; called by the thread that reads."""
        if self.is_closing and method_sig not in self._ALLOWED_METHODS_WHEN_CLOSING:
            return
        known = self._METHODS.get(method_sig)
        if known is None:
            from_broker = method_name(method_sig)
            raise RecoverableConnectionError(f"the broker sent {from_broker}, which is unknown")
        arguments: list[Any] = []
        if known.args:
            arguments, _ = loads(known.args, payload, 4)
        if known.content:
            arguments.append(content)
        handler = self._callbacks.get(method_sig)
        if handler is not None:
            handler(*arguments)
        answers = self._answers
        if answers and method_sig in answers[0].methods:
            answer = answers.popleft()
            if answer.forgotten and answer.late is not None:
                answer.late(*arguments)
            answer.arguments = tuple(arguments)
            answer.method = method_sig

    def fail_calls(self, error: BaseException) -> bool:
        """No answer will come; returns whether somebody was told."""
        told = False
        while self._answers:
            answer = self._answers.popleft()
            told = told or not answer.forgotten
            answer.error = error
        return told
