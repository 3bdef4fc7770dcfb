"""What one connection claimed and did not settle."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from kombu.transport.backend import Delivery
from kombu.virtual.deadletter import FIRST_SEEN

from .names import Name, claim_name

if TYPE_CHECKING:
    from pathlib import Path

    from kombu.envelope import Envelope
    from kombu.transport.backend import DeadReason, Release

    from .folder import Folder
    from .placing import Placing

__all__ = ("Claims",)


class _Claim(NamedTuple):
    path: Path
    name: Name
    reason: str | None


class Claims:
    """Claims messages by moving their files, and settles them.  Any thread may use it.

    The name of a claimed file says when the claim ends.  Whoever takes a claim back renames the
    file, so that what its former owner does about it finds no file: it is told that it was late,
    and does no harm.

    Args:
        folder: The data folder.
        placing: Puts back into it.
        lease: Seconds that a claim holds; `None`: until it is settled, or its owner is gone.
        processed: Where acknowledged messages are kept, if they are.
    """

    def __init__(
        self, folder: Folder, placing: Placing, lease: float | None, processed: Path | None
    ) -> None:
        self._folder = folder
        self._placing = placing
        self._lease = lease
        self._processed = processed
        self._claims: dict[str, _Claim] = {}
        self._prefix = uuid.uuid4().hex[:12]
        self._numbers = itertools.count(1)
        self._lock = threading.RLock()

    def forked(self) -> None:
        """In the child of a fork: what is claimed is the parent's to settle."""
        self._claims.clear()
        self._lock = threading.RLock()
        self._prefix = uuid.uuid4().hex[:12]

    def claim(self, path: Path, name: Name, reason: str | None = None) -> str | None:
        """Claim a message; `None` where another process was quicker.

        The claim has to be read (`content`), and then either delivered or `dropped`.
        """
        until = None if self._lease is None or reason else time.time() + self._lease
        target = self._folder.owner.path / claim_name(until, reason, name.file)
        try:
            os.rename(path, target)
        except FileNotFoundError:
            return None
        token = f"{self._prefix}-{next(self._numbers)}"
        self._claims[token] = _Claim(target, name, reason)
        return token

    def content(self, token: str) -> bytes:
        """What is in a file that was just claimed."""
        return self._claims[token].path.read_bytes()

    def delivery(self, token: str, queue: str, envelope: Envelope, take: bool) -> Delivery:
        """What to hand out for a claim."""
        path, name, reason = self._claims[token]
        envelope.count = name.count
        envelope.expires_at = name.expires_at
        envelope.not_before = None
        if name.first_seen is not None:
            envelope.headers[FIRST_SEEN] = name.first_seen
        ends = path.name.partition("~")[0]
        until = None if ends == "-" else int(ends, 16) / 1000
        if take:
            self.acknowledge(token)
            until = None
        return Delivery(
            queue, token, envelope, name.count, take, until, cast("DeadReason | None", reason)
        )

    def move_away(self, token: str, target: Path) -> None:
        """Have a claimed file somewhere else, which nobody looks at."""
        claim = self._claims.pop(token)
        os.replace(claim.path, target / claim.name.file)

    def acknowledge(self, token: Any) -> bool:
        """Be done with a message; False where the claim was lost."""
        with self._lock:
            claim = self._claims.pop(token, None)
            if claim is None:
                return False
            try:
                if self._processed is None or claim.reason:
                    os.unlink(claim.path)
                else:
                    _move(claim.path, self._processed / claim.name.file)
            except FileNotFoundError:
                return False
            return True

    def release(self, release: Release, deadline: float) -> bool:
        """Give a message back; False where the claim was lost."""
        delivery, front, delay, count = release
        with self._lock:
            claim = self._claims.pop(delivery.token, None)
            if claim is None:
                return False
            path, name, reason = claim
            seen = delivery.envelope.headers.get(FIRST_SEEN)
            if isinstance(seen, int):
                name = name._replace(first_seen=seen)
            try:
                if reason:
                    dead = claim_name(None, reason, str(name))
                    os.rename(path, self._folder.dead / dead)
                elif delay > 0:
                    name = name._replace(count=name.count + count, foreign=None)
                    self._placing.delay(path, name, time.time() + delay)
                else:
                    self._placing.give_back(path, name, count=count, front=front, deadline=deadline)
            except FileNotFoundError:
                return False
            except TimeoutError:
                self._claims[delivery.token] = claim
                raise
            return True

    def renew(self, delivery: Delivery, seconds: float) -> bool:
        """Hold a claim for so long from now; False where it was lost."""
        until = time.time() + seconds
        with self._lock:
            claim = self._claims.get(delivery.token)
            if claim is None:
                return False
            path = claim.path.with_name(claim_name(until, claim.reason, claim.name.file))
            try:
                os.rename(claim.path, path)
            except FileNotFoundError:
                return False
            self._claims[delivery.token] = claim._replace(path=path)
        delivery.lease_until = until
        return True

    def give_back_all(self, deadline: float) -> None:
        """Give back everything, as delivered once more."""
        with self._lock:
            claims, self._claims = self._claims, {}
            for path, name, reason in claims.values():
                try:
                    if reason:
                        os.rename(path, self._folder.dead / claim_name(None, reason, str(name)))
                    else:
                        self._placing.give_back(
                            path, name, count=True, front=True, deadline=deadline
                        )
                except FileNotFoundError:
                    continue


def _move(path: Path, target: Path) -> None:
    try:
        os.rename(path, target)
    except OSError as exc:
        if exc.errno != errno.EXDEV:
            raise
        shutil.move(path, target)
