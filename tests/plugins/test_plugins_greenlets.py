"""Under the patches of gevent and eventlet, in an environment of their own.

Celery runs no event loop there; whoever does all the same gets messages, too, by a greenlet in the
place of the thread that fetches.  At full scale every transport is tried.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from full_scale import FULL
from kombu.testing.fixtures import server_fixture
from kombu.testing.servers import SQS, Etcd, MongoDB, RabbitMQ, Redis, ZooKeeper

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
PLUGINS = ("memory", "amqp", "redis", "sqs", "mongodb", "zookeeper", "etcd", "filesystem")

#: Those with waits of their own; at full scale all that work under both.
BROKERS = ["memory", "redis"]
if FULL:
    BROKERS += ["filesystem", "rabbitmq", "etcd", "mongodb", "sqs", "zookeeper"]

#: A greenlet that wants a turn every 10 ms waits for it no longer than this (seconds).
STANDSTILL = 0.4

redis = server_fixture(Redis, scope="module")
rabbitmq = server_fixture(RabbitMQ, scope="module")
etcd = server_fixture(Etcd, scope="module")
mongodb = server_fixture(MongoDB, scope="module")
sqs = server_fixture(SQS, scope="module")
zookeeper = server_fixture(ZooKeeper, scope="module")


@pytest.fixture(scope="session")
def interpreter() -> Path:
    """Python with gevent, eventlet, this core and its plugins; made once, kept in ``.venvs``."""
    folder = ROOT / ".venvs" / "greenlets"
    python = folder / "bin" / "python"
    made = folder / "made"
    if made.exists():
        return python
    ours = [f"--editable={ROOT / 'core'}"]
    ours += [f"--editable={ROOT / 'plugins' / name}" for name in PLUGINS]
    try:
        uv = shutil.which("uv")
        if uv is None:
            raise FileNotFoundError("uv is not installed")
        for arguments in (
            ("venv", "--clear", "--python", sys.executable, str(folder)),
            ("pip", "install", "--python", str(python), "gevent", "eventlet", *ours),
        ):
            subprocess.run(
                [uv, "--quiet", *arguments], check=True, capture_output=True, text=True, timeout=110
            )
    except (OSError, subprocess.SubprocessError) as exc:
        said = f"no environment with gevent: {getattr(exc, 'stderr', None) or exc}"
        if os.environ.get("CI"):
            pytest.fail(said, pytrace=False)
        pytest.skip(said)
    made.touch()
    return python


@pytest.fixture
def run(interpreter: Path, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL"))}

    def run(kind: str, url: str, **options: Any) -> subprocess.CompletedProcess[str]:
        program = Path(__file__).with_name("greenlet_program.py")
        return subprocess.run(
            # What eventlet says of itself is its own affair.
            [str(interpreter), "-W", "ignore", str(program), kind, url, json.dumps(options)],
            capture_output=True,
            text=True,
            timeout=60,
            env=clean,
            cwd=tmp_path,
            check=False,
        )

    return run


@pytest.mark.parametrize("kind", ["gevent", "eventlet"])
@pytest.mark.parametrize("broker", BROKERS)
def test_messages_come_and_nobody_is_held_up(
    request: pytest.FixtureRequest, run: Callable[..., Any], tmp_path: Path, broker: str, kind: str
) -> None:
    if (broker, kind) == ("zookeeper", "eventlet"):
        pytest.skip("refused: see below")
    url, options = f"{broker}://", {}
    if broker == "filesystem":
        options = {
            f"{name}_folder{end}": str(tmp_path / name)
            for name, end in (("data", "_in"), ("data", "_out"), ("control", ""))
        }
    elif broker != "memory":
        url = request.getfixturevalue(broker).url
    done = run(kind, url, **options)
    assert not done.returncode, done.stderr
    told = json.loads(done.stdout)
    assert told["environment"] == kind
    for way in ("drain", "loop"):
        assert told[way]["got"] == list(range(5)), way
        assert told[way]["gap"] < STANDSTILL, way
        assert told[way]["readers"] == 0


def test_zookeeper_refuses_eventlet(run: Callable[..., Any]) -> None:
    done = run("eventlet", "zookeeper://127.0.0.1:9")
    assert done.returncode
    assert "NotImplementedError: The zookeeper transport does not work under" in done.stderr
