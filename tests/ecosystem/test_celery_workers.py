"""A worker of Celery in a process of its own, as people run it, on brokers that they have."""

from __future__ import annotations

import json
import signal
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import environments
import pytest

from kombu.testing.fixtures import server_fixture
from kombu.testing.servers import RabbitMQ, Redis

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import RunProgram

HERE = Path(__file__).parent

redis = server_fixture(Redis, scope="module")
rabbitmq = server_fixture(RabbitMQ, scope="module")

TASKS = 200


@contextmanager
def worker(python: Path, pool: str, log: Path, variables: dict[str, str]) -> Iterator[Any]:
    """A worker, told to end at the end, by SIGTERM, which lets it finish what it has."""
    command = (python, "-m", "celery", "-A", "shop", "worker", "--pool", pool, "-c", "2")
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, "--loglevel", "info", "-n", "w@here"],
            cwd=HERE,
            env={**environments.clean_environ(), **variables},
            stdout=output,
            stderr=subprocess.STDOUT,
            # Its children are to go with it.
            start_new_session=True,
        )
        try:
            yield process
            process.send_signal(signal.SIGTERM)
            process.wait(30)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


@pytest.mark.parametrize(
    ("broker", "options", "pool"),
    [
        ("redis", {"asynchronous": False}, "prefork"),
        ("redis", {"asynchronous": True}, "prefork"),
        ("redis", {"asynchronous": True}, "solo"),
        ("rabbitmq", {}, "prefork"),
        ("rabbitmq", {}, "solo"),
    ],
    ids=str,
)
def test_a_worker_does_all_its_tasks_and_ends_when_told(
    request: pytest.FixtureRequest,
    celery_python: Path,
    run_celery: RunProgram,
    tmp_path: Path,
    broker: str,
    options: dict[str, Any],
    pool: str,
) -> None:
    url = request.getfixturevalue(broker).url
    variables = {
        "SHOP_BROKER": url,
        "SHOP_BACKEND": url if broker == "redis" else "rpc://",
        "SHOP_OPTIONS": json.dumps(options),
    }
    log = tmp_path / "worker.log"
    with worker(celery_python, pool, log, variables) as process:
        said = json.loads(run_celery("submit.py", str(TASKS), seconds=90, **variables))
    written = log.read_text()
    assert said["pings"] == [{"w@here": {"ok": "pong"}}]
    assert said["answers"], written
    assert said["retried"] == 3
    assert (said["process"] == process.pid) is (pool == "solo")
    assert said.get("chord", 90) == 90
    assert said["left"] == 0
    assert process.returncode == 0, written
    for word in ("Traceback", "Connection to broker lost", "CRITICAL"):
        assert word not in written.replace("OSError('try", ""), written
