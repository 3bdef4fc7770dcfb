"""What a worker of Celery does on the memory transport, in this process.

Runs in an environment with Celery.  Prints a line of JSON for each scenario: its name, and the
traceback where it failed.
"""

from __future__ import annotations

import json
import threading
import time
import traceback
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from itertools import chain as links
from itertools import pairwise

import celery.exceptions
import shop
from celery import chain, chord, group
from celery.contrib.testing.worker import start_worker
from celery.exceptions import TaskRevokedError
from shop import add, app, fail, fragile, hold, late, note, total, tries

from kombu import Queue

#: Seconds to wait for what must come.
PATIENCE = 30


def until(condition, what):
    """Wait for a condition; its value."""
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not happen within {PATIENCE} s")
        time.sleep(0.02)
    return found


@contextmanager
def raises(error):
    """The block raises this error."""
    try:
        yield
    except error:
        return
    raise AssertionError(f"{error.__name__} was not raised")


def ready(queue="shop"):
    with app.connection_for_read() as connection:
        return Queue(queue)(connection.channel()).queue_declare(passive=True).message_count


# -- tasks -----------------------------------------------------------------------------------------


def a_task_is_run_and_answers(worker):
    assert add.delay(2, 3).get(timeout=PATIENCE) == 5


def many_tasks_are_each_run_once(worker):
    for number in range(200):
        note.delay(f"many-{number}")
    until(lambda: all(f"many-{n}" in tries for n in range(200)), "the end of 200 tasks")
    assert all(len(tries[f"many-{n}"]) == 1 for n in range(200))
    until(lambda: ready() == 0, "an empty queue")


def an_error_comes_back(worker):
    result = fail.delay("broken")
    with raises(ValueError):
        result.get(timeout=PATIENCE)
    assert result.state == "FAILURE"
    assert result.result.args == ("broken",)


def a_task_that_fails_is_retried(worker):
    assert fragile.delay("retried", 3, 0.1).get(timeout=PATIENCE) == 4
    times = tries["retried"]
    assert all(later - earlier >= 0.1 for earlier, later in pairwise(times))


def a_task_waits_for_its_time(worker):
    began = time.monotonic()
    result = note.apply_async(("later",), countdown=1)
    at = datetime.now(timezone.utc) + timedelta(seconds=1.5)
    by_eta = note.apply_async(("at",), eta=at)
    time.sleep(0.5)
    assert "later" not in tries
    result.get(timeout=PATIENCE)
    by_eta.get(timeout=PATIENCE)
    assert 1 <= tries["later"][0] - began < 4
    assert 1.4 <= tries["at"][0] - began < 5


def a_task_that_expired_is_not_run(worker):
    result = note.apply_async(("expired",), countdown=1, expires=0.5)
    with raises(TaskRevokedError):
        result.get(timeout=PATIENCE)
    assert "expired" not in tries


def a_task_is_acknowledged_late(worker):
    assert late.delay("late").get(timeout=PATIENCE) == "late"
    assert len(tries["late"]) == 1


def formats_of_messages_are_celery_s(worker):
    for serializer in ("json", "pickle", "yaml", "msgpack"):
        for compression in (None, "zlib", "bzip2"):
            options = {"serializer": serializer, "compression": compression, "priority": 3}
            assert add.apply_async((2, 3), **options).get(timeout=PATIENCE) == 5


# -- the canvas ------------------------------------------------------------------------------------


def a_chain_hands_on_what_comes_out(worker):
    assert chain(add.s(1, 2), add.s(3), add.s(4))().get(timeout=PATIENCE) == 10


def a_group_runs_side_by_side(worker):
    results = group(add.s(n, n) for n in range(20))().get(timeout=PATIENCE)
    assert results == [2 * n for n in range(20)]


def a_chord_waits_for_all_its_parts(worker):
    assert chord(add.s(n, n) for n in range(10))(total.s()).get(timeout=PATIENCE) == 90


def a_chain_of_groups_is_a_chord(worker):
    work = chain(add.s(1, 1), group(add.s(n) for n in range(5)), total.s(), add.s(100))
    assert work().get(timeout=PATIENCE) == 120


def parts_of_a_group_come_in_chunks(worker):
    work = add.chunks(zip(range(30), range(30), strict=True), 10)
    chunks = work.apply_async().get(timeout=PATIENCE)
    assert [*links(*chunks)] == [2 * n for n in range(30)]


# -- events and commands ---------------------------------------------------------------------------


def events_tell_of_tasks_and_workers(worker):
    seen = []
    listening = threading.Event()

    def listen():
        with app.connection_for_read() as connection:
            receiver = app.events.Receiver(connection, handlers={"*": seen.append})
            capture = receiver.itercapture(limit=None, timeout=None, wakeup=True)
            next(capture)
            listening.set()
            for _ in capture:
                if receiver.should_stop or any(e["type"] == "task-succeeded" for e in seen):
                    return

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    # It listens once the answer to its wake-up has come.
    until(listening.is_set, "the start of the receiver")
    result = add.delay(1, 1)
    result.get(timeout=PATIENCE)
    thread.join(PATIENCE)
    kinds = [e["type"] for e in seen if e.get("uuid") == result.id]
    assert kinds == ["task-sent", "task-received", "task-started", "task-succeeded"], kinds
    state = app.events.State()
    for event in seen:
        state.event(event)
    assert result.id in state.tasks
    assert worker.hostname in state.workers


def a_worker_answers_pings(worker):
    assert app.control.ping(timeout=2) == [{worker.hostname: {"ok": "pong"}}]
    assert app.control.ping(destination=["nobody@here"], timeout=0.5) == []


def a_worker_tells_of_itself(worker):
    inspect = app.control.inspect([worker.hostname], timeout=2)
    assert "shop.add" in inspect.registered()[worker.hostname]
    stats = inspect.stats()[worker.hostname]
    assert stats["broker"]["transport"] == "memory"
    assert stats["prefetch_count"] == 16
    assert [q["name"] for q in inspect.active_queues()[worker.hostname]] == ["shop"]
    note.apply_async(("never",), countdown=60)
    until(lambda: inspect.scheduled()[worker.hostname], "a task with an ETA in the schedule")
    held = hold.delay()
    until(lambda: inspect.active()[worker.hostname], "an active task")
    shop.letting_go.set()
    held.get(timeout=PATIENCE)
    shop.letting_go.clear()
    # It is left to wait: see `what_was_not_run_is_given_back`.


def a_revoked_task_is_not_run(worker):
    result = note.apply_async(("revoked",), countdown=1)
    answers = app.control.revoke(result.id, reply=True, timeout=2)
    assert len(answers) == 1
    with raises(TaskRevokedError):
        result.get(timeout=PATIENCE)
    assert "revoked" not in tries


def a_rate_limit_holds(worker):
    (answer,) = app.control.rate_limit("shop.late", "5/s", reply=True, timeout=2)
    assert "ok" in answer[worker.hostname]
    began = time.monotonic()
    results = [late.delay(f"limited-{number}") for number in range(8)]
    for result in results:
        result.get(timeout=PATIENCE)
    assert time.monotonic() - began > 1
    app.control.rate_limit("shop.late", None, reply=True, timeout=2)


def a_worker_consumes_from_more_queues_when_told(worker):
    app.control.add_consumer("extra", reply=True, timeout=2)
    assert add.apply_async((4, 4), queue="extra").get(timeout=PATIENCE) == 8
    app.control.cancel_consumer("extra", reply=True, timeout=2)
    result = add.apply_async((5, 5), queue="extra")
    with raises(celery.exceptions.TimeoutError):
        result.get(timeout=0.5)
    assert ready("extra") == 1
    app.control.add_consumer("extra", reply=True, timeout=2)
    assert result.get(timeout=PATIENCE) == 10
    app.control.cancel_consumer("extra", reply=True, timeout=2)


# -- when the worker has ended ---------------------------------------------------------------------


def what_was_not_run_is_given_back():
    assert ready() == 1
    with app.connection_for_read() as connection:
        message = Queue("shop")(connection.channel()).get()
        assert message.headers["argsrepr"] == "('never',)"
        message.requeue()


def waiting_tasks_are_purged():
    for number in range(5):
        note.delay(f"purged-{number}")
    assert app.control.purge() == 6
    assert ready() == 0


SCENARIOS = {
    scenario.__name__: scenario
    for scenario in (
        a_task_is_run_and_answers,
        many_tasks_are_each_run_once,
        an_error_comes_back,
        a_task_that_fails_is_retried,
        a_task_waits_for_its_time,
        a_task_that_expired_is_not_run,
        a_task_is_acknowledged_late,
        formats_of_messages_are_celery_s,
        a_chain_hands_on_what_comes_out,
        a_group_runs_side_by_side,
        a_chord_waits_for_all_its_parts,
        a_chain_of_groups_is_a_chord,
        parts_of_a_group_come_in_chunks,
        events_tell_of_tasks_and_workers,
        a_worker_answers_pings,
        a_worker_tells_of_itself,
        a_revoked_task_is_not_run,
        a_rate_limit_holds,
        a_worker_consumes_from_more_queues_when_told,
    )
}

AFTERWARDS = {
    scenario.__name__: scenario
    for scenario in (what_was_not_run_is_given_back, waiting_tasks_are_purged)
}


def main():
    """Run all of them with one worker, then look at what it left."""
    app.conf.update(
        accept_content=["json", "pickle", "yaml", "msgpack"],
        task_queues=[Queue("shop")],
        task_track_started=True,
    )
    with start_worker(
        app, pool="threads", concurrency=4, perform_ping_check=False, loglevel="error"
    ) as worker:
        for name, scenario in SCENARIOS.items():
            attempt(name, scenario, worker)
    for name, scenario in AFTERWARDS.items():
        attempt(name, scenario)


def attempt(name, scenario, *arguments):
    """Run a scenario and print how it went."""
    began = time.monotonic()
    try:
        scenario(*arguments)
        problem = None
    except Exception:
        problem = traceback.format_exc()
    print(json.dumps([name, problem, round(time.monotonic() - began, 2)]), flush=True)


if __name__ == "__main__":
    main()
