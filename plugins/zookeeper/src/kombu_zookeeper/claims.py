"""Claims of one connection: made, settled, and ended when nobody renews them.

A claim is an ephemeral znode beside the message's, so the server ends it with the session.  Every
change to it is a transaction that checks the znode of the owner, which goes with the session, too:
what is late by a session changes nothing.
"""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING, Any, NamedTuple

from kazoo.exceptions import (
    KazooException,
    NoAuthError,
    NodeExistsError,
    NoNodeError,
    RolledBackError,
    RuntimeInconsistency,
)

from kombu.exceptions import ChannelError, RecoverableConnectionError
from kombu.transport.backend import Delivery
from kombu.utils.loggers import get_logger
from kombu.virtual.envelope import to_wire

from .line import Lost
from .nodes import read_message

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kombu.transport.backend import Release

    from .line import Line
    from .nodes import QueueNodes

__all__ = ("Attempt", "Claims", "Settling", "Token")

logger = get_logger(__name__)

#: How often in the time that a claim holds it is looked whether it ended.
_LOOKS = 10


class Token(NamedTuple):
    """Names a claim."""

    nodes: QueueNodes
    message: str
    #: Differs at every claim of a connection.
    serial: int


class Attempt(NamedTuple):
    """A claim that was asked for, and the message, which comes after it."""

    queue: str
    nodes: QueueNodes
    message: str
    claimed: Any
    read: Any


class Settling(NamedTuple):
    """A settlement that was sent."""

    delivery: Delivery
    result: Any


class Claims:
    """What a connection claimed and did not settle.

    Args:
        line: The connection's.
        owner: The path of the znode that is there for as long as the session.
        lease: Seconds that a claim holds unless it is renewed; `None`: until it is settled.
        now: The store's clock, epoch seconds.

    Any thread may call any method.
    """

    def __init__(
        self, line: Line, owner: str, lease: float | None, now: Callable[[], float]
    ) -> None:
        self._line = line
        self._owner = owner
        self._lease = lease
        self._now = now
        self._held: dict[Token, Delivery] = {}
        self._serial = 0
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._looking = False

    def attempt(self, queue: str, nodes: QueueNodes, message: str) -> Attempt:
        """Ask for a claim, and for the message."""
        path = f"{nodes.messages}/{message}"
        change = self._change()
        change.create(f"{nodes.claims}/{message}", ephemeral=True)
        # The server counts these: how often the message was claimed survives who claimed it.
        change.create(f"{path}/claimed")
        change.delete(f"{path}/claimed")
        claimed = change.commit_async()
        # Answered after the claim, as the requests of a session are.
        return Attempt(queue, nodes, message, claimed, self._line.client.get_async(path))

    def made(self, attempt: Attempt, deadline: float) -> Delivery | None:
        """The delivery of a claim that was asked for; `None` where somebody else was quicker.

        Raises:
            TimeoutError: There is no answer yet.
        """
        failure = _failure(self._line.wait(attempt.claimed, deadline))
        if isinstance(failure, (NodeExistsError, NoNodeError)):
            return None
        if failure is not None:
            raise self._refused(attempt.queue, failure)
        try:
            raw, stat = self._line.wait(attempt.read, deadline)
        except NoNodeError:
            return None  # the queue was deleted
        envelope = read_message(raw, attempt.queue)
        with self._lock:
            self._serial += 1
            token = Token(attempt.nodes, attempt.message, self._serial)
        # Each claim was a child that came and went: two changes.
        count = envelope.count + stat.cversion // 2 - 1
        delivery = Delivery(attempt.queue, token, envelope, count)
        self._held[token] = delivery
        if self._lease is not None:
            delivery.lease_until = self._now() + self._lease
            self._look()
        return delivery

    def refuse(self, attempt: Attempt) -> None:
        """Give back, uncounted or not, what was claimed for nobody; called by kazoo."""
        if attempt.claimed.successful() and _failure(attempt.claimed.get_nowait()) is None:
            change = self._change()
            change.delete(f"{attempt.nodes.claims}/{attempt.message}")
            change.commit_async()

    def acknowledge(self, delivery: Delivery) -> Settling | None:
        """Send an acknowledgement; `None` where the claim is lost already."""
        token = self._take(delivery)
        if token is None:
            return None
        change = self._change()
        change.delete(f"{token.nodes.claims}/{token.message}")
        change.delete(f"{token.nodes.messages}/{token.message}")
        return Settling(delivery, change.commit_async())

    def give_back(self, release: Release) -> Settling | None:
        """Send a message back to its queue; `None` where the claim is lost already."""
        delivery = release.delivery
        token = self._take(delivery)
        if token is None:
            return None
        change = self._change()
        change.delete(f"{token.nodes.claims}/{token.message}")
        if not (release.front and release.count):
            # Written anew: at the end, or where it was with the claim not counted.
            envelope = delivery.envelope
            envelope.count = delivery.count + (1 if release.count else 0)
            path = f"{token.nodes.messages}/{token.message}"
            change.delete(path)
            if release.front:
                change.create(path, to_wire(envelope))
            else:
                last = token.nodes.new_message(envelope.priority)
                change.create(last, to_wire(envelope), sequence=True)
        return Settling(delivery, self._send(change, token))

    def lost(self, settling: Settling, deadline: float) -> bool:
        """Whether a settlement that was sent came too late.

        Raises:
            ChannelError: The server refused it for another reason.
        """
        try:
            failure = _failure(self._line.wait(settling.result, deadline))
        except Lost:
            return True
        if failure is not None and not isinstance(failure, NoNodeError):
            raise self._refused(settling.delivery.queue, failure)
        return failure is not None

    def _refused(self, queue: str, failure: Exception) -> Exception:
        return ChannelError(
            f"ZooKeeper at {self._line.where} refused to change a claim on a message of queue "
            f"{queue!r} ({failure!r}): see what its ACLs allow to the user of the URL",
            reply_code=403 if isinstance(failure, NoAuthError) else 541,
        )

    def renew(self, deliveries: Sequence[Delivery], seconds: float) -> list[Delivery]:
        """Hold claims for some seconds from now; return those that were lost."""
        lost = []
        for delivery in deliveries:
            if delivery.token in self._held:
                delivery.lease_until = self._now() + seconds
            else:
                lost.append(delivery)
        return lost

    def stop(self) -> None:
        """Look no more whether claims ended: the session does."""
        self._stop.set()

    def forked(self) -> None:
        """In the child of a fork there is no claim."""
        self._held = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._stop.set()

    def _change(self) -> Any:
        change = self._line.client.transaction()
        change.check(self._owner, -1)
        return change

    def _send(self, change: Any, token: Token) -> Any:
        """Send what makes a message ready."""
        result = change.commit_async()
        self._line.changed(token.nodes.path)
        return result

    def _take(self, delivery: Delivery) -> Token | None:
        """Whoever takes a claim out of those that are held is the one who settles it."""
        token: Token = delivery.token
        return token if self._held.pop(token, None) is not None else None

    # -- ending ------------------------------------------------------------------------------

    def _look(self) -> None:
        """See that claims end that nobody renews; a thread does, from the first claim on."""
        with self._lock:
            looking, self._looking = self._looking, True
        if looking:
            return
        interval = (self._lease or 1.0) / _LOOKS
        threading.Thread(
            target=_end_in_time,
            args=(weakref.ref(self), self._stop, interval),
            name="kombu-zookeeper-claims",
            daemon=True,
        ).start()

    def end_in_time(self) -> None:
        """Give back what nobody renewed: it counts as delivered."""
        now = self._now()
        for delivery in list(self._held.values()):
            until = delivery.lease_until
            if until is not None and until <= now and self._take(delivery) is not None:
                token: Token = delivery.token
                change = self._change()
                change.delete(f"{token.nodes.claims}/{token.message}")
                self._send(change, token)


def _end_in_time(claims: weakref.ref[Claims], stop: threading.Event, interval: float) -> None:
    while not stop.wait(interval):
        found = claims()
        if found is None:
            return
        try:
            found.end_in_time()
        except (KazooException, RecoverableConnectionError):
            logger.debug("Claims could not be ended; the server does", exc_info=True)
            return
        # Not kept while waiting: a connection may be dropped.
        del found


def _failure(results: list[Any]) -> Exception | None:
    """Why a transaction was not committed; `None` where it was."""
    failures = [result for result in results if isinstance(result, Exception)]
    # What was rolled back, or not tried, for another one's sake says nothing.
    telling = [f for f in failures if not isinstance(f, (RolledBackError, RuntimeInconsistency))]
    return next(iter(telling or failures), None)
