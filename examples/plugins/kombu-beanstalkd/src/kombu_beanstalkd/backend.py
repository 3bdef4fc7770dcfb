"""The store: queues are tubes, messages are jobs, a lease is a time to run."""

from __future__ import annotations

import json
import re
import socket
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from hashlib import sha256
from math import ceil
from threading import Lock
from time import monotonic, sleep, time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from kombu.exceptions import ChannelError
from kombu.transport.backend import Delivery, Envelope, QueueSpec, Rejected, Release, Role, Wants
from kombu.transport.capabilities import UNPROMISED, Capabilities
from kombu.virtual.envelope import from_wire, to_wire

from .line import Answer, Line, left
from .options import BeanstalkOptions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: Seconds that the server has for its answer after the deadline of a wait.
GRACE = 0.4
CAPABILITIES = Capabilities(
    durable=UNPROMISED,  # this and the size are the server's to tell, in `BeanstalkBackend.open`
    max_message_bytes=(65_535 - 4096) * 3 // 4,
    shared_between_processes=True,
    ordering=True,
    leases=True,
    fixed_leases=True,
    queue_specs=True,
    exact_size=True,
    delay=True,
    priority_levels=256,
    fetch_batch=16,
)


def tube_of(queue: str) -> str:
    """The tube of a queue: its name, or what stands for it where beanstalkd forbids that."""
    plain = re.fullmatch(r"[\w.$()/;][\w.$()/;-]{0,199}", queue, re.ASCII)
    return queue if plain else f"+{sha256(queue.encode()).hexdigest()}"


def table(answer: Answer) -> dict[str, str]:
    """Statistics by their names."""
    lines = (line.partition(": ") for line in answer.body.decode().splitlines())
    return {name: value.strip('"') for name, _, value in lines}


def command(words: str, *values: object, body: bytes | None = None) -> bytes:
    """A line, and what follows it."""
    line = words.format(*values).encode() + b"\r\n"
    return line if body is None else line + body + b"\r\n"


def urgency(envelope: Envelope) -> int:
    """beanstalkd's priority: 0 comes first, where AMQP's 255 does."""
    return 255 - min(max(envelope.priority, 0), 255)


@contextmanager
def held(lock: Lock, deadline: float) -> Iterator[None]:
    """Hold a lock that is had by the deadline; raises `TimeoutError` otherwise."""
    if not lock.acquire(timeout=left(deadline)):
        raise TimeoutError("another thread was waiting for beanstalkd")
    try:
        yield
    finally:
        lock.release()


class BeanstalkBackend:
    """One server, as one `kombu.Connection` sees it."""

    options_class = BeanstalkOptions

    def __init__(self, client: Any, options: BeanstalkOptions) -> None:
        self.address = (client.hostname or "localhost", client.port or 11300)
        self.capabilities, self.patience = CAPABILITIES, options.operation_timeout
        self.lease: float = max(1, ceil(options.lease or 60))
        self.lines: list[Line] = []

    def connect(self, deadline: float) -> Line:
        """A further connection, which is closed with the backend."""
        self.lines.append(Line(self.address, deadline))
        return self.lines[-1]

    def open(self, role: Role, deadline: float) -> BeanstalkSession:
        """Connect, and ask the server what it can do."""
        told = table((line := self.connect(deadline)).ask(deadline, command("stats"))[0])
        self.capabilities = replace(
            CAPABILITIES,
            durable=told["binlog-current-index"] != "0",
            # Four bytes of base64 for three, beside what describes the message.
            max_message_bytes=(int(told["max-job-size"]) - 4096) * 3 // 4,
        )
        return BeanstalkSession(self, line)

    def now(self) -> float:
        """The server tells no time."""
        return time()

    def close(self, deadline: float) -> None:
        """Whose connection ends loses its claims: the server gives back."""
        while self.lines:
            self.lines.pop().socket.close()

    def forked(self) -> None:
        """A copy of a descriptor can be closed unnoticed."""
        self.close(0)


class Claim:
    """The token of a delivery: a job, in the hands of the session whose connection reserved it."""

    def __init__(self, session: BeanstalkSession, job: int, ttr: str) -> None:
        self.session, self.job, self.ttr = session, job, int(ttr)


class BeanstalkSession:
    """A connection for commands, and from the first fetch on one that reserves and holds claims."""

    def __init__(self, backend: BeanstalkBackend, line: Line) -> None:
        self._backend, self._line, self._reserving = backend, line, line
        self._claims: dict[int, Claim] = {}
        self._next, self._turn = Lock(), Lock()
        self._bell, self._ear = socket.socketpair()
        self._bell.setblocking(False)
        self._ear.setblocking(False)
        self._interrupted, self._alarm = False, f"alarm+{uuid4().hex}"
        self._known: set[str] = set()
        self._watched, self._served = {"default"}, set[str]()

    # -- queues: a tube is there while a job is in it, such as a buried one that declares it ----

    def _look(self, name: str, deadline: float) -> tuple[QueueSpec | None, dict[str, str]]:
        use, look = (command(verb, tube_of(name)) for verb in ("use {}", "stats-tube {}"))
        _, told, found = self._line.ask(deadline, use, look, command("peek-buried"))
        spec = QueueSpec(**json.loads(found.body)) if found.word == "FOUND" else None
        return spec, table(told)

    def declare_queue(self, spec: QueueSpec, deadline: float) -> tuple[QueueSpec, int]:
        stands, told = self._look(spec.name, deadline)
        if stands is None:
            text = json.dumps(asdict(spec)).encode()
            # Delayed, nobody else reserves it.
            put = command("put 0 {} 60 {}", 2**32 - 1, len(text), body=text)
            job = self._line.ask(deadline, put)[0].job
            bury = command("reserve-job {}", job), command("bury {} 0", job)
            self._line.ask(deadline, *bury)
            stands, told = self._look(spec.name, deadline)
        return stands or spec, int(told["current-jobs-ready"])

    def find_queue(self, name: str, deadline: float) -> tuple[QueueSpec, int] | None:
        spec, told = self._look(name, deadline)
        return None if spec is None else (spec, int(told["current-jobs-ready"]))

    def size(self, name: str, deadline: float) -> int:
        return int(self._look(name, deadline)[1]["current-jobs-ready"])

    def purge(self, name: str, deadline: float, kind: str = "ready") -> int:
        self._look(name, deadline)
        dropped = 0
        while (found := self._line.ask(deadline, command(f"peek-{kind}"))[0]).word == "FOUND":
            (answer,) = self._line.ask(deadline, command("delete {}", found.job))
            dropped += answer.word == "DELETED"
        return dropped

    def delete_queue(self, name: str, deadline: float, *, if_empty: bool = False) -> int | None:
        if if_empty and self.size(name, deadline):
            return None
        self._known.discard(name)
        ready, _, _ = (self.purge(name, deadline, kind) for kind in ("ready", "delayed", "buried"))
        return ready

    # -- messages ------------------------------------------------------------------------------

    def put(self, items: Sequence[tuple[str, Envelope]], deadline: float) -> Sequence[Rejected]:
        for name in {name for name, _ in items} - self._known:
            self.declare_queue(QueueSpec(name), deadline)
            self._known.add(name)
        most = self._backend.capabilities.max_message_bytes or 0
        refused = [
            Rejected(index, ChannelError(f"{len(envelope.body)} bytes, at most are {most}"))
            for index, (_, envelope) in enumerate(items)
            if len(envelope.body) > most
        ]
        fitting = [index for index in range(len(items)) if len(items[index][1].body) <= most]
        commands = [part for index in fitting for part in self._put_commands(*items[index])]
        answers = self._line.ask(deadline, *commands)[1::2]
        refused += [
            Rejected(index, ChannelError(f"beanstalkd answered {answer.word}"))
            for index, answer in zip(fitting, answers, strict=True)
            if answer.word != "INSERTED"
        ]
        return refused

    def _put_commands(self, name: str, envelope: Envelope) -> tuple[bytes, bytes]:
        envelope.wire = wire = envelope.wire or to_wire(envelope)
        delay = max(0, ceil((envelope.not_before or 0) - time()))
        place = urgency(envelope), delay, self._backend.lease, len(wire)
        return command("use {}", tube_of(name)), command("put {} {} {} {}", *place, body=wire)

    def fetch(
        self, wants: Wants, limit: int, deadline: float, *, wait: bool = True
    ) -> list[Delivery]:
        by = max(deadline, monotonic()) + GRACE if wait else deadline
        if self._reserving is self._line:
            self._reserving = self._backend.connect(by)
        queues = {tube_of(name): name for name, want in wants.items() if want.limit > 0}
        most = min([limit, 16, *(wants[name].limit for name in queues.values())])
        while True:
            # Whoever settles goes first: he has the other lock until he is done.
            with held(self._next, by):
                pass
            with held(self._turn, by):
                found = self._reserve(queues, most if queues else 0, by)
                over = not wait or self._interrupted or monotonic() >= deadline
                if not found and not over:
                    found = self._await(queues, deadline, by)
            if found or over:
                self._interrupted = self._interrupted and (bool(found) or not wait)
                return found

    def _reserve(self, queues: dict[str, str], most: int, by: float) -> list[Delivery]:
        # A tube that was served is left out until the others have nothing: they take turns.
        wanted = queues.keys() - self._served | {self._alarm}
        watch = [command("watch {}", tube) for tube in wanted - self._watched]
        watch += [command("ignore {}", tube) for tube in self._watched - wanted]
        self._watched = wanted
        reserve = [command("reserve-with-timeout 0")] * most
        found = self._deliver(self._reserving.ask(by, *watch, *reserve)[len(watch) :], queues, by)
        if found or not self._served:
            return found
        self._served = set()
        return self._reserve(queues, most, by)

    def _await(self, queues: dict[str, str], deadline: float, by: float) -> list[Delivery]:
        def look_up() -> None:
            # A reserve that waits can't be taken back: after a bell, or at the deadline, a
            # message of our own ends it.
            if not self._reserving.speaks_before(self._ear, deadline):
                alarm = command("put 0 0 60 0", body=b"")
                self._line.ask(by, command("use {}", self._alarm), alarm)

        (answer,) = self._reserving.ask(by, command("reserve"), before=look_up)
        with suppress(BlockingIOError):
            self._ear.recv(4096)
        if answer.word == "DEADLINE_SOON":
            # A claim runs out within a second, and until then there is no waiting.
            sleep(0.05)
        return self._deliver([answer], queues, by)

    def _deliver(self, answers: list[Answer], queues: dict[str, str], by: float) -> list[Delivery]:
        jobs = [answer for answer in answers if answer.word == "RESERVED"]
        told = self._reserving.ask(by, *[command("stats-job {}", job.job) for job in jobs])
        deliveries = []
        for job, stats in zip(jobs, map(table, told), strict=True):
            if stats.get("tube") == self._alarm:
                self._reserving.ask(by, command("delete {}", job.job))
            elif stats:
                self._served |= {stats["tube"]} if len(queues) > 1 else set()
                claim = self._claims[job.job] = Claim(self, job.job, stats["ttr"])
                envelope, until = from_wire(job.body), time() + claim.ttr
                count = envelope.count + int(stats["reserves"]) - 1
                name = queues[stats["tube"]]
                deliveries.append(Delivery(name, claim, envelope, count, lease_until=until))
        return deliveries

    # -- claims --------------------------------------------------------------------------------

    def settle(
        self, acks: Sequence[Delivery], releases: Sequence[Release], deadline: float | None
    ) -> Sequence[Delivery]:
        by = monotonic() + self._backend.patience if deadline is None else deadline
        orders = [(delivery, command("delete {}", delivery.token.job)) for delivery in acks]
        for delivery, front, delay, count in releases:
            envelope, job = delivery.envelope, delivery.token.job
            release = command("release {} {} {}", job, urgency(envelope), ceil(delay))
            if not front and delivery.token.session.holds(delivery):
                # Behind the others is a new message only; put first, so that none is lost.
                release, envelope.wire = command("delete {}", job), None
                envelope.count = delivery.count + count
                envelope.not_before = time() + delay if delay else envelope.not_before
                for refused in self.put([(delivery.queue, envelope)], by):
                    raise refused.error
            orders.append((delivery, release))
        return self._tell(orders, by)

    def renew(
        self, deliveries: Sequence[Delivery], seconds: float, deadline: float
    ) -> Sequence[Delivery]:
        touches = [(delivery, command("touch {}", delivery.token.job)) for delivery in deliveries]
        return self._tell(touches, deadline)

    def _tell(self, orders: list[tuple[Delivery, bytes]], by: float) -> list[Delivery]:
        lost = []
        for session in {delivery.token.session for delivery, _ in orders}:
            lost += session.told([o for o in orders if o[0].token.session is session], by)
        return lost

    def told(self, orders: list[tuple[Delivery, bytes]], by: float) -> list[Delivery]:
        """Send commands about claims of this session; return the deliveries that lost theirs."""
        with held(self._next, by):
            self._ring()
            with held(self._turn, by):
                lost = [delivery for delivery, _ in orders if not self.holds(delivery)]
                orders = [order for order in orders if self.holds(order[0])]
                begun, answers = time(), self._reserving.ask(by, *[order[1] for order in orders])
                for (delivery, _), answer in zip(orders, answers, strict=True):
                    if answer.word == "TOUCHED":
                        delivery.lease_until = begun + delivery.token.ttr
                    else:
                        self._claims.pop(delivery.token.job, None)
                    if answer.word not in ("TOUCHED", "DELETED", "RELEASED"):
                        lost.append(delivery)
                for claim in {delivery.token for delivery in lost} & {*self._claims.values()}:
                    self._claims.pop(claim.job)
        return lost

    def holds(self, delivery: Delivery) -> bool:
        """Whether a claim stands, by our clock, too: the server would let a late acknowledgement
        delete what came back and nobody has reserved yet.
        """
        standing = self._claims.get(delivery.token.job)
        return standing is delivery.token and (delivery.lease_until or 0) > time()

    # -- the session ---------------------------------------------------------------------------

    def maintain(
        self, queues: Sequence[str], limit: int, deadline: float
    ) -> tuple[Sequence[Delivery], float | None]:
        return (), None

    def interrupt(self) -> None:
        self._interrupted = True
        self._ring()

    def _ring(self) -> None:
        # Nobody listens to a bell that was closed, or that rings already.
        with suppress(OSError):
            self._bell.send(b"!")

    def close(self, deadline: float) -> None:
        # Claims are the backend's: it closes the connection that holds them.
        for line in {self._line} if self._claims else {self._line, self._reserving}:
            line.socket.close()
            with suppress(ValueError):
                self._backend.lines.remove(line)
        self._bell.close()
        self._ear.close()
