"""What a message may cost, in calls and memory: figures that no other program disturbs.

``python benchmarks/budget.py`` compares with ``budget.toml``, ``--write`` writes it anew, and
``--json`` prints what was measured.  Both figures are totals of `MESSAGES` messages.

A call is a call of a Python function or of a C function, as `sys.setprofile` counts them; those of
this module are left out.  Blocks are what `sys.getallocatedblocks` has more while all messages are
kept: in their queue after publishing, in the caller's hands after receiving.  Once they are
settled and dropped no more than `LEFT_OVER` blocks a message may stay behind.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import mode
from typing import TYPE_CHECKING, Any

import tomllib
from cases import PATIENCE, RETRY_POLICY, URL, body_of, direct_queue, task_headers

from kombu import Connection, Consumer, Producer, pools

if TYPE_CHECKING:
    from collections.abc import Callable

PATH = Path(__file__).with_name("budget.toml")

#: How many messages are counted; the figures of the budget are for all of them together.
MESSAGES = 1_000

#: Counted this often: how much is fetched at once depends on the clock, so a pause of the machine
#: may change a count.  The usual one is written as the budget, the least one is held against it.
ATTEMPTS = 7

#: Calls for each message that the clock may add on a busy machine: less than the one call that a
#: change would add, more than the few fetches that a pause adds.
SLACK = 0.3

#: Seconds of rest before counting, so that every attempt starts with fetches of the same size.
REST = 0.05

#: Blocks are rounded up to the next multiple of this, because tables grow in steps.
ROUNDING = 100

#: Blocks for each message that may stay behind when all is done.
LEFT_OVER = 0.05

HEAD = f"""\
# What {MESSAGES:,} messages may cost on Python 3.11, all together: see benchmarks/budget.py.
#
# "calls" may be 0.3 a message more, because fetches depend on the clock, "blocks" are rounded up
# to the next {ROUNDING}.  The figures of this checkout are written by
# `python benchmarks/budget.py --write`, and then by `python benchmarks/runner.py table` into
# docs/performance.md.  A budget is raised only in the commit that needs it, with the reason as a
# comment under [the name of the step]; comments there are kept.
"""


@dataclass(frozen=True)
class Step:
    """One thing that is done to a message.

    Attributes:
        do: Do it once, given the number of the message; what it returns is kept.
        before: Called before the messages, with how many there will be.
        after: Called with all that was kept; settles it and empties the queue.
    """

    do: Callable[[int], Any]
    before: Callable[[int], Any]
    after: Callable[[list[Any]], Any]


def _nothing(_: Any) -> None:
    """Neither before nor after."""


def _publishing(**options: Any) -> Step:
    connection = Connection(URL)
    queue = direct_queue()(connection.channel())
    queue.declare()
    producer = Producer(connection.channel())

    def do(number: int) -> None:
        producer.publish(body_of(number), exchange="bench", routing_key="bench", **options)

    return Step(do, _nothing, lambda _: queue.purge())


def _publish() -> Step:
    return _publishing()


def _publish_headers() -> Step:
    return _publishing(
        headers=task_headers(), correlation_id="3c1f4bd6", reply_to="0b54c1a2", serializer="json"
    )


def _publish_declare() -> Step:
    return _publishing(declare=[direct_queue()], retry=True, retry_policy=RETRY_POLICY)


def _publish_pool() -> Step:
    connection = Connection(URL)
    queue = direct_queue()
    bound = queue(connection.channel())
    bound.declare()

    def do(number: int) -> None:
        with pools.producers[connection].acquire(block=True) as producer:
            producer.publish(
                body_of(number),
                exchange=queue.exchange,
                routing_key="bench",
                declare=[queue],
                retry=True,
                retry_policy=RETRY_POLICY,
            )

    return Step(do, _nothing, lambda _: bound.purge())


def _consuming(acknowledge: bool, prefetch: int = 0) -> Step:
    publishing = _publishing()
    connection = Connection(URL)
    received: list[Any] = []

    def keep(body: Any, message: Any) -> None:
        received.append(message)
        if acknowledge:
            message.ack()

    consumer = Consumer(
        connection, direct_queue(), no_ack=not acknowledge, callbacks=[keep], accept=["json"]
    )
    if prefetch:
        consumer.qos(prefetch_count=prefetch)
    consumer.consume()

    def do(_: int) -> Any:
        connection.drain_events(timeout=PATIENCE)
        return received.pop()

    def fill(messages: int) -> None:
        for number in range(messages):
            publishing.do(number)

    return Step(do, fill, _nothing)


def _consume() -> Step:
    return _consuming(acknowledge=True)


def _consume_prefetch() -> Step:
    return _consuming(acknowledge=True, prefetch=10)


def _consume_no_ack() -> Step:
    return _consuming(acknowledge=False)


def _simple_queue() -> Step:
    queue = Connection(URL).SimpleQueue("simple")

    def do(number: int) -> Any:
        queue.put(body_of(number))
        message = queue.get(timeout=PATIENCE)
        if message.payload["n"] != number:
            raise AssertionError(f"message {message.payload['n']} came, {number} was put")
        message.ack()
        return message

    return Step(do, _nothing, _nothing)


#: How to make each step, by its name in the budget.
STEPS: dict[str, Callable[[], Step]] = {
    "publish": _publish,
    "publish-headers": _publish_headers,
    "publish-retry-declare": _publish_declare,
    "publish-pool": _publish_pool,
    "consume-ack": _consume,
    "consume-ack-prefetch-10": _consume_prefetch,
    "consume-no-ack": _consume_no_ack,
    "simple-queue": _simple_queue,
}


def count_calls(step: Step) -> int:
    """The calls that `MESSAGES` messages take, without those of this module."""
    calls = 0
    own = __file__

    def count(frame: Any, event: str, _: Any) -> None:
        nonlocal calls
        # The frame of a call of Python is that of the callee, of a call of C that of the caller:
        # either way it is what this module does itself.
        if event in ("call", "c_call") and frame.f_code.co_filename != own:
            calls += 1

    kept: list[Any] = [None] * MESSAGES
    step.before(MESSAGES)
    time.sleep(REST)
    do = step.do
    sys.setprofile(count)
    try:
        for number in range(MESSAGES):
            kept[number] = do(number)
    finally:
        sys.setprofile(None)
    step.after(kept)
    return calls


def count_blocks(step: Step) -> tuple[int, int]:
    """The blocks that `MESSAGES` messages hold while they are kept, and those they leave behind."""
    kept: list[Any] = [None] * MESSAGES
    at_first = sys.getallocatedblocks()
    step.before(MESSAGES)
    do = step.do
    for number in range(MESSAGES):
        kept[number] = do(number)
    held = sys.getallocatedblocks() - at_first
    step.after(kept)
    kept.clear()
    return held, sys.getallocatedblocks() - at_first


def measure(name: str) -> dict[str, int]:
    """The usual and the least calls, and the blocks, of one step.

    Raises:
        RuntimeError: Messages left more behind than `LEFT_OVER` allows.
    """
    step = STEPS[name]()
    # Routes, pools and tables are made by the first messages.
    count_calls(step)
    gc.collect()
    gc.disable()
    try:
        calls = [count_calls(step) for _ in range(ATTEMPTS)]
        blocks = [count_blocks(step) for _ in range(ATTEMPTS)]
    finally:
        gc.enable()
    left = min(behind for _, behind in blocks)
    if left > LEFT_OVER * MESSAGES:
        raise RuntimeError(
            f"{name}: {left} blocks stay behind after {MESSAGES} messages were settled, at most "
            f"{LEFT_OVER * MESSAGES:.0f} may: look for what still holds them"
        )
    return {
        "calls": mode(calls),
        "least_calls": min(calls),
        "blocks": min(held for held, _ in blocks),
    }


def load() -> dict[str, dict[str, int]]:
    """The budgets that stand, by the name of the step."""
    return tomllib.loads(PATH.read_text(encoding="utf-8"))


def write(figures: dict[str, dict[str, int]]) -> None:
    """Write the budgets anew, with the reasons that stand in the file."""
    reasons = _reasons()
    parts = [HEAD]
    for name, found in figures.items():
        blocks = math.ceil(found["blocks"] / ROUNDING) * ROUNDING
        lines = [f"[{name}]", *reasons.get(name, ()), f"calls = {found['calls']}"]
        parts.append("\n".join([*lines, f"blocks = {blocks}\n"]))
    PATH.write_text("\n".join(parts), encoding="utf-8")


def _reasons() -> dict[str, list[str]]:
    """The comments under each step."""
    reasons: dict[str, list[str]] = {}
    name = ""
    for line in PATH.read_text(encoding="utf-8").splitlines() if PATH.exists() else ():
        if line.startswith("["):
            name = line.strip("[]")
        elif name and line.startswith("#"):
            reasons.setdefault(name, []).append(line)
    return reasons


def excess(found: dict[str, int], budget: dict[str, int]) -> list[str]:
    """What of a step costs more than its budget, as ``calls 9123, allowed 9010``."""
    costs = {"calls": found["least_calls"], "blocks": found["blocks"]}
    allowed = {"calls": budget["calls"] + round(SLACK * MESSAGES), "blocks": budget["blocks"]}
    return [
        f"{key} {cost}, allowed {allowed[key]}"
        for key, cost in costs.items()
        if cost > allowed[key]
    ]


def main(arguments: list[str] | None = None) -> None:
    """Do what the command line says.

    Raises:
        SystemExit: A budget is exceeded, or this is not Python 3.11.
    """
    parser = argparse.ArgumentParser(description="Calls and memory of a message, against a budget.")
    parser.add_argument("--write", action="store_true", help="write budget.toml anew")
    parser.add_argument("--json", action="store_true", help="print what was measured as JSON")
    options = parser.parse_args(arguments)
    if sys.version_info[:2] != (3, 11):
        sys.exit(f"budgets are for Python 3.11, this is {sys.version.split()[0]}: use that one")
    figures = {name: measure(name) for name in STEPS}
    if options.json:
        print(json.dumps(figures))
        return
    if options.write:
        write(figures)
        return
    budgets = load()
    exceeded = 0
    for name, found in figures.items():
        more = excess(found, budgets[name])
        exceeded += bool(more)
        print(f"{name}: {'; '.join(more) or 'within its budget'} {found}")
    if exceeded:
        sys.exit(f"{exceeded} steps cost more than their budget, see the head of {PATH.name}")


if __name__ == "__main__":
    main()
