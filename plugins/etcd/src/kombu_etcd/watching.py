"""The watch of one connection: wakes its sessions when a message comes to any queue."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import weakref
from typing import TYPE_CHECKING, Any, Protocol

import requests

from kombu.exceptions import AMQPError, RecoverableConnectionError
from kombu.utils.loggers import get_logger

from .gateway import prefix, text

if TYPE_CHECKING:
    from .gateway import Gateway
    from .keys import Keys

__all__ = ("Watch",)

logger = get_logger(__name__)

#: How long to wait for a connection, and for something to be read (seconds).  A watch that is idle
#: for longer is opened anew: the server may be gone without having said so.
_TIMES = (3.0, 10.0)
#: Between two tries where there is no server (seconds).
_PAUSE = 0.2
#: The longest one, where the server does not allow it again and again (seconds): to check a
#: password takes it some time.
_LONGEST = 30.0


class Listener(Protocol):
    """Who is to be woken."""

    def heard(self, bell: str | None) -> None:
        """Called when a bell was rung; `None`: any may have been, unheard."""


class Watch:
    """A daemon thread that reads etcd's stream of events.  Any thread may call any method.

    Args:
        gateway: Its own.
        keys: Where the bells are.
    """

    def __init__(self, gateway: Gateway, keys: Keys) -> None:
        self._gateway = gateway
        self._range = prefix(keys.bells)
        self._listeners: weakref.WeakSet[Any] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._stream: requests.Response | None = None

    def listen(self, listener: Listener) -> None:
        """Wake `listener` from now on."""
        with self._lock:
            self._listeners.add(listener)
            if self._thread is None and not self._stop.is_set():
                self._thread = threading.Thread(
                    target=self._run, name="kombu-etcd-watch", daemon=True
                )
                self._thread.start()

    def close(self) -> None:
        """End the thread, which closes its connection."""
        self._stop.set()
        stream = self._stream
        if stream is not None:
            # A read that waits ends no other way.
            with contextlib.suppress(OSError, ValueError, AttributeError):
                copy = socket.socket(fileno=os.dup(stream.raw.fileno()))
                with copy:
                    copy.shutdown(socket.SHUT_RDWR)

    def forked(self) -> None:
        """In the child of a fork there is no thread; the stream is the parent's."""
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._stop.set()
        self._gateway.close()

    def _tell(self, bell: str | None) -> None:
        for listener in list(self._listeners):
            listener.heard(bell)

    def _run(self) -> None:
        pause = _PAUSE
        while not self._stop.is_set():
            try:
                self._read()
                pause = _PAUSE
            except (OSError, RecoverableConnectionError, requests.RequestException) as exc:
                # Those who wait look by themselves now and then, and hear of what is wrong.
                self._ended(exc)
                pause = _PAUSE
            except (AMQPError, ValueError) as exc:
                self._ended(exc)
                pause = min(pause * 2, _LONGEST)
            except AttributeError:
                # urllib3, whose stream was closed meanwhile.
                logger.debug("The watch of etcd at %s ended", self._gateway.where)
            finally:
                self._close_stream()
            self._stop.wait(pause)
        self._gateway.close()

    def _ended(self, exc: Exception) -> None:
        logger.debug("The watch of etcd at %s ended (%s)", self._gateway.where, exc)

    def _close_stream(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def _read(self) -> None:
        self._stream = stream = self._gateway.stream(
            "/watch", {"create_request": self._range}, _TIMES
        )
        # None: as it arrives.
        for line in stream.iter_lines(chunk_size=None):  # type: ignore[call-overload]
            if self._stop.is_set():
                return
            message = json.loads(line) if line.strip() else {}
            result = message.get("result", {})
            if result.get("canceled") or message.get("error"):
                raise self._gateway.canceled(stream, str(result.get("cancel_reason") or message))
            if result.get("created"):
                # What came before was not heard.
                self._tell(None)
            for event in result.get("events", ()):
                self._tell(text(event["kv"]["key"]))
