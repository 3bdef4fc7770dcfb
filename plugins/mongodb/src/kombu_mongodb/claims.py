"""Claiming messages, and settling the claims."""

from __future__ import annotations

import uuid
from time import monotonic
from typing import TYPE_CHECKING, Any

from pymongo import UpdateOne

from kombu.exceptions import DecodeError
from kombu.utils.loggers import get_logger
from kombu.virtual.deadletter import FIRST_SEEN

from .documents import CLAIMED, DEAD, DELAYED, IN_ORDER, delivered, set_aside
from .moving import buried, given_back
from .sending import limited

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kombu.transport.backend import Delivery, Release

    from .moving import Change
    from .sending import Sending
    from .server import Server
    from .specs import Specs

__all__ = ("Claims",)

logger = get_logger(__name__)

#: From so many messages on, several are claimed in three questions; below, each in one.
_BATCH = 3


#: For how long (seconds) a claim without an answer is looked for: the server may be slow.
_ANSWERED = 10.0


class _Unanswered:
    """A claim that the server was asked for.

    Args:
        queue: Of which queue.
        until: For how long to look for it (`time.monotonic`).
    """

    def __init__(self, queue: str, until: float) -> None:
        self.queue = queue
        self.until = until
        #: The messages of it that were handed out.
        self.seen: set[Any] = set()


class Claims:
    """The claims of one connection.  Any thread may use it; the caller bounds its questions.

    Args:
        server: The server.
        specs: What the queues were declared with.
        sending: Keeps the lengths of queues that messages come back to.
        lease: Seconds that a claim holds.
    """

    def __init__(self, server: Server, specs: Specs, sending: Sending, lease: float) -> None:
        self._server = server
        self._specs = specs
        self._sending = sending
        self._lease = lease
        self.owner = uuid.uuid4().hex
        #: Whether anything was claimed.
        self._used = False
        #: Claims that no answer came to, by token.
        self._unanswered: dict[str, _Unanswered] = {}

    def forked(self) -> None:
        """In the child of a fork: what is claimed is the parent's to settle."""
        self.owner = uuid.uuid4().hex
        self._used = False
        self._unanswered = {}

    # -- claiming ----------------------------------------------------------------------------

    def claim(self, queue: str, count: int, taken: list[Delivery]) -> None:
        """Claim up to `count` messages of a queue, in their order.

        They are added to `taken` as they come, so that an error later on loses none.  What was
        claimed without an answer is looked for first: it would wait for its lease otherwise.
        """
        self._used = True
        wanted = len(taken) + count
        contested = False
        for token, claim in list(self._unanswered.items()):
            if claim.queue == queue:
                self._take_over(token, claim, taken)
                if monotonic() > claim.until:
                    # It is done by now, or never.
                    self._unanswered.pop(token, None)
        while (left := wanted - len(taken)) > 0:
            before = len(taken)
            if left >= _BATCH and not contested:
                ids = self._first(queue, left)
                if not ids:
                    return
                update, token, claim = self._announce(queue)
                # Others may have claimed some of them: these are not in the queue any more.
                which = {"_id": {"$in": ids}, "queue": queue}
                self._server.messages.update_many(which, update)
                # Where others were quicker with all of them: one at a time somebody always gets
                # one, of which nobody else has to be told that it is gone.
                contested = not self._take_over(token, claim, taken)
            else:
                update, token, claim = self._announce(queue)
                one = self._server.messages.find_one_and_update(
                    {"queue": queue}, update, sort=IN_ORDER
                )
                if one is None:
                    self._unanswered.pop(token, None)
                    return
                self._hand_out([one], queue, token, update["$set"]["due"], taken)
            self._unanswered.pop(token, None)
            if len(taken) > before and (contested or left >= _BATCH):
                return  # few are enough

    def _announce(self, queue: str) -> tuple[dict[str, Any], str, _Unanswered]:
        """Note a claim before the server is asked for it."""
        update, token = self._claimed(queue)
        claim = self._unanswered[token] = _Unanswered(queue, monotonic() + _ANSWERED)
        return update, token, claim

    def _first(self, queue: str, count: int) -> list[Any]:
        ready = self._server.messages.find({"queue": queue}, {"_id": 1})
        return [one["_id"] for one in ready.sort(IN_ORDER).limit(count)]

    def _take_over(self, token: str, claim: _Unanswered, taken: list[Delivery]) -> int:
        """Hand out what was claimed with a token; tells how many messages that were."""
        found = [
            one
            for one in self._server.messages.find({"token": token}).sort(IN_ORDER)
            if one["_id"] not in claim.seen
        ]
        if found:
            claim.seen.update(one["_id"] for one in found)
            self._hand_out(found, claim.queue, token, found[0]["due"], taken)
        return len(found)

    def _hand_out(
        self,
        found: Sequence[Mapping[str, Any]],
        queue: str,
        token: str,
        until: float,
        taken: list[Delivery],
    ) -> None:
        now = self._server.now()
        dead = []
        for one in found:
            if one.get("expires") is not None and one["expires"] <= now:
                dead.append(one["_id"])
                continue
            made = self._delivery(one, queue, token, until)
            if made is not None:
                taken.append(made)
        if dead:
            spec = self._specs.find(queue)
            self._server.messages.bulk_write(
                [buried({"_id": one, "token": token}, spec, queue, "expired") for one in dead]
            )

    def claim_dead(self, queues: Sequence[str], limit: int) -> list[Delivery]:
        """Claim up to `limit` dead letters of some queues."""
        taken: list[Delivery] = []
        which = {"state": DEAD, "of": {"$in": list(queues)}}
        while queues and len(taken) < limit:
            self._used = True
            update, token = self._claimed(None)
            found = self._server.messages.find_one_and_update(which, update, sort=IN_ORDER)
            if found is None:
                break
            made = self._delivery(found, found["of"], token, update["$set"]["due"])
            if made is not None:
                taken.append(made)
        return taken

    def _claimed(self, queue: str | None) -> tuple[dict[str, Any], str]:
        """The update that claims a message, and its token."""
        token = uuid.uuid4().hex
        due = self._server.now() + self._lease
        fields = {"state": CLAIMED, "due": due, "token": token, "owner": self.owner}
        if queue is not None:
            fields.update(queue=None, of=queue)
        return {"$set": fields}, token

    def _delivery(
        self, found: Mapping[str, Any], queue: str, token: str, until: float
    ) -> Delivery | None:
        try:
            return delivered(found, queue, token, until)
        except (DecodeError, KeyError) as exc:
            self._server.messages.update_one(
                {"_id": found["_id"]}, set_aside(queue, "unreadable", problem=str(exc))
            )
            logger.warning(
                "Queue %r: document %s is no message, and was set aside (state: unreadable)",
                queue,
                found["_id"],
            )
            return None

    # -- settling ----------------------------------------------------------------------------

    def acknowledge(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """Remove messages; return those whose claim was lost."""
        if len(deliveries) == 1:
            done = self._server.messages.delete_one(_which(deliveries[0]))
            return [] if done.deleted_count else list(deliveries)
        present = self._present(deliveries)
        if present:
            self._server.messages.delete_many(
                {
                    "_id": {"$in": [d.token[0] for d in present]},
                    "token": {"$in": list({d.token[1] for d in present})},
                }
            )
        return [d for d in deliveries if d not in present]

    def release(self, releases: Sequence[Release], deadline: float) -> list[Delivery]:
        """Give messages back; return those whose claim was lost."""
        specs = self._specs.find_all({r.delivery.queue for r in releases})
        lost: list[Delivery] = []
        for release in releases:
            delivery = release.delivery
            change = self._released(release, specs.get(delivery.queue))
            done = self._server.messages.bulk_write([change])
            if not done.matched_count + done.deleted_count:
                lost.append(delivery)
        for spec in specs.values():
            if limited(spec):
                self._sending.trim(spec, deadline)
        return lost

    def _released(self, release: Release, spec: Any) -> Change:
        delivery, front, delay, count = release
        which = _which(delivery)
        fields: dict[str, Any] = {}
        seen = delivery.envelope.headers.get(FIRST_SEEN)
        if isinstance(seen, int):
            fields["seen"] = seen
        found = {"of": delivery.queue, "count": delivery.count, "reason": delivery.dead}
        change = given_back(which, found, spec, count=count, front=front, **fields)
        if delay <= 0 or not isinstance(change, UpdateOne) or delivery.dead:
            return change
        if spec.delivery_limit is not None and delivery.count + count > spec.delivery_limit:
            return change
        due = self._server.now() + delay
        return UpdateOne(
            which,
            set_aside(delivery.queue, DELAYED, due=due, count=delivery.count + count, **fields),
        )

    def renew(self, deliveries: Sequence[Delivery], seconds: float) -> list[Delivery]:
        """Hold claims for `seconds` from now; return those that were lost."""
        until = self._server.now() + seconds
        present = self._present(deliveries)
        lost = [delivery for delivery in deliveries if delivery not in present]
        if present:
            self._server.messages.update_many(
                {
                    "_id": {"$in": [d.token[0] for d in present]},
                    "token": {"$in": list({d.token[1] for d in present})},
                },
                {"$set": {"due": until}},
            )
            for delivery in present:
                delivery.lease_until = until
        return lost

    def _present(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """Those whose claims stand."""
        ids = [d.token[0] for d in deliveries]
        found = self._server.messages.find({"_id": {"$in": ids}}, {"token": 1})
        standing = {(one["_id"], one.get("token")) for one in found}
        present: list[Delivery] = []
        for delivery in deliveries:
            # Once: who settles twice in one call hears of it.
            if delivery.token in standing:
                standing.discard(delivery.token)
                present.append(delivery)
        return present

    def give_back_all(self) -> None:
        """Give back everything, as delivered once more."""
        if not self._used:
            return
        held = list(self._server.messages.find({"owner": self.owner}))
        specs = self._specs.find_all({one["of"] for one in held})
        changes = [
            given_back({"_id": one["_id"], "token": one["token"]}, one, specs.get(one["of"]))
            for one in held
        ]
        if changes:
            self._server.messages.bulk_write(changes, ordered=False)


def _which(delivery: Delivery) -> dict[str, Any]:
    """The filter that finds a message as long as the claim stands."""
    key, token = delivery.token
    return {"_id": key, "token": token}
