"""Celery's workers on RabbitMQ: time, commands, and what becomes of work when something dies."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from workers import kill_all, worker

from kombu.testing.fixtures import server_fixture
from kombu.testing.servers import RabbitMQ

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import RunProgram

rabbitmq = server_fixture(RabbitMQ, scope="module")

POOLS = pytest.mark.parametrize("pool", ["prefork", "threads"])

#: How many tasks a worker may hold that it has not acknowledged: two processes, four for each.
HELD = 8


class Shop:
    """The application on a broker: its worker and those who give it tasks."""

    def __init__(self, url: str, python: Path, run: RunProgram, folder: Path) -> None:
        self.folder, self.log = folder, folder / "worker.log"
        self._python, self._run = python, run
        self._variables = {"SHOP_BROKER": url, "SHOP_BACKEND": "rpc://"}

    def worker(self, pool: str) -> Any:
        """Start a worker."""
        return worker(self._python, pool, self.log, self._variables)

    def do(self, step: str) -> Any:
        """Run a step of ``faults.py``; what it says."""
        try:
            said = self._run("faults.py", step, str(self.folder), seconds=110, **self._variables)
        except AssertionError as error:
            log = self.log.read_text() if self.log.exists() else ""
            raise AssertionError(f"{error}\nthe worker wrote:\n{log[-6000:]}") from None
        return json.loads(said)


@pytest.fixture
def shop(rabbitmq: RabbitMQ, celery_python: Path, run_celery: RunProgram, tmp_path: Path) -> Shop:
    # A virtual host of its own, where nothing is left of other tests.
    name = tmp_path.name
    rabbitmq.control("add_vhost", name)
    rabbitmq.control("set_permissions", "-p", name, "guest", ".*", ".*", ".*")
    return Shop(f"{rabbitmq.url.rstrip('/')}/{name}", celery_python, run_celery, tmp_path)


@POOLS
def test_tasks_wait_for_their_time(shop: Shop, pool: str) -> None:
    with shop.worker(pool):
        said = shop.do("later")
    (countdown,), (eta,) = said["countdown-0"], said["eta-0"]
    assert 1.4 < countdown < 10
    assert 1.9 < eta < 10


@POOLS
def test_a_worker_obeys_commands(shop: Shop, pool: str) -> None:
    with shop.worker(pool) as process:
        said = shop.do("controlled")
        if pool == "threads":
            # A thread can't be killed.
            kill_all(process)
    assert said["ping"] == [{"w@here": {"ok": "pong"}}]
    assert said["active"] == [True]
    assert said["scheduled"] == [True]
    assert said["transport"] == "amqp"
    assert said["queues"] == ["shop"]
    assert said["revoked"]
    assert said.get("terminated", False) is (pool == "prefork")
    assert said["ended"] == ["active-0"]


@POOLS
def test_what_a_killed_worker_had_not_ended_is_done_by_another(shop: Shop, pool: str) -> None:
    with shop.worker(pool) as process:
        shop.do("begin")
        kill_all(process)
    with shop.worker(pool) as process:
        said = shop.do("end")
    assert said["done"] == 40
    assert said["twice"] <= HELD
    assert said["after"] == "after-0"
    assert process.returncode == 0, shop.log.read_text()


@pytest.mark.parametrize(("pool", "how"), [("prefork", "kill9"), ("threads", "restart")])
def test_work_goes_on_after_the_broker_was_away(
    shop: Shop, rabbitmq: RabbitMQ, pool: str, how: str
) -> None:
    with shop.worker(pool) as process:
        shop.do("begin")
        if how == "kill9":
            rabbitmq.kill9()
            rabbitmq.start()
        else:
            rabbitmq.restart()
        said = shop.do("end")
    assert said["done"] == 40
    # A broker that is killed forgets the acknowledgements that it has not written yet.
    assert said["twice"] <= (HELD if how == "restart" else 40)
    assert said["after"] == "after-0"
    assert said["ping"] == [{"w@here": {"ok": "pong"}}]
    written = shop.log.read_text()
    assert process.returncode == 0, written
    # What was held when the connection was lost can't be acknowledged, and comes again.
    critical = [line for line in written.splitlines() if "CRITICAL" in line]
    assert all("Couldn't ack" in line for line in critical), written
