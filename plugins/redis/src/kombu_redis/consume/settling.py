"""Acknowledges, gives back and renews what was claimed, and takes back what ran out."""

from __future__ import annotations

import json
from functools import partial
from itertools import groupby
from time import monotonic
from typing import TYPE_CHECKING, Any

import redis.exceptions as driver

from kombu.utils.loggers import get_logger

from ..connection import errors
from ..connection.talk import Call
from ..scripts import SCRIPTS
from ..wire.messages import beginning, ended
from ..wire.specs import read_spec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kombu.transport.backend import Delivery, Release

    from ..backend import RedisBackend
    from ..connection.commands import Commands

__all__ = ("PUT_OFF", "SLICE", "SWEPT", "SWEPT_BYTES", "Settler")

logger = get_logger(__name__)

#: Claims in one script: it holds up the server for about a millisecond.
SLICE = 250
#: How many claims that ran out are taken back at once, and how many bytes of them are read.
SWEPT = 100
SWEPT_BYTES = 1 << 18
#: For how long that may go on at a time (seconds).
_SWEEPING = 0.5
#: How many entries of 5.7's workers are looked at at once.
_ABANDONED = 20
#: A lease that ends within this counts as ended where that makes a difference (seconds).
_DOUBT = 0.05
#: How long who looks at what ran out has it for himself (seconds).
PUT_OFF = 5.0


class Settler:
    """Settles for one session.

    Args:
        backend: The connection.
        talk: The session's line.
    """

    def __init__(self, backend: RedisBackend, talk: Commands) -> None:
        self._backend = backend
        self._talk = talk
        self._claims: Sequence[str] = backend.keys.claims_of("")
        #: What was found lost since it was last told.
        self._lost: list[Delivery] = []

    @property
    def has_lost(self) -> bool:
        """Whether something was found lost and not told yet."""
        return bool(self._lost)

    def settle(
        self, acks: Sequence[Delivery], releases: Sequence[Release], deadline: float | None
    ) -> Sequence[Delivery]:
        """See `kombu.transport.backend.Leasing.settle`."""
        if deadline is None and len(acks) == 1 and not releases and self._ack(acks[0]):
            lost, self._lost = self._lost, []
            return lost
        calls: list[Call] = []
        about: list[list[Delivery]] = []
        for claims, part in self._parts(acks):
            calls.append(Call(SCRIPTS.ack, claims, [d.token for d in part]))
            about.append(part)
        # Who is given back is told apart by queue: a script has the keys of one.
        by_queue: dict[str, list[Release]] = {}
        for release in releases:
            by_queue.setdefault(release.delivery.queue, []).append(release)
        for queue, group in by_queue.items():
            # Of those to the front the last slice goes first, so that the first is in front.
            for start in reversed(range(0, len(group), SLICE)):
                part_of_group = group[start : start + SLICE]
                calls.append(self._release(queue, part_of_group))
                about.append([release.delivery for release in part_of_group])
        if calls:
            settled = [delivery for part in about for delivery in part]
            for delivery in settled:
                self._backend.claimed.pop(delivery.token, None)
            if deadline is None and self._may_be_lost(settled):
                # Worth the wait: who settles it learns of it, and not who settles the next one.
                deadline = monotonic() + self._backend.options.operation_timeout
            if deadline is None:
                self._talk.tell_scripts(
                    calls, [partial(self._told, *pair) for pair in zip(calls, about, strict=True)]
                )
            else:
                answers = self._talk.scripts(calls, deadline)
                for call, part, answer in zip(calls, about, answers, strict=True):
                    if isinstance(answer, Exception):
                        raise errors.refused(self._talk.where, answer)
                    self._note(call, part, answer)
        elif deadline is not None and self._talk.outstanding:
            self._talk.collect(deadline)
        lost, self._lost = self._lost, []
        return lost

    def _ack(self, delivery: Delivery) -> bool:
        """Acknowledge without waiting; False where that may come too late, then nothing is done.

        The short way, for what is done most often.
        """
        backend = self._backend
        until = delivery.lease_until
        if backend.lease is not None and (until is None or until < backend.now() + _DOUBT):
            return False
        backend.claimed.pop(delivery.token, None)
        call = Call(SCRIPTS.ack, self._claims, (delivery.token,))
        self._talk.tell_scripts((call,), (partial(self._told, call, (delivery,)),))
        return True

    def _parts(self, deliveries: Sequence[Delivery]) -> list[tuple[Sequence[str], list[Delivery]]]:
        """Claims that one script can settle, and where they are written."""
        return [
            (self._claims, list(deliveries[start : start + SLICE]))
            for start in range(0, len(deliveries), SLICE)
        ]

    def _may_be_lost(self, deliveries: Sequence[Delivery]) -> bool:
        """Whether a lease has run out, by the server's clock; before that nobody else has it."""
        if self._backend.lease is None:
            return False
        soon = self._backend.now() + _DOUBT
        return any(
            (d.lease_until is None or d.lease_until < soon) and not d.taken for d in deliveries
        )

    def _told(self, call: Call, about: Sequence[Delivery], answer: Any) -> None:
        """The answer to what nobody waited for."""
        if isinstance(answer, driver.NoScriptError):
            # The next that talks sends it before anything else.
            self._talk.again(call, partial(self._told, call, about))
        elif isinstance(answer, ConnectionResetError):
            # What did not get there comes back when its lease ends.
            logger.debug("%d message(s) may not have been settled", len(about))
        elif isinstance(answer, Exception):
            logger.warning("%d message(s) could not be settled: %s", len(about), answer)
        else:
            self._note(call, about, answer)

    def _note(self, call: Call, about: Sequence[Delivery], answer: list[int]) -> None:
        if call.script is SCRIPTS.ack:
            self._lost += [about[place - 1] for place in answer]
            return
        died, *lost = answer
        self._lost += [about[place] for place in lost]
        if died:
            self._backend.to_maintain.add(about[0].queue)
            self._backend.schedule.hurry()

    def _release(self, queue: str, releases: Sequence[Release]) -> Call:
        backend = self._backend
        keys = backend.keys
        args: list[Any] = [len(keys.steps)]
        for delivery, front, delay, counted in releases:
            envelope = delivery.envelope
            count = delivery.count + bool(counted)
            envelope.count = count
            raw = ended(beginning(envelope, backend.options.body_encoding), backend.tags())
            where, arg = "f" if front else "b", ""
            if delivery.dead is not None:
                where, arg = "x", delivery.dead
            elif delay > 0:
                where, arg = "d", f"{backend.now() + delay:.6f}"
            place = keys.place(envelope.priority)
            args += (delivery.token, raw, where, place, arg, count if counted else 0, "")
        names = [*keys.claims_of(queue), *keys.queue(queue), *keys.ready]
        return Call(SCRIPTS.release, names, args)

    # -- leases --------------------------------------------------------------------------------

    def renew(
        self, deliveries: Sequence[Delivery], seconds: float, deadline: float
    ) -> Sequence[Delivery]:
        """See `kombu.transport.backend.Leasing.renew`."""
        lost: list[Delivery] = []
        for start in range(0, len(deliveries), SLICE):
            part = deliveries[start : start + SLICE]
            tags = [delivery.token for delivery in part]
            answer = self._talk.run(deadline, SCRIPTS.renew, self._claims, float(seconds), *tags)
            lost += self._renewed(part, answer)
        self._keep_queues(deadline)
        return lost

    def _renewed(self, part: Sequence[Delivery], answer: list[Any]) -> list[Delivery]:
        """Note until when claims hold now; returns those that were lost."""
        until, *places = answer
        gone = set(places)
        lost = [delivery for place, delivery in enumerate(part) if place in gone]
        for delivery in lost:
            self._backend.claimed.pop(delivery.token, None)
        for place, delivery in enumerate(part):
            if place not in gone:
                delivery.lease_until = float(until)
        return lost

    def _keep_queues(self, deadline: float) -> None:
        """Tell that queues are used whose consumers wait for room, and fetch nothing meanwhile."""
        backend = self._backend
        calls = []
        for name in backend.in_use():
            text = backend.specs.get(name, "")
            if text.startswith("e"):
                until = backend.now() + (read_spec(name, text).expires or 0)
                calls.append(Call(SCRIPTS.keep, [backend.keys.expiring_of(name)], [until, name]))
        if calls:
            self._talk.checked(calls, deadline)

    def take_back(self, deadline: float) -> float | None:
        """Give back what nobody renewed; tell in how many seconds there is more to do.

        Where there is very much of it the caller gets to its own work in between.
        """
        pause_at = min(deadline, monotonic() + _SWEEPING)
        while True:
            now, next_one, *found = self._talk.run(
                deadline, SCRIPTS.sweep, self._claims, SWEPT, PUT_OFF, SWEPT_BYTES
            )
            entries = [tuple(found[at : at + 3]) for at in range(0, len(found), 3)]
            if entries:
                self._restore(entries, deadline)
            if entries and monotonic() >= pause_at:
                return 0.0
            if not entries:
                return float(next_one) - float(now) if next_one else None

    def abandoned(self, age: float, start: int, deadline: float) -> tuple[int, list[Any]]:
        """What workers of 5.7 took longer ago than `age` seconds, from the place `start` on.

        Returns how many entries were looked at, and tag, exchange, routing key and message of each.
        """
        seen, *found = self._talk.run(
            deadline, SCRIPTS.abandoned, self._claims, age, start, _ABANDONED
        )
        entries = []
        for at in range(0, len(found), 2):
            try:
                message, exchange, key = json.loads(found[at + 1])
            except ValueError:
                continue
            entries.append((found[at].decode(), exchange or "", key, message))
        return seen, entries

    def return_to(self, queue: str, tag: str, message: Any, deadline: float) -> None:
        """Put what a worker of 5.7 held to the front of a queue, unless it is settled by now."""
        keys = self._backend.keys
        raw, priority, count = _counted(message, again=True)
        args = (len(keys.steps), tag, raw, "f", keys.place(priority), "", count, "")
        names = [*keys.claims_of(queue), *keys.queue(queue), *keys.ready]
        self._talk.run(deadline, SCRIPTS.release, names, *args)

    def _restore(self, entries: Sequence[tuple[Any, ...]], deadline: float) -> None:
        keys = self._backend.keys
        found = [(*_read_entry(entry), tag.decode(), end) for tag, end, entry in entries]
        found.sort(key=lambda item: (item[0], item[2]))
        calls = []
        for queue, group in groupby(found, key=lambda item: item[0]):
            args: list[Any] = [len(keys.steps)]
            for _, message, tag, end in group:
                reason = tag.partition("!")[2]
                raw, priority, count = _counted(message, again=not reason)
                place = keys.place(priority)
                args += (tag, raw, "x" if reason else "f", place, reason, count, end)
            names = [*keys.claims_of(queue), *keys.queue(queue), *keys.ready]
            calls.append(Call(SCRIPTS.release, names, args))
            self._backend.to_maintain.add(queue)
        for answer in self._talk.scripts(calls, deadline):
            if isinstance(answer, Exception):
                raise errors.refused(self._talk.where, answer)
            if answer[0]:
                self._backend.schedule.hurry()


def _read_entry(entry: bytes) -> tuple[str, Any]:
    """The queue and the message of an entry; a message that is no JSON stays bytes."""
    try:
        message, _, queue = json.loads(entry)
    except ValueError:
        at = entry.rindex(b', "", "')
        return json.loads(entry[at + 6 : -1]), entry[1:at]
    return queue, message


def _counted(message: Any, again: bool) -> tuple[bytes, int, int]:
    """A message that comes back, as it is to be stored; its priority; its deliveries so far."""
    try:
        properties = message["properties"]
        extras = properties.setdefault("x-kombu", {})
        info = properties.setdefault("delivery_info", {})
        count = int(extras.get("count") or info.get("redelivered") or 0) + again
        if again:
            extras["count"] = count
            info["redelivered"] = True
        priority = int(properties.get("priority") or 0)
        return json.dumps(message).encode(), priority, count
    except (TypeError, KeyError, AttributeError, ValueError):
        # Not one of kombu's.
        raw = message if isinstance(message, bytes) else json.dumps(message).encode()
        return raw, 0, 0
