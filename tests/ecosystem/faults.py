"""Gives tasks to workers on a broker and looks after them: ``python faults.py STEP FOLDER``.

Each step prints a line of JSON.  Tasks write to files in FOLDER.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

from celery.exceptions import TaskRevokedError
from shop import app, work_off

PATIENCE = 60


def until(condition, what):
    """Wait for a condition; its value."""
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not happen within {PATIENCE} s")
        time.sleep(0.05)
    return found


def answered():
    """Wait for a worker."""
    return until(lambda: app.control.ping(["w@here"], timeout=2), "an answer of a worker")


def give(folder, prefix, count, seconds, **options):
    path = str(folder / "done")
    return [
        work_off.apply_async((path, f"{prefix}-{number}", seconds), **options)
        for number in range(count)
    ]


def times(folder, what, prefix):
    """When tasks began or ended, by their key; in the order of the file."""
    found = {}
    path = folder / "done"
    for line in path.read_text().splitlines() if path.exists() else ():
        did, key, at = line.split()
        if did == what and key.startswith(prefix):
            found.setdefault(key, []).append(float(at))
    return found


def later(folder):
    """Tasks that wait for their time run then, each once."""
    answered()
    began = time.time()
    at = datetime.now(timezone.utc) + timedelta(seconds=2)
    results = give(folder, "countdown", 1, 0, countdown=1.5) + give(folder, "eta", 1, 0, eta=at)
    for result in results:
        result.get(timeout=PATIENCE)
    runs = {**times(folder, "end", "countdown"), **times(folder, "end", "eta")}
    return {key: [moment - began for moment in moments] for key, moments in runs.items()}


def controlled(folder):
    """What a worker says when it is asked, and that what is revoked is not run."""
    said = {"ping": answered()}
    inspect = app.control.inspect(["w@here"], timeout=3)
    (active,) = give(folder, "active", 1, 3)
    (revoked,) = give(folder, "revoked", 1, 0, countdown=6)
    until(lambda: times(folder, "begin", "active"), "the begin of a task")
    said["active"] = [task["id"] == active.id for task in inspect.active()["w@here"]]
    scheduled = until(lambda: inspect.scheduled()["w@here"], "a task in the schedule")
    said["scheduled"] = [task["request"]["id"] == revoked.id for task in scheduled]
    stats = inspect.stats()["w@here"]["broker"]
    said["transport"] = stats["transport"]
    said["queues"] = [queue["name"] for queue in inspect.active_queues()["w@here"]]
    app.control.revoke(revoked.id)
    try:
        revoked.get(timeout=PATIENCE)
    except TaskRevokedError:
        said["revoked"] = True
    (killed,) = give(folder, "killed", 1, 30)
    until(lambda: times(folder, "begin", "killed"), "the begin of a long task")
    if "prefork" in inspect.stats()["w@here"]["pool"]["implementation"]:
        app.control.revoke(killed.id, terminate=True, signal="SIGKILL")
        try:
            killed.get(timeout=PATIENCE)
        except TaskRevokedError:
            said["terminated"] = True
    said["ended"] = sorted(times(folder, "end", ""))
    return said


def begin(folder):
    """Give tasks and wait until some of them are done."""
    answered()
    results = give(folder, "lot", 40, 0.1)
    until(lambda: len(times(folder, "end", "lot")) >= 4, "the end of the first tasks")
    return [result.id for result in results]


def end(folder):
    """Wait until all those are done, and a further one that is given now has answered."""
    until(lambda: len(times(folder, "end", "lot")) == 40, "the end of all tasks")
    (result,) = give(folder, "after", 1, 0)
    answer = result.get(timeout=PATIENCE)
    runs = times(folder, "end", "lot")
    twice = sum(len(moments) > 1 for moments in runs.values())
    return {"done": len(runs), "twice": twice, "after": answer, "ping": answered()}


if __name__ == "__main__":
    step, where = sys.argv[1:]
    steps = {"later": later, "controlled": controlled, "begin": begin, "end": end}
    print(json.dumps(steps[step](Path(where))))
