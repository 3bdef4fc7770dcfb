"""What must hold for the records of a run: the invariants that a ledger can check."""

from __future__ import annotations

from collections import defaultdict
from math import inf
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from .records import Kind, Record

__all__ = ("ALL", "Finding")

#: How many messages are named of each finding.
_NAMED = 20


class Finding(NamedTuple):
    """Something that does not hold.

    Attributes:
        invariant: Which one.
        sentence: What is wrong with the messages.
        ids: The messages.
        details: What is known of each, by id.
    """

    invariant: str
    sentence: str
    ids: Sequence[str]
    details: Mapping[str, str]

    def __str__(self) -> str:
        named = self.ids[:_NAMED]
        shown = [
            f"{each} ({self.details[each]})" if each in self.details else each for each in named
        ]
        more = f" and {len(self.ids) - _NAMED} more" if len(self.ids) > _NAMED else ""
        return f"{self.invariant}: {len(self.ids)} {self.sentence}: {', '.join(shown)}{more}"


def nothing_is_lost(records: Sequence[Record]) -> Iterator[Finding]:
    """I1: what was accepted is done with, a dead letter, or still queued."""
    accepted = _ids(records, "accepted")
    done = _ids(records, "acking", "acked", "dead", "remaining")
    delivered = defaultdict(list)
    for record in records:
        if record.kind == "delivered":
            delivered[record.id].append(record.owner)
    missing = [each for each in accepted if each not in done]
    never = [each for each in missing if each not in delivered]
    if never:
        yield Finding("I1", "accepted messages were never seen again", never, {})
    held = [each for each in missing if each in delivered]
    if held:
        details = {each: f"delivered to {', '.join(delivered[each])}" for each in held}
        sentence = "accepted messages were delivered, not acknowledged, and are gone"
        yield Finding("I1", sentence, held, details)
    sent = _ids(records, "sent", "accepted")
    if sent and (unknown := [each for each in delivered if each not in sent]):
        yield Finding("I1", "messages were delivered that nobody sent", unknown, {})


def acknowledged_is_done(records: Sequence[Record]) -> Iterator[Finding]:
    """I2: a message whose acknowledgement was confirmed is never delivered again.

    A consumer that was frozen may go on with what it had claimed before, and had not looked at.
    """
    unwell = _unwell(records)
    acked: dict[str, Record] = {}
    again: dict[str, str] = {}
    for record in records:
        if record.kind == "acked":
            acked.setdefault(record.id, record)
        elif (
            record.kind == "delivered"
            and record.id in acked
            and not _any_within(unwell.get(record.owner, ()), record.at, record.at)
        ):
            first = acked[record.id]
            again[record.id] = (
                f"by {first.owner}, to {record.owner} {record.at - first.at:.3f} s later"
            )
    if again:
        sentence = "messages were delivered after their acknowledgement was confirmed"
        yield Finding("I2", sentence, list(again), again)


def one_owner_each(records: Sequence[Record]) -> Iterator[Finding]:
    """I3: while a healthy consumer holds a message, nobody else gets it."""
    unwell = _unwell(records)
    holders: dict[str, Record] = {}
    doubled: dict[str, str] = {}
    for record in records:
        if record.kind in {"acking", "acked", "released", "lost"}:
            holder = holders.get(record.id)
            if holder is not None and holder.owner == record.owner:
                del holders[record.id]
        elif record.kind == "delivered":
            holder = holders.get(record.id)
            if holder is not None and not _any_within(
                unwell.get(holder.owner, ()), holder.at, record.at
            ):
                doubled[record.id] = (
                    f"{holder.owner} held it for {record.at - holder.at:.3f} s when {record.owner} "
                    "got it"
                )
            holders[record.id] = record
    if doubled:
        sentence = "messages were delivered while a healthy consumer held them"
        yield Finding("I3", sentence, list(doubled), doubled)


def order_is_kept(records: Sequence[Record]) -> Iterator[Finding]:
    """I7: each consumer gets the messages of each producer in order, redelivered ones aside."""
    last: dict[tuple[str, str, str], int] = {}
    seen: set[str] = set()
    late: dict[str, str] = {}
    for record in records:
        if record.kind != "delivered":
            continue
        first = record.id not in seen and not record.count and not record.redelivered
        seen.add(record.id)
        producer, _, number = record.id.rpartition(":")
        if first and number.isdigit():
            key = (record.queue, record.owner, producer)
            if last.get(key, -1) > int(number):
                late[record.id] = f"to {record.owner} after {producer}:{last[key]}"
            else:
                last[key] = int(number)
    if late:
        yield Finding("I7", "messages were delivered out of order", list(late), late)


def counts_are_true(records: Sequence[Record]) -> Iterator[Finding]:
    """I8: the redelivered flag and the count are true.

    A consumer that was killed may have been handed what it never wrote down: then a count may be
    higher than the ledger knows, never lower.  What one that was frozen had claimed before says
    what was true then.
    """
    unwell = _unwell(records)
    exact = not unwell
    before: dict[str, int] = defaultdict(int)
    wrong: dict[str, str] = {}
    for record in records:
        if record.kind == "released" and not record.counted:
            before[record.id] -= 1
        if record.kind != "delivered":
            continue
        known = before[record.id]
        before[record.id] += 1
        if _any_within(unwell.get(record.owner, ()), record.at, record.at):
            continue
        if record.count is not None and (record.count < known or (exact and record.count > known)):
            wrong[record.id] = f"the count was {record.count}, of {known} earlier deliveries"
        elif record.redelivered is not None and (
            (known > 0 and not record.redelivered) or (exact and record.redelivered != (known > 0))
        ):
            wrong[record.id] = f"redelivered was {record.redelivered} after {known} deliveries"
        elif None not in {record.count, record.redelivered} and (
            bool(record.count) != record.redelivered
        ):
            wrong[record.id] = f"redelivered was {record.redelivered} with a count {record.count}"
    if wrong:
        yield Finding("I8", "deliveries were counted wrongly", list(wrong), wrong)


#: What a ledger checks, by the names of the guarantees' list.
ALL: Mapping[str, Callable[[Sequence[Record]], Iterator[Finding]]] = {
    "I1": nothing_is_lost,
    "I2": acknowledged_is_done,
    "I3": one_owner_each,
    "I7": order_is_kept,
    "I8": counts_are_true,
}


def _ids(records: Iterable[Record], *kinds: Kind) -> dict[str, None]:
    """The messages with one of these records, in the order of the first."""
    return {record.id: None for record in records if record.kind in kinds}


def _unwell(records: Sequence[Record]) -> Mapping[str, list[tuple[float, float]]]:
    """From when till when each owner was not healthy; one that never recovered, for ever."""
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for record in records:
        if record.kind == "unwell":
            found[record.owner].append((record.at, inf))
        elif record.kind == "well" and record.owner in found:
            found[record.owner][-1] = (found[record.owner][-1][0], record.at)
    return found


def _any_within(times: Iterable[tuple[float, float]], begin: float, end: float) -> bool:
    """Whether one of the times has something in common with that from `begin` to `end`."""
    return any(first <= end and last >= begin for first, last in times)
