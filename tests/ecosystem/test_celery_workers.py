"""A worker of Celery in a process of its own, as people run it, on brokers that they have."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from workers import worker

from kombu.testing.fixtures import server_fixture
from kombu.testing.servers import RabbitMQ, Redis

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import RunProgram

redis = server_fixture(Redis, scope="module")
rabbitmq = server_fixture(RabbitMQ, scope="module")

TASKS = 200


@pytest.mark.parametrize(
    ("broker", "options", "pool"),
    [
        ("redis", {"asynchronous": False}, "prefork"),
        ("redis", {"asynchronous": True}, "prefork"),
        ("redis", {"asynchronous": True}, "solo"),
        ("rabbitmq", {}, "prefork"),
        ("rabbitmq", {}, "solo"),
        ("rabbitmq", {}, "threads"),
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
    assert (said["process"] == process.pid) is (pool != "prefork")
    assert said.get("chord", 90) == 90
    assert said["left"] == 0
    assert process.returncode == 0, written
    for word in ("Traceback", "Connection to broker lost", "CRITICAL"):
        assert word not in written.replace("OSError('try", ""), written
