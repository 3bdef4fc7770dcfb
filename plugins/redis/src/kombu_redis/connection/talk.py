"""One connection to the server: commands are written, and answers read, in order."""

from __future__ import annotations

import contextlib
import os
from collections import deque
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any

import redis.exceptions as driver

from kombu.utils.loggers import get_logger

from . import errors
from .commands import Call, Commands, Packed, pack
from .greeting import GREETING, Greeting
from .line import BROKEN, Line
from .waiting import readable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .address import Address

__all__ = ("PATIENCE", "Call", "Packed", "Talk", "pack")

logger = get_logger(__name__)

#: How long a server may be silent before the line counts as broken (seconds).
PATIENCE = 5.0

#: A line that was used so recently is taken for open (seconds).
_FRESH = 1.0

#: Answers that may be outstanding before they are read.
_OUTSTANDING = 512

#: The least time in which an answer is waited for (seconds).
_LEAST = 0.25

#: How long an answer may take that nobody waits for (seconds).
_UNHURRIED = 30.0


_PING = pack("PING")


class Talk(Commands):
    """A line to the server, opened when it is needed and again after it broke.

    Used by one thread at a time.  What goes wrong on the way breaks the line: the error is raised
    to whoever talks, and the next command opens a new one.

    Args:
        address: Where the server is.
        on_clock: Told the server's time (epoch seconds) whenever the line is opened.
        patience: After how many seconds of silence the line counts as broken.
        greeting: What is said first.
    """

    def __init__(
        self,
        address: Callable[[float], Address],
        on_clock: Callable[[float], None],
        patience: float = PATIENCE,
        greeting: Greeting = GREETING,
    ) -> None:
        self._greeting = greeting
        self._address = address
        self._on_clock = on_clock
        self._line: Line | None = None
        #: Who is told the answers that are outstanding, in order.
        self._outstanding: deque[Callable[[Any], None]] = deque()
        self._patience = patience
        #: When something was asked last, and since when the server has not answered.
        self._asked_at = 0.0
        #: Since when answers are outstanding that nobody has read.
        self._owing_since = 0.0
        self._silent_since: float | None = None
        #: What the server calls this line.
        self.id: Any = None
        self.where = "?"
        #: What ``CLIENT LIST`` calls this line: whose it is, and what it is for.
        self.name = "kombu"
        self.role = "command"
        #: After how many seconds without a word the server is asked whether the line is there.
        self.check_after = inf

    # -- the line ------------------------------------------------------------------------------

    def open(self, deadline: float) -> Line:
        """Connect, unless that was done.

        Raises:
            TimeoutError: The server did not answer by the deadline.
            ConnectionError: (kombu's) It can't be reached, or refuses.
        """
        line = self._line
        if line is not None:
            if line.pid != os.getpid():
                self.abandon()
            elif (idle := monotonic() - self._asked_at) < _FRESH or self._is_there(idle, deadline):
                return line
            elif monotonic() >= deadline:
                # To find that out took all the time that there was.
                raise errors.unreachable(self.where, driver.TimeoutError("it did not answer"))
        self._asked_at = now = monotonic()
        timeout = max(deadline - now, _LEAST)
        address = self._address(deadline)
        self.where = address.where
        try:
            line = self._line = Line(address, timeout)
            named = pack("CLIENT", "SETNAME", f"{self.name}:{self.role}")
            line.write(self._greeting.text + named, timeout)
            answers = [
                line.read(max(deadline - monotonic(), _LEAST)) for _ in range(self._greeting.size)
            ]
            # A user that may not call itself anything works as well.
            line.read(max(deadline - monotonic(), _LEAST))
            loads = self._greeting.loads(answers)
            if loads:
                line.write(b"".join(loads), timeout)
                answers += [line.read(max(deadline - monotonic(), _LEAST)) for _ in loads]
        except BROKEN as exc:
            raise self._broken(exc) from exc
        except BaseException:
            self.drop()
            raise
        self._silent_since = None
        self.id = answers[0]
        for answer in answers[1:]:
            if isinstance(answer, Exception):
                self.drop()
                raise errors.refused(self.where, answer)
        seconds, micros = answers[1]
        self._on_clock(int(seconds) + int(micros) / 1e6)
        return line

    def _is_there(self, idle: float, deadline: float) -> bool:
        """Whether a line can be used that was not for so many seconds; one that can't is closed.

        The server may have closed it (its ``timeout``), which can be seen without asking.  After
        long it is asked, and has to answer soon.
        """
        by = min(deadline, monotonic() + self._patience)
        try:
            self.collect(by)
            if readable(0, self._opened().fileno()):
                raise errors.unreachable(self.where, ConnectionResetError("the server closed it"))
            if idle >= self.check_after:
                self._write(_PING, by)
                self._read(by)
        except Exception:
            self.drop()
            logger.debug("The line to %s was gone; it is opened anew", self.where, exc_info=True)
            return False
        return True

    @property
    def at_hand(self) -> bool:
        """Whether something can be written without waiting for anything first; see `open`."""
        idle = monotonic() - self._asked_at
        used = idle < _FRESH or (not self._outstanding and idle < self.check_after)
        return self._line is not None and used

    def drop(self) -> None:
        """Close the line; what is outstanding is not answered any more."""
        line, self._line = self._line, None
        outstanding, self._outstanding = self._outstanding, deque()
        if line is not None:
            with contextlib.suppress(*BROKEN):
                line.close()
        broken = ConnectionResetError("the line broke before the answer came")
        for told in outstanding:
            told(broken)

    def abandon(self) -> None:
        """In the child of a fork: close the descriptor and say nothing."""
        line, self._line = self._line, None
        self._outstanding = deque()
        if line is not None:
            with contextlib.suppress(*BROKEN):
                line.abandon()

    def _broken(self, exc: BaseException) -> Exception:
        """Close the line; the error to raise.

        A server that is silent for long is a lost connection and not a time that is over: who waits
        for messages would take the one for an idle queue for ever.
        """
        self.drop()
        if isinstance(exc, driver.TimeoutError):
            since = self._silent_since = self._silent_since or self._asked_at
            if monotonic() - since >= self._patience:
                self._silent_since = None
                exc = ConnectionResetError(f"it was silent for {self._patience:g} s and longer")
        return errors.unreachable(self.where, exc)

    # -- words ---------------------------------------------------------------------------------

    def _opened(self) -> Line:
        line = self._line
        if line is None:
            raise errors.unreachable(self.where, ConnectionResetError("it was closed"))
        return line

    def _write(self, data: bytes, deadline: float) -> None:
        line = self._opened()
        self._asked_at = now = monotonic()
        try:
            line.write(data, max(deadline - now, _LEAST))
        except BROKEN as exc:
            raise self._broken(exc) from exc
        except BaseException:
            self.drop()
            raise

    def _read(self, deadline: float) -> Any:
        line = self._opened()
        try:
            answer = line.read(max(deadline - monotonic(), _LEAST))
            self._silent_since = None
            return answer
        except BROKEN as exc:
            raise self._broken(exc) from exc
        except BaseException:
            self.drop()
            raise

    def collect(self, deadline: float, leave: int = 0) -> None:
        """Read the answers that are outstanding, but for the last `leave`."""
        while len(self._outstanding) > leave:
            answer = self._read(deadline)
            self._outstanding.popleft()(answer)
        self._owing_since = self._asked_at

    def tell(
        self,
        commands: Sequence[bytes],
        told: Sequence[Callable[[Any], None]],
        deadline: float | None,
    ) -> None:
        """Write commands; the answers are handed to `told` when somebody reads them."""
        now = monotonic()
        by = now + _UNHURRIED if deadline is None else deadline
        self.open(by)
        if not self._outstanding:
            self._owing_since = now
        elif len(self._outstanding) > _OUTSTANDING:
            self.collect(by, _OUTSTANDING // 2)
        elif now > self._owing_since + self._patience:
            # Nobody looked for long: a line that fell silent would not be noticed.
            self.collect(min(by, now + self._patience))
            self._owing_since = now
        self._write(b"".join(commands), by)
        self._outstanding.extend(told)

    def tell_scripts(self, calls: Sequence[Call], told: Sequence[Callable[[Any], None]]) -> None:
        """Write scripts; the answers are handed to `told` when somebody reads them."""
        self.tell([call.packed() for call in calls], told, None)

    def again(self, call: Call, told: Callable[[Any], None]) -> None:
        """Write a script once more, with its text, from within `told`."""
        self._write(call.in_full(), monotonic() + _UNHURRIED)
        self._outstanding.append(told)

    def arrived(self, wake: int, until: float) -> bool:
        """Wait until there is something to read, or `wake` (a descriptor) is readable, or it is
        too late; whether there is something to read.
        """
        number = self._opened().fileno()
        return number in readable(max(until - monotonic(), 0), number, wake)

    @property
    def outstanding(self) -> int:
        """How many answers are."""
        return len(self._outstanding)

    # -- commands ------------------------------------------------------------------------------

    def command(self, deadline: float, *words: Any) -> Any:
        """Send one command and return its answer; raises what the server refuses."""
        return self.each([pack(*words)], deadline)[0]

    def each(self, commands: Sequence[bytes], deadline: float) -> list[Any]:
        """Send commands in one write and return their answers; raises the first refusal."""
        answers = self._ask(commands, deadline)
        for answer in answers:
            if isinstance(answer, Exception):
                raise errors.refused(self.where, answer)
        return answers

    def scripts(self, calls: Sequence[Call], deadline: float) -> list[Any]:
        """Run scripts in one write; an answer may be an exception of the driver's."""
        answers = self._ask([call.packed() for call in calls], deadline)
        again = [
            at for at, answer in enumerate(answers) if isinstance(answer, driver.NoScriptError)
        ]
        if again:
            # The server was started anew, or told to forget its scripts.
            full = self._ask([calls[at].in_full() for at in again], deadline)
            for at, answer in zip(again, full, strict=True):
                answers[at] = answer
        return answers

    def one(self, command: bytes, deadline: float) -> Any:
        """Send one command; its answer may be an exception of the driver's."""
        self.open(deadline)
        outstanding = len(self._outstanding)
        self._write(command, deadline)
        if outstanding:
            self._hear(outstanding, deadline)
        return self._read(deadline)

    def send(self, commands: Sequence[bytes], deadline: float) -> None:
        """Write commands whose answers are read by `receive`, each of them."""
        self.open(deadline)
        if self._outstanding:
            self.collect(deadline)
        self._write(b"".join(commands), deadline)

    def expect(self, told: Sequence[Callable[[Any], None]]) -> None:
        """Have the answers to what was sent handed over when they are read: none was received."""
        self._outstanding.extend(told)

    def gather(self, deadline: float) -> bool:
        """Read the answers that are outstanding as they come; whether that were all.

        Other than with `collect`, the line stays as it is where they take longer.
        """
        while self._outstanding:
            now = monotonic()
            try:
                here = self._opened().can_read(max(deadline - now, 0.0))
            except BROKEN as exc:
                raise self._broken(exc) from exc
            if not here:
                since = self._silent_since = self._silent_since or self._asked_at
                if now - since >= self._patience:
                    raise self._broken(driver.TimeoutError("it did not answer"))
                return False
            answer = self._read(now + self._patience)
            self._outstanding.popleft()(answer)
        return True

    def receive(self, deadline: float) -> Any:
        """The next answer; see `send`."""
        return self._read(deadline)

    def fileno(self) -> int:
        """The descriptor of the open line."""
        return self._opened().fileno()

    def _ask(self, commands: Sequence[bytes], deadline: float) -> list[Any]:
        self.open(deadline)
        outstanding = len(self._outstanding)
        self._write(b"".join(commands), deadline)
        if outstanding:
            self._hear(outstanding, deadline)
        return [self._read(deadline) for _ in commands]

    def _hear(self, count: int, deadline: float) -> None:
        """Read answers that come before that to what was just written: nobody waits twice.

        What is written meanwhile (`again`) is answered after it.
        """
        for _ in range(count):
            answer = self._read(deadline)
            self._outstanding.popleft()(answer)
