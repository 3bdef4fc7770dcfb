"""Fanout between kombu 5.7 and 6.

Here a message for a fanout exchange is put into every queue that is bound to it, and waits there.
In kombu 5.7 it is published on a channel, and whoever listens just then has it.  For the two to
meet, what is published here goes to the channel, too, where somebody of 5.7 is bound; and who binds
a queue here listens for what 5.7 publishes, and puts it into the queue.
"""

from __future__ import annotations

import json
import os
import threading
import weakref
from time import monotonic
from typing import TYPE_CHECKING, Any

from kombu.exceptions import KombuError
from kombu.utils.loggers import get_logger

from ..connection import errors
from ..connection.talk import pack
from ..connection.waiting import readable
from ..wire.messages import OURS, read

if TYPE_CHECKING:
    from ..backend import RedisBackend

__all__ = ("LISTENERS", "Channels", "Listener")

logger = get_logger(__name__)

#: The name of a queue that stands for all who listen to the channel of an exchange.
LISTENERS = "_kombu6.listeners"

#: Seconds after which a line that says nothing is asked whether it is there, at most, ...
_SILENCE = 10.0
#: ... how long its answer may take, ...
_ANSWER = 5.0
#: ... and how long a broken line is left before the next attempt.
_REST = 0.5
#: How long it is remembered who put a message into a queue (milliseconds).
_REMEMBERED = 60_000


class Channels:
    """How fanout channels are called: ``/0.exchange/key``, as in kombu 5.7.

    Args:
        prefix: 5.7's ``global_keyprefix``.
        naming: 5.7's ``fanout_prefix``.
        patterns: 5.7's ``fanout_patterns``.
        db: The number of the database, which channels do not belong to.
    """

    def __init__(self, prefix: str, naming: bool | str, patterns: bool, db: int) -> None:
        begin = naming if isinstance(naming, str) else "/{db}." if naming else ""
        self._begin = prefix + begin.format(db=db)
        self._patterns = patterns

    def of(self, exchange: str, routing_key: str) -> str:
        """Where a message is published."""
        if self._patterns and routing_key:
            return f"{self._begin}{exchange}/{routing_key}"
        return f"{self._begin}{exchange}"

    def all_of(self, exchange: str) -> tuple[str, str]:
        """The channel of an exchange without a key, and the pattern of those with one."""
        plain = f"{self._begin}{exchange}"
        # What means something in a pattern and is part of a name here.
        escaped = "".join(f"\\{c}" if c in "*?[]\\" else c for c in plain)
        return plain, f"{escaped}/*"


class Listener:
    """A daemon thread that puts what 5.7 publishes into the queues that were bound here.

    It runs while something is bound.  A line that breaks is opened again; what was published
    meanwhile is lost, as it is in 5.7, and a warning says so.  `add`, `remove`, `stop` and `forked`
    may be called by any thread.
    """

    def __init__(self, backend: RedisBackend) -> None:
        self._backend = weakref.ref(backend, self._ended)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        #: The queues by exchange; another object after each change.
        self._queues: dict[str, frozenset[str]] = {}
        self._wake: tuple[int, int] | None = None
        self._stopped = False
        #: Whether the line is broken, and since when.
        self._broke = False
        self._away_since = 0.0
        self._listening = threading.Condition(self._lock)
        self._heard: frozenset[str] = frozenset()

    def add(self, exchange: str, queue: str, deadline: float) -> None:
        """Listen for an exchange on behalf of a queue; returns once that is so, or it is late."""
        with self._lock:
            self._queues[exchange] = self._queues.get(exchange, frozenset()) | {queue}
            self._begin()
            self._listening.wait_for(
                lambda: exchange in self._heard or self._stopped,
                timeout=max(min(deadline - monotonic(), _ANSWER), 0),
            )

    def remove(self, exchange: str | None, queue: str) -> None:
        """Listen no more on behalf of a queue; for no exchange where it is `None`."""
        with self._lock:
            for name in list(self._queues) if exchange is None else [exchange]:
                left = self._queues.get(name, frozenset()) - {queue}
                if left:
                    self._queues[name] = left
                else:
                    self._queues.pop(name, None)
            self._ring()

    def stop(self) -> None:
        """Listen no more."""
        with self._lock:
            self._stopped = True
            self._ring()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(1.0)

    def _is_stopped(self) -> bool:
        return self._stopped

    def forked(self) -> None:
        """In the child of a fork there is no thread; what the child binds, it listens for."""
        self._lock = threading.Lock()
        self._listening = threading.Condition(self._lock)
        self._thread = None
        self._queues = {}
        self._heard = frozenset()
        wake, self._wake = self._wake, None
        for fd in wake or ():
            os.close(fd)

    def _ended(self, _: object) -> None:
        """The connection was garbage-collected, which may be at any place: no lock."""
        self._stopped = True
        self._ring()

    def _begin(self) -> None:
        if self._thread is None and not self._stopped:
            self._wake = os.pipe()
            for fd in self._wake:
                os.set_blocking(fd, False)
            self._thread = threading.Thread(target=self._run, name="kombu-fanout", daemon=True)
            self._thread.start()
        self._ring()

    def _ring(self) -> None:
        wake = self._wake
        if wake is not None:
            try:
                os.write(wake[1], b"!")
            except OSError:
                pass  # full, which wakes as well, or closed just now

    # -- the thread ----------------------------------------------------------------------------

    def _run(self) -> None:
        wake = self._wake
        try:
            while not self._stopped and wake is not None:
                try:
                    self._listen(wake[0])
                except (OSError, KombuError, *errors.BROKEN):
                    if self._is_stopped():
                        break
                    log = logger.debug if self._broke else logger.warning
                    log(
                        "The line for fanout messages of kombu 5.7 broke: those published until it "
                        "is back are missed",
                        exc_info=True,
                    )
                    if not self._broke:
                        self._away_since = monotonic()
                    self._broke = True
                    with self._lock:
                        self._heard = frozenset()
                    readable(_REST, wake[0])
                    _silence(wake[0])
        finally:
            with self._lock:
                self._stopped = True
                self._wake = None
                self._listening.notify_all()
            for fd in wake or ():
                os.close(fd)

    def _listen(self, wake: int) -> None:
        backend = self._backend()
        if backend is None:
            return
        talk = backend.line()
        talk.role = "fanout"
        silence = min(_SILENCE, backend.options.health_check_interval or _SILENCE)
        session = backend.further_session()
        channels = backend.channels
        del backend
        try:
            line = talk.open(monotonic() + _ANSWER)
            wanted: frozenset[str] = frozenset()
            heard_at = monotonic()
            asked = False
            while not self._stopped:
                with self._lock:
                    now_wanted = frozenset(self._queues)
                for exchange in now_wanted - wanted:
                    plain, pattern = channels.all_of(exchange)
                    line.write(pack("SUBSCRIBE", plain) + pack("PSUBSCRIBE", pattern), _ANSWER)
                for exchange in wanted - now_wanted:
                    plain, pattern = channels.all_of(exchange)
                    line.write(pack("UNSUBSCRIBE", plain) + pack("PUNSUBSCRIBE", pattern), _ANSWER)
                wanted = now_wanted
                if self._broke and wanted:
                    self._broke = False
                    self._tell_of_gap(tuple(sorted(wanted)))
                ready = readable(1.0, line.fileno(), wake)
                if wake in ready:
                    _silence(wake)
                if line.fileno() in ready:
                    # Several may be in what came; the driver keeps them.
                    for answer in line.all(_ANSWER):
                        self._heard_of(answer, session)
                    heard_at, asked = monotonic(), False
                elif monotonic() > heard_at + silence + _ANSWER:
                    raise ConnectionResetError(f"no answer for {_ANSWER:g} s")
                elif monotonic() > heard_at + silence and not asked:
                    line.write(pack("PING"), _ANSWER)
                    asked = True
        finally:
            talk.drop()
            session.close(monotonic() + _ANSWER)

    def _tell_of_gap(self, exchanges: tuple[str, ...]) -> None:
        away = monotonic() - self._away_since
        logger.info("The line for fanout messages of kombu 5.7 is back after %.1f s", away)
        backend = self._backend()
        told = None if backend is None else backend.options.on_fanout_gap
        if told is not None:
            try:
                told(exchanges, away)
            except Exception:
                logger.exception("on_fanout_gap failed")

    def _heard_of(self, answer: Any, session: Any) -> None:
        if isinstance(answer, Exception):
            raise errors.refused("the fanout channels", answer)
        if not isinstance(answer, list):
            return
        if answer[0] == b"psubscribe":
            self._now_hears(answer[1])
        elif answer[0] in (b"message", b"pmessage"):
            self._store(answer[-1], session)

    def _now_hears(self, pattern: bytes) -> None:
        backend = self._backend()
        if backend is None:
            return
        with self._lock:
            for exchange in self._queues:
                if backend.channels.all_of(exchange)[1] == pattern.decode():
                    self._heard |= {exchange}
            self._listening.notify_all()

    def _store(self, raw: bytes, session: Any) -> None:
        """Put a message of 5.7's into the queues, each once, whoever else listens for it."""
        try:
            envelope = read(raw)
            tag = str(json.loads(raw)["properties"].get("delivery_tag"))
        except (KombuError, ValueError, KeyError, TypeError, AttributeError):
            logger.warning("No message of kombu on a fanout channel: %.200r", raw)
            return
        if tag.startswith(OURS):
            return  # it is in the queues
        with self._lock:
            queues = self._queues.get(envelope.exchange, frozenset())
        for queue in queues:
            session.put_once(queue, envelope, tag, _REMEMBERED, monotonic() + _ANSWER)


def _silence(fd: int) -> None:
    try:
        while len(os.read(fd, 64)) == 64:
            pass
    except BlockingIOError:
        pass
