"""Deadlines, growth, output, seeds: each check finds what it is for."""

from __future__ import annotations

import io
import mmap
import os
import subprocess
import sys
import threading
import time

import pytest

from kombu.testing.checks import no_growth, prints_nothing, returns_within
from kombu.testing.fixtures import run
from kombu.testing.kit import wait_until
from kombu.testing.runs import Run, patient

__all__ = ("run",)


def test_what_returns_in_time_is_returned_and_what_it_raises_is_raised() -> None:
    assert returns_within(1, lambda: 7) == 7
    with pytest.raises(KeyError):
        returns_within(1, lambda: {}["missing"])


def test_what_is_late_is_found() -> None:
    with pytest.raises(AssertionError, match=r"I4: .* within 0 s \(and 0.05 s\), and returned aft"):
        returns_within(0, lambda: time.sleep(0.2), late=0.05)

    def fail_late() -> None:
        time.sleep(0.2)
        raise OSError("late")

    with pytest.raises(AssertionError, match=r"raised OSError\('late'\) after"):
        returns_within(0, fail_late, late=0.05)


def test_what_hangs_is_found_with_the_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kombu.testing.checks._HANGING", 0.1)
    release = threading.Event()

    def hang_here() -> None:
        release.wait(30)

    with pytest.raises(AssertionError, match=r"(?s)I4: .*hangs after 0.\d s, here:.*in hang_here"):
        returns_within(0, hang_here, late=0.1)
    release.set()


def test_what_is_closed_again_is_no_growth() -> None:
    with no_growth(memory=100_000_000):
        read, write = os.pipe()
        thread = threading.Thread(target=time.sleep, args=(0.1,))
        thread.start()
        os.close(read)
        os.close(write)


def test_open_descriptors_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kombu.testing.checks._SETTLING", 0.1)
    read, write = -1, -1
    with (
        pytest.raises(AssertionError, match=r"I6: 2 more descriptors \(1 allowed\): .*pipe:"),
        no_growth(descriptors=1),
    ):
        read, write = os.pipe()
    with no_growth(descriptors=0):
        os.close(read)
        os.close(write)


def test_running_threads_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kombu.testing.checks._SETTLING", 0.1)
    release = threading.Event()
    thread = threading.Thread(target=release.wait, name="left behind")
    with (
        pytest.raises(AssertionError, match=r"I6: 1 more threads \(0 allowed\): left behind"),
        no_growth(),
    ):
        thread.start()
    release.set()
    thread.join()


def test_memory_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kombu.testing.checks._SETTLING", 0.1)
    # Pages of its own: the heap may hand out again what is resident already, and its collections
    # may give back in the meantime what tests before this one left there.
    with (
        mmap.mmap(-1, 256 << 20) as kept,
        pytest.raises(AssertionError, match=r"I6: \d+ more bytes of memory \(1000000 allowed\)"),
        no_growth(memory=1_000_000),
    ):
        for page in range(0, len(kept), mmap.PAGESIZE):
            kept[page] = 1


@pytest.mark.parametrize(
    "write",
    [
        lambda: print("seen"),
        lambda: print("seen", file=sys.stderr),
        lambda: os.write(1, b"seen"),
        lambda: os.write(2, b"seen"),
        lambda: subprocess.run(["echo", "seen"], check=True),
    ],
)
def test_what_is_printed_is_found(write: object) -> None:
    with pytest.raises(AssertionError, match="I10: this was printed:\nseen"), prints_nothing():
        write()  # type: ignore[operator]


def test_after_the_block_printing_goes_where_it_went(capfd: pytest.CaptureFixture[str]) -> None:
    with prints_nothing():
        pass
    print("out")
    os.write(2, b"err")
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("out\n", "err")


def test_a_run_prints_its_seed_and_can_be_had_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KOMBU_TEST_SEED", raising=False)
    monkeypatch.delenv("KOMBU_TEST_SCALE", raising=False)
    out = io.StringIO()
    first = Run("kills", out=out)
    assert out.getvalue() == f"kills: seed {first.seed}, scale ci (again: {_again(first)})\n"
    monkeypatch.setenv("KOMBU_TEST_SEED", str(first.seed))
    second = Run("kills", out=out)
    assert second.seed == first.seed
    assert second.random.random() == first.random.random()
    assert second.derive("a").random() == first.derive("a").random()
    assert second.derive("a").random() != second.derive("b").random()
    monkeypatch.delenv("KOMBU_TEST_SEED")
    assert Run("kills", out=out).seed != first.seed


def _again(run: Run) -> str:
    return f"KOMBU_TEST_SEED={run.seed}"


def test_a_run_takes_a_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KOMBU_TEST_SCALE", "full")
    assert Run("kills").count(ci=20, full=1000) == 1000
    assert Run("kills", scale="ci").count(ci=20, full=1000) == 20


@pytest.mark.parametrize(("name", "value"), [("SEED", "x"), ("SCALE", "huge")])
def test_a_wrong_seed_or_scale_is_refused(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"KOMBU_TEST_{name}", value)
    with pytest.raises(ValueError, match=f"KOMBU_TEST_{name}: wanted .*, found '{value}'"):
        Run("kills")


def test_a_busy_machine_is_given_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KOMBU_TEST_PATIENCE", raising=False)
    assert patient(0.5) == 0.5
    monkeypatch.setenv("KOMBU_TEST_PATIENCE", "3")
    assert patient(0.5) == 1.5
    begun = time.monotonic()
    with pytest.raises(AssertionError, match=r"did not happen within 0\.1 s: a miracle"):
        wait_until(lambda: False, "a miracle", 0.1)
    assert time.monotonic() - begun >= 0.3


@pytest.mark.parametrize("found", ["much", "0.5", "nan"])
def test_a_wrong_patience_is_refused(monkeypatch: pytest.MonkeyPatch, found: str) -> None:
    monkeypatch.setenv("KOMBU_TEST_PATIENCE", found)
    with pytest.raises(ValueError, match=f"wanted a number from 1 on, found '{found}'"):
        patient(1)


def test_a_test_can_be_a_run(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert "::test_a_test_can_be_a_run" in run.name


@pytest.mark.parametrize("module", ["kombu", "kombu.transport.virtual"])
def test_importing_kombu_imports_nothing_of_this(module: str) -> None:
    code = (
        f"import sys; import {module}; print([n for n in sys.modules if 'kombu.testing' in n "
        "or n in ('pytest', 'mirakuru', 'trustme')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_ledger_in_a_child_needs_no_test_tools() -> None:
    code = (
        "import sys; import kombu.testing.ledger, kombu.testing.faults.backends; "
        "print([n for n in ('pytest', 'mirakuru', 'trustme') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
