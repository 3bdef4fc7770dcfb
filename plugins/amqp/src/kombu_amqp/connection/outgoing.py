"""What a connection sends: one frame after the other, whichever thread it comes from."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, NoReturn

from kombu.utils.deadlines import within

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .connection import Connection

__all__ = ("BEAT", "Outgoing")

#: Seconds that a heartbeat, or the answer to a close, may take to be sent.
BEAT = 1.0


class Outgoing:
    """Writes for all threads; who can't loses the connection for all of them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        #: One frame after the other; py-amqp has no lock of its own before 5.4.2.
        self._writing = threading.Lock()

    def send(self, channel_id: int | None, method: Any, arguments: bytes, content: Any) -> None:
        """Send a method, and a message with it.

        Raises:
            RecoverableConnectionError: The connection is lost.
            TimeoutError: (of those) The broker takes nothing.
        """
        connection = self._connection
        with self._writing:
            writer = connection.writer
            if connection.socket is None or writer is None:
                raise connection.gone()
            try:
                writer(1, channel_id, method, arguments, content)
            except OSError as exc:
                error = exc
            else:
                return
        connection.lose(error)
        raise connection.gone() from error

    def send_frames(self, data: bytes) -> None:
        """Send frames that are made already.

        Raises:
            RecoverableConnectionError: The connection is lost.
        """
        connection = self._connection
        with self._writing:
            transport = connection._transport  # noqa: SLF001  the property is one more call
            if transport is None:
                raise connection.gone()
            try:
                transport.write(data)
            except BaseException as exc:
                error = exc
            else:
                connection.bytes_sent += 1
                return
        self._not_sent(error)

    def send_pieces(self, pieces: Sequence[Any]) -> None:
        """Send frames that are made already and not put together."""
        connection = self._connection
        with self._writing:
            transport = connection.socket
            if transport is None:
                raise connection.gone()
            try:
                transport.write_pieces(pieces)
            except BaseException as exc:
                error = exc
            else:
                connection.bytes_sent += 1
                return
        self._not_sent(error)

    def send_heartbeat(self) -> None:
        """Send a heartbeat, unless a thread writes: that is a sign of life itself.

        Raises:
            RecoverableConnectionError: The connection is lost.
        """
        connection = self._connection
        writer = connection.writer
        if writer is None or not self._writing.acquire(blocking=False):
            return
        try:
            with within(BEAT):
                writer(8, 0, None, None, None)
        except OSError as exc:
            failed = exc
        else:
            return
        finally:
            self._writing.release()
        connection.lose(failed)
        raise connection.gone() from failed

    def _not_sent(self, error: BaseException) -> NoReturn:
        # Whatever it was, part of a frame may be sent: nobody could go on from there.
        connection = self._connection
        connection.lose(error)
        if isinstance(error, OSError):
            raise connection.gone() from error
        raise error
