"""The command line of the demo, without the script around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from demo.__main__ import main
from demo.counting import Counts

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--url", "qpid://"], "A plugin for 'qpid' is not written yet"),
        (["--url", "memory://localhost:port"], "Invalid value for --url"),
        (["--workers", "0"], "Invalid value for '--workers'"),
        (["/nowhere"], "does not exist"),
    ],
)
def test_what_is_wrong_with_the_arguments_is_told(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""


def test_a_folder_without_sources_is_told(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, [str(tmp_path)])
    assert result.exit_code == 2
    assert result.stderr == f"There is no .py file in {tmp_path}.\n"


def test_a_count_that_differs_from_a_direct_one_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "one.py").write_text("one\n")
    monkeypatch.setattr("demo.worker.count_source", lambda source: Counts(7, 7, 7))
    result = CliRunner().invoke(main, [str(tmp_path)])
    assert result.exit_code == 1
    assert "1 files differ from a direct count" in result.stderr
    assert "lines=7" in result.stderr
    assert "lines=1" in result.stderr


def test_a_worker_that_fails_ends_the_demo_with_its_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(source: bytes) -> Counts:
        raise OSError(f"cannot count {len(source)} bytes")

    (tmp_path / "one.py").write_text("one\n")
    monkeypatch.setattr("demo.worker.count_source", fail)
    result = CliRunner().invoke(main, [str(tmp_path)])
    assert result.exit_code == 1
    assert result.stderr == "OSError: cannot count 4 bytes\n"
