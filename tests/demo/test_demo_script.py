"""scripts/demo, run as a subprocess."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from script_runner import DEMO, rows, run

from kombu.testing.fixtures import need
from kombu.testing.ports import Port
from kombu.testing.servers import RabbitMQ, Redis

if TYPE_CHECKING:
    from pathlib import Path

    from kombu.testing.servers import Server


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A folder of which everything is known."""
    folder = tmp_path / "tiny"
    files = {
        "alone.py": "import os\nimport sys\n\nprint(os, sys)",
        "pack/__init__.py": "",
        "pack/inner/deep.py": "from os import path\n" * 3,
        "pack/large.py": "word " * 40_000 + "\n",
        "pack/notes.txt": "not counted\n",
        "pack/__pycache__/left.py": "not counted\n",
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_a_folder_is_counted_and_the_totals_are_those_of_the_files(tiny: Path) -> None:
    done = run([DEMO, tiny])
    assert done.returncode == 0, done.stderr
    assert rows(done.stdout) == {
        "pack": (3, 4, 40_012, 3),
        "alone": (1, 4, 6, 2),
        "packages: 2": (4, 8, 40_018, 5),
    }
    assert "All 4 counts are those of a direct count." in done.stdout
    assert re.search(r"8 messages in \d+\.\d\d s: [\d,]+ messages a second", done.stdout)


@pytest.mark.parametrize("server", [RabbitMQ, Redis])
def test_the_same_is_counted_by_way_of_a_server(tiny: Path, server: type[Server]) -> None:
    need(server)
    with server() as running:
        done = run([DEMO, "--url", running.url, tiny])
        assert done.returncode == 0, done.stderr
        assert rows(done.stdout)["packages: 2"] == (4, 8, 40_018, 5)
        assert "All 4 counts are those of a direct count." in done.stdout


def test_a_server_that_is_not_there_is_told_in_a_sentence(tiny: Path) -> None:
    port = Port()
    try:
        done = run([DEMO, "--url", f"amqp://127.0.0.1:{port.number}//", tiny])
    finally:
        port.close()
    assert done.returncode == 1
    assert f"127.0.0.1:{port.number}" in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr


def test_the_standard_library_is_the_default(tmp_path: Path) -> None:
    done = run([DEMO], env={"PYTHONDONTWRITEBYTECODE": "1"})
    assert done.returncode == 0, done.stderr
    table = rows(done.stdout)
    assert table["asyncio"][0] > 20
    total = next(numbers for name, numbers in table.items() if name.startswith("packages: "))
    assert total[0] > 500
    assert [sum(column) for column in zip(*table.values(), strict=True)] == [2 * n for n in total]


def test_what_no_terminal_shows_has_no_control_characters(tiny: Path) -> None:
    done = run([DEMO, tiny])
    assert "\x1b" not in done.stdout
    assert done.stderr == ""


def test_a_terminal_shows_progress(tiny: Path) -> None:
    ours, theirs = pty.openpty()
    environ = os.environ | {"TERM": "xterm", "COLUMNS": "100"}
    environ.pop("NO_COLOR", None)
    process = subprocess.Popen([str(DEMO), str(tiny)], stdout=theirs, stderr=theirs, env=environ)
    os.close(theirs)
    try:
        shown = read_terminal(process, ours)
    finally:
        os.close(ours)
    assert process.returncode == 0
    assert b"counting" in shown
    assert b"4/4" in shown


def read_terminal(process: subprocess.Popen[bytes], descriptor: int) -> bytes:
    """All that a process writes to a terminal until it ends."""
    shown = b""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        ended = process.poll() is not None
        if select.select([descriptor], [], [], 0.1)[0]:
            try:
                shown += os.read(descriptor, 65536)
            except OSError:
                # Linux says so where the other end of a terminal is closed.
                break
        elif ended:
            break
    process.wait(timeout=10)
    return shown


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_ends_with_the_code_of_the_signal(
    tmp_path: Path, number: signal.Signals
) -> None:
    # One file under many names, which takes far longer to count than to lay out.
    large = tmp_path / "module.py"
    large.write_text("import os\n" + "word " * 60_000)
    for n in range(2999):
        (tmp_path / f"module{n}.py").symlink_to(large)
    process = subprocess.Popen(
        [str(DEMO), str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    # Written when the connection is open and the counting begins.
    assert process.stdout.readline().startswith("3,000 files")
    time.sleep(0.5)
    assert process.poll() is None
    process.send_signal(number)
    began = time.monotonic()
    output, errors = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert time.monotonic() - began < 5
    assert errors == "Interrupted: the threads have ended and the queues are deleted.\n"
    assert "Counted" not in output


def test_what_can_not_work_is_told_in_a_sentence_and_with_exit_code_2() -> None:
    done = run([DEMO, "--url", "nosuch://"])
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("No installed plugin provides the transport 'nosuch'.")


def test_the_script_works_from_any_folder(tiny: Path, tmp_path: Path) -> None:
    link = tmp_path / "elsewhere"
    link.mkdir()
    done = subprocess.run(
        [str(DEMO), "../tiny"], cwd=link, capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 0, done.stderr


def test_what_other_projects_set_does_not_get_in_the_way(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "kombu.py").write_text("raise SystemExit('the wrong kombu')")
    env = {"PYTHONPATH": str(tmp_path), "VIRTUAL_ENV": str(tmp_path), "PYTHON": sys.executable}
    done = run([DEMO, tiny], env=env)
    assert done.returncode == 0, done.stderr
