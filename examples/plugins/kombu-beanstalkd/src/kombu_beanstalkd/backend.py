"""Queues are tubes and messages are jobs.

A claim is a job that was reserved and put back with a delay, after which it comes again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from hashlib import sha256
from math import ceil
from time import monotonic, time
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from kombu.exceptions import ChannelError, DecodeError
from kombu.transport.backend import Delivery, Envelope, QueueSpec, Rejected, Release, Role, Wants
from kombu.transport.capabilities import UNPROMISED, Capabilities
from kombu.transport.claims import Claims
from kombu.transport.options import LeaseOptions
from kombu.transport.polling import PolledSession, Turns
from kombu.transport.stream import Stream
from kombu.virtual.envelope import from_wire, to_wire

if TYPE_CHECKING:
    from collections.abc import Sequence

CAPABILITIES = Capabilities(
    durable=UNPROMISED,  # this and the size are the server's to tell: see `BeanstalkBackend.open`
    max_message_bytes=65_535,
    shared_between_processes=True,
    ordering=True,
    leases=True,
    uncounted_release=True,
    exact_size=True,
    delay=True,
    priority_levels=256,
    fetch_batch=16,
)

#: A job's priority is 255 less the message's, times twice this.  What is below goes down by one at
#: every delivery: it counts them, tells one claim from the next, and leads to the front.
FRESH = 2**23


@dataclass(frozen=True)
class BeanstalkOptions(LeaseOptions):
    """What every transport with leases understands, with defaults of its own."""

    transport: ClassVar[str] = "beanstalkd"

    #: Seconds that a claim holds without renewal; beanstalkd counts whole ones.
    lease: float | None = 60.0
    #: The longest pause between two looks for messages (seconds).
    polling_interval: float = 0.1


class Answer(NamedTuple):
    """``RESERVED 7 5`` and the five bytes that follow."""

    word: str
    job: str
    body: bytes

    def table(self) -> dict[str, str]:
        """Statistics by their names."""
        return dict(re.findall(r"^(\S+): (.*)$", self.body.decode(), re.MULTILINE))


def tube_of(queue: str) -> str:
    """The tube of a queue: its name, or what stands for it where beanstalkd forbids that."""
    plain = re.fullmatch(r"[\w.$()/;][\w.$()/;-]{0,199}", queue, re.ASCII)
    return queue if plain else f"+{sha256(queue.encode()).hexdigest()}"


class BeanstalkBackend:
    """One server, as one `kombu.Connection` sees it."""

    options_class = BeanstalkOptions

    def __init__(self, client: Any, options: BeanstalkOptions) -> None:
        self.address = client.hostname or "localhost", client.port or 11300
        self.capabilities, self.options = CAPABILITIES, options
        self.lease: float = max(1, ceil(options.lease or 60))
        self.claims = Claims()

    def open(self, role: Role, deadline: float) -> BeanstalkSession:
        """Connect, and ask the server what it can do."""
        session = BeanstalkSession(self, deadline)
        told = session.ask(deadline, "stats")[0].table()
        self.capabilities = replace(
            CAPABILITIES,
            durable=told["binlog-current-index"] != "0",
            max_message_bytes=int(told["max-job-size"]),
        )
        return session

    def now(self) -> float:
        """The server tells no time."""
        return time()

    def close(self, deadline: float) -> None:
        """Give back what was claimed and not settled."""
        if self.claims:
            session = self.open(Role.COMMAND, deadline)
            session.settle([], [Release(delivery) for delivery in self.claims], deadline)
            session.close(deadline)

    def forked(self) -> None:
        """The claims are the parent's."""
        self.claims = Claims()


class BeanstalkSession(PolledSession):
    """A connection, which holds nothing between two calls."""

    def __init__(self, backend: BeanstalkBackend, deadline: float) -> None:
        super().__init__(backend.options.polling_interval)
        self._backend, self._stream = backend, Stream(backend.address, deadline)
        self._watched, self._turns = "default", Turns()

    def ask(self, deadline: float, *commands: str) -> list[Answer]:
        """Send commands in one write, and read their answers."""
        self._stream.write("".join(f"{command}\r\n" for command in commands).encode(), deadline)
        return [self._answer(deadline) for _ in commands]

    def _answer(self, deadline: float) -> Answer:
        word, *values = self._stream.read_line(deadline).decode().split()
        size = int(values[-1]) + 2 if word in ("RESERVED", "FOUND", "OK") else 0
        return Answer(word, "".join(values[:1]), self._stream.read(size, deadline)[:-2])

    # -- queues: a tube is there while a job is in it, such as a buried one that declares it ----

    def find_queue(self, name: str, deadline: float) -> tuple[QueueSpec, int] | None:
        _, stats = self.ask(
            deadline, *[f"{verb} {tube_of(name)}" for verb in ("use", "stats-tube")]
        )
        ready, declared = (
            int(stats.table()[f"current-jobs-{state}"]) for state in ("ready", "buried")
        )
        return (QueueSpec(name), ready) if declared else None

    def declare_queue(self, spec: QueueSpec, deadline: float) -> tuple[QueueSpec, int]:
        if not (found := self.find_queue(spec.name, deadline)):
            # With the longest delay, so that nobody takes it for a message before it is buried.
            (put,) = self.ask(deadline, f"put 0 {2**32 - 1} 60 0\r\n")
            self.ask(deadline, f"reserve-job {put.job}", f"bury {put.job} 0")
        return spec, found[1] if found else 0

    def size(self, name: str, deadline: float) -> int:
        return (self.find_queue(name, deadline) or (None, 0))[1]

    def purge(self, name: str, deadline: float) -> int:
        dropped = 0
        # Reserved first: between a look and the deletion somebody else might claim it.
        while got := self._reserve([name], deadline)[0]:
            self.ask(deadline, f"delete {got.job}")
            dropped += 1
        return dropped

    def delete_queue(self, name: str, deadline: float, *, if_empty: bool = False) -> int | None:
        if if_empty and self.size(name, deadline):
            return None
        while jobs := [
            found.job
            for look in ("peek-delayed", "peek-buried")
            for found in self.ask(deadline, f"use {tube_of(name)}", look)[1:]
            if found.job
        ]:
            self.ask(deadline, *[f"delete {job}" for job in jobs])
        return self.purge(name, deadline)

    # -- messages ------------------------------------------------------------------------------

    def put(self, items: Sequence[tuple[str, Envelope]], deadline: float) -> Sequence[Rejected]:
        commands = []
        for name, envelope in items:
            envelope.wire = envelope.wire or to_wire(envelope).decode()
            priority = (255 - min(max(envelope.priority, 0), 255)) * 2 * FRESH + FRESH - 1
            delay = max(0, ceil((envelope.not_before or 0) - time()))
            commands += [
                f"use {tube_of(name)}",
                f"put {priority} {delay} 60 {len(envelope.wire)}\r\n{envelope.wire}",
                "peek-buried",
            ]
        answers = self.ask(deadline, *commands)
        for name in {items[index][0] for index, it in enumerate(answers[2::3]) if not it.job}:
            self.declare_queue(QueueSpec(name), deadline)
        return [
            Rejected(index, ChannelError(f"beanstalkd answered {answer.word}"))
            for index, answer in enumerate(answers[1::3])
            if answer.word != "INSERTED"
        ]

    def _reserve(self, names: list[str], by: float) -> list[Answer | None]:
        before, self._watched = [self._watched, *names], names[-1]
        commands = [
            command
            for name, last in zip(names, before, strict=False)
            for command in (
                f"watch {tube_of(name)}",
                f"ignore {tube_of(last)}",
                "reserve-with-timeout 0",
            )
        ]
        return [answer if answer.job else None for answer in self.ask(by, *commands)[2::3]]

    def claim(self, wants: Wants, limit: int, deadline: float) -> list[Delivery]:
        """Reserve in turn, and put back with the lease as delay."""
        found = self._turns.take(
            wants, min(limit, 16), lambda names: self._reserve(names, deadline)
        )
        told = self.ask(deadline, *[f"stats-job {got.job}" for _, got in found])
        deliveries, orders, lease, now = [], [], self._backend.lease, time()
        for (name, got), stats in zip(found, (each.table() for each in told), strict=True):
            priority = (int(stats["pri"]) & ~FRESH) - 1
            try:
                envelope = from_wire(got.body)
                # Or how often it was reserved by who then was killed.
                envelope.count += FRESH - 2 - priority % FRESH or (
                    int(stats["reserves"]) - int(stats["releases"]) - 1
                )
                deliveries.append(
                    Delivery(
                        name, (got.job, priority), envelope, envelope.count, False, now + lease
                    )
                )
                orders.append(f"release {got.job} {priority} {lease}")
            except DecodeError:
                # Not a message of Kombu's: put aside, for its owner to see and to kick.
                orders.append(f"bury {got.job} {priority + 1}")
        self.ask(deadline, *orders)
        self._backend.claims.add(deliveries)
        return deliveries

    # -- claims --------------------------------------------------------------------------------

    def settle(
        self, acks: Sequence[Delivery], releases: Sequence[Release], deadline: float | None
    ) -> Sequence[Delivery]:
        by = monotonic() + self._backend.options.operation_timeout if deadline is None else deadline
        orders = {delivery: f"delete {delivery.token[0]}" for delivery in acks}
        for delivery, front, delay, count in releases:
            priority = (delivery.token[1] | (0 if front else FRESH)) + (not count)
            orders[delivery] = f"release {delivery.token[0]} {priority} {ceil(delay)}"
        return self._tell(orders, by, forget=True)

    def renew(
        self, deliveries: Sequence[Delivery], seconds: float, deadline: float
    ) -> Sequence[Delivery]:
        until, order = time() + ceil(seconds), "release {} {} {}".format
        orders = {each: order(*each.token, ceil(seconds)) for each in deliveries}
        lost = self._tell(orders, deadline, forget=False)
        for delivery in orders.keys() - lost:
            delivery.lease_until = until
        return lost

    def _tell(self, orders: dict[Delivery, str], by: float, *, forget: bool) -> list[Delivery]:
        """Have done to claims what is ordered; return those that were lost."""
        with self._backend.claims.standing(orders, by, forget=forget) as standing:
            jobs = [delivery.token[0] for delivery in standing]
            # Reserved, nobody else can claim it between the look and what is done.
            got = self.ask(by, *[f"reserve-job {job}" for job in jobs])
            told = [stats.table() for stats in self.ask(by, *[f"stats-job {job}" for job in jobs])]
            seized = {
                delivery: stats
                for delivery, answer, stats in zip(standing, got, told, strict=True)
                if answer.job
            }
            ours = {each for each, stats in seized.items() if stats["pri"] == str(each.token[1])}
            # Somebody else's claim goes back to where it was.
            others = [
                f"release {each.token[0]} {stats['pri']} {stats['delay']}"
                for each, stats in seized.items()
                if each not in ours
            ]
            self.ask(by, *[orders[each] for each in ours], *others)
        return [delivery for delivery in orders if delivery not in ours]

    def close(self, deadline: float) -> None:
        self._stream.close()
