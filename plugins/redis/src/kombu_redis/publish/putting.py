"""Stores messages: one script for each queue, all scripts in one write.

The script stores any number of messages, so that a batch costs the server little more than the
lists do, and answers with one word where nothing went wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import redis.exceptions as driver

from kombu.exceptions import PublishRefused
from kombu.transport.backend import Rejected

from ..connection import errors
from ..connection.commands import Call, pack
from ..scripts import SCRIPTS
from ..wire.messages import beginning, ended
from ..wire.specs import UNDECLARED, read_spec
from .fanout import LISTENERS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kombu.transport.backend import Envelope

    from ..backend import RedisBackend
    from ..connection.commands import Commands
    from ..connection.talk import Talk
    from .bindings import Bindings

__all__ = ("Part", "Putter")

#: Messages in one script, and bytes of them: it holds up the server for about a millisecond.
_SLICE = 250
_SLICE_BYTES = 1 << 20


class Part:
    """What one script stores: messages of one exchange for one queue, in order."""

    __slots__ = ("_count", "_same", "args", "exchange", "places", "queue", "size")

    def __init__(self, queue: str, exchange: str, lists: int) -> None:
        self.queue = queue
        self.exchange = exchange
        self.args: list[Any] = [lists, UNDECLARED]
        #: The list and the time of the messages that came last, and where their number stands.
        self._same: tuple[int, str] | None = None
        self._count = 0
        #: Where its messages are among all that are stored.
        self.places: list[int] = []
        self.size = 0

    def add(self, place: int, step: int, due: str, raw: bytes) -> None:
        """Store one more: where it is among all, its list, when it is due, the message."""
        args = self.args
        if self._same == (step, due):
            args[self._count] += 1
            args.append(raw)
        else:
            self._same = step, due
            self._count = len(args) + 2
            args += (step, due, 1, raw)
        self.places.append(place)
        self.size += len(raw)


class Putter:
    """Stores messages for one session.

    Args:
        backend: The connection.
        talk: Where scripts are run.
        bindings: Told what the answers tell of bindings.
        line: Where there is one server, the line to it.
    """

    def __init__(
        self, backend: RedisBackend, talk: Commands, bindings: Bindings, line: Talk | None
    ) -> None:
        self._backend = backend
        self._talk = talk
        self._line = line
        #: Told the version of the bindings, the exchange, and how many it has.
        self._heard: Callable[[bytes, str, int], None] = bindings.heard
        #: The keys of the script, by queue and exchange.
        self._keys: dict[tuple[str, str], tuple[str, ...]] = {}
        #: What commands that store one message begin with, by queue, exchange and priority.
        self._heads: dict[tuple[str, str, int], bytes] = {}

    def put(self, items: Sequence[tuple[str, Envelope]], deadline: float) -> Sequence[Rejected]:
        """See `kombu.transport.backend.Session.put`."""
        line = self._line
        if line is not None and len(items) == 1 and items[0][1].not_before is None:
            queue, envelope = items[0]
            answer = self._one(line, queue, envelope, deadline)
            if answer is not None:
                return self._outcome(queue, envelope.exchange, (0,), answer)
        parts = self._parts(items, deadline)
        if not parts:
            return ()
        rejected: list[Rejected] = []
        for part, answer in zip(parts, self._run(parts, deadline), strict=True):
            if not isinstance(answer, Exception):
                rejected += self._outcome(part.queue, part.exchange, part.places, answer)
                continue
            error = self._error(answer)
            if len(items) == 1:
                raise error
            rejected += [Rejected(place, error) for place in part.places]
        if len(rejected) > 1:
            rejected.sort(key=lambda each: each.index)
        return rejected

    def _run(self, parts: Sequence[Part], deadline: float) -> Sequence[Any]:
        """Store; an answer may be an exception."""
        return self._talk.scripts([self._call(part) for part in parts], deadline)

    def _call(self, part: Part) -> Call:
        return Call(SCRIPTS.put, self._keys_of(part), part.args)

    def _error(self, answer: Exception) -> Exception:
        """The error for whoever publishes."""
        return errors.refused(self._talk.where, answer)

    def _outcome(
        self, queue: str, exchange: str, places: Sequence[int], answer: Any
    ) -> Sequence[Rejected]:
        """Note what an answer tells; which of the messages at `places` were refused."""
        if answer.__class__ is bytes:
            version, _, size = answer.partition(b":")
            self._heard(version, exchange, int(size))
            return ()
        version, count, died, *refused = answer
        self._heard(version, exchange, count)
        if died:
            self._backend.to_maintain.add(queue)
            self._backend.schedule.hurry()
        limits = self._limits_of(queue)
        return [Rejected(places[at], PublishRefused(queue, limits)) for at in refused]

    def _one(self, line: Talk, queue: str, envelope: Envelope, deadline: float) -> Any:
        """Store one message on the short way; `None` where that will not do, and nothing is done.

        Raises:
            ChannelError: The server refused it.
        """
        head = self._heads.get((queue, envelope.exchange, envelope.priority))
        if head is None:
            if queue == LISTENERS:
                return None
            head = self._head(queue, envelope.exchange, envelope.priority)
        raw = ended(beginning(envelope, self._backend.options.body_encoding), self._backend.tags())
        answer = line.one(b"%b%d\r\n%b\r\n" % (head, len(raw), raw), deadline)
        if isinstance(answer, driver.NoScriptError):
            return None
        if isinstance(answer, Exception):
            raise errors.refused(self._talk.where, answer)
        return answer

    def _head(self, queue: str, exchange: str, priority: int) -> bytes:
        """The command up to the length of the message."""
        if len(self._heads) >= _REMEMBERED:
            self._heads.clear()
        keys = self._backend.keys
        part = Part(queue, exchange, len(keys.steps))
        part.add(0, keys.place(priority), "", b"")
        # An empty message has a length of one digit, and two ends of a line behind it.
        command = Call(SCRIPTS.put, self._keys_of(part), part.args).packed()
        head = self._heads[queue, exchange, priority] = command[: -len(b"0\r\n\r\n")]
        return head

    def _parts(self, items: Sequence[tuple[str, Envelope]], deadline: float) -> list[Part]:
        """What is to be stored by queue; what is heard by listeners is sent to them."""
        backend = self._backend
        encoding, tags, keys = backend.options.body_encoding, backend.tags, backend.keys
        lists = len(keys.steps)
        parts: list[Part] = []
        last: dict[str, Part] = {}
        heard: list[bytes] = []
        envelope: Envelope | None = None
        begun = b""
        for place, (queue, each) in enumerate(items):
            if each is not envelope:
                # For several queues it is encoded once.
                envelope, begun = each, beginning(each, encoding)
            exchange = each.exchange
            if queue == LISTENERS:
                channel = backend.channels.of(exchange, each.routing_key)
                heard.append(pack("PUBLISH", channel, ended(begun, tags())))
                continue
            raw = ended(begun, tags())
            part = last.get(queue)
            if (
                part is None
                or part.exchange != exchange
                or len(part.places) >= _SLICE
                or part.size > _SLICE_BYTES
            ):
                # A further one for a queue comes after the others, so the order is kept.
                part = last[queue] = Part(queue, exchange, lists)
                parts.append(part)
            part.add(place, keys.place(each.priority), _due(each), raw)
        if heard and self._line is not None:
            # Heard by who listens just now, or by nobody.
            self._line.each(heard, deadline)
        return parts

    def _keys_of(self, part: Part) -> tuple[str, ...]:
        known = part.queue, part.exchange
        keys = self._keys.get(known)
        if keys is None:
            if len(self._keys) >= _REMEMBERED:
                self._keys.clear()
            keys = self._keys[known] = self._new_keys(part)
        return keys

    def _new_keys(self, part: Part) -> tuple[str, ...]:
        names = self._backend.keys
        bindings = names.bindings(part.exchange)[0] if part.exchange else names.version
        return (names.version, bindings, *names.queue(part.queue), *names.ready)

    def _limits_of(self, queue: str) -> str:
        text = self._backend.specs.get(queue)
        if text is None:
            return "its declaration limits it"
        spec = read_spec(queue, text)
        return f"max_length={spec.max_length}, max_length_bytes={spec.max_length_bytes}"


def _due(envelope: Envelope) -> str:
    """When a message is due, nothing for at once."""
    return "" if envelope.not_before is None else f"{envelope.not_before:.6f}"


#: Queues and exchanges whose keys are kept; a program may use a reply queue for each request.
_REMEMBERED = 4096
