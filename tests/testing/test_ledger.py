"""A ledger finds what was planted, and nothing else."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest

from kombu.testing.faults import forked
from kombu.testing.ledger import ALL, Ledger, Recorder, message_id
from kombu.testing.ledger.records import read
from kombu.testing.runs import Run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger")


def ids(count: int) -> list[str]:
    return [message_id("p", number) for number in range(count)]


def good_run(r: Recorder, count: int = 5) -> None:
    for each in ids(count):
        r.sent(each, "q")
        r.accepted(each, "q")
    for each in ids(count)[:3]:
        r.delivered(each, "q", count=0, redelivered=False, owner="a")
        r.acking(each, owner="a")
        r.acked(each, owner="a")
    r.delivered(ids(count)[3], "q", count=0, redelivered=False, owner="a")
    r.released(ids(count)[3], owner="a")
    r.delivered(ids(count)[3], "q", count=1, redelivered=True, owner="b")
    r.acking(ids(count)[3], owner="b")
    r.dead(ids(count)[3], "graves")
    r.remaining(ids(count)[4], "q")


def test_a_good_run_is_found_good(ledger: Ledger) -> None:
    good_run(ledger.recorder())
    report = ledger.check()
    report.raise_if_broken()
    assert report.counts["accepted"] == 5
    assert report.counts["delivered"] == 4
    assert str(report).endswith("I1, I2, I3, I7, I8 hold")


def never_delivered(r: Recorder) -> None:
    r.accepted("p:1")


def delivered_and_gone(r: Recorder) -> None:
    r.accepted("p:1")
    r.delivered("p:1", owner="a")


def invented(r: Recorder) -> None:
    r.sent("p:0")
    r.delivered("p:1", owner="a")
    r.acking("p:1", owner="a")


def again_after_ack(r: Recorder) -> None:
    r.delivered("p:1", owner="a")
    r.acking("p:1", owner="a")
    r.acked("p:1", owner="a")
    r.delivered("p:1", owner="b")


def two_owners(r: Recorder) -> None:
    r.delivered("p:1", owner="a")
    r.delivered("p:1", owner="b")


def two_times_the_same_owner(r: Recorder) -> None:
    r.delivered("p:1", owner="a")
    r.delivered("p:1", owner="a")


def stolen_from_a_consumer_that_was_well_again(r: Recorder) -> None:
    with r.unwell("a"):
        pass
    r.delivered("p:1", owner="a")
    r.delivered("p:1", owner="b")


def out_of_order(r: Recorder) -> None:
    for number in (1, 3, 2):
        r.delivered(f"p:{number}", "q", owner="a")


def count_too_low(r: Recorder) -> None:
    r.delivered("p:1", count=0, owner="a")
    r.released("p:1", owner="a")
    r.delivered("p:1", count=0, owner="a")


def count_too_high(r: Recorder) -> None:
    r.delivered("p:1", count=1, owner="a")


def release_counted_that_should_not_be(r: Recorder) -> None:
    r.delivered("p:1", count=0, owner="a")
    r.released("p:1", counted=False, owner="a")
    r.delivered("p:1", count=1, owner="a")


def flag_missing(r: Recorder) -> None:
    r.delivered("p:1", redelivered=False, owner="a")
    r.released("p:1", owner="a")
    r.delivered("p:1", redelivered=False, owner="a")


def flag_for_nothing(r: Recorder) -> None:
    r.delivered("p:1", redelivered=True, owner="a")


def flag_and_count_differ(r: Recorder) -> None:
    with r.unwell("x"):
        pass
    r.delivered("p:1", redelivered=False, count=2, owner="a")


@pytest.mark.parametrize(
    ("plant", "invariant", "words"),
    [
        (never_delivered, "I1", "1 accepted messages were never seen again: p:1"),
        (delivered_and_gone, "I1", "not acknowledged, and are gone: p:1 (delivered to a)"),
        (invented, "I1", "1 messages were delivered that nobody sent: p:1"),
        (again_after_ack, "I2", "after their acknowledgement was confirmed: p:1 (by a, to b"),
        (two_owners, "I3", "while a healthy consumer held them: p:1 (a held it for"),
        (two_times_the_same_owner, "I3", "when a got it)"),
        (stolen_from_a_consumer_that_was_well_again, "I3", "when b got it)"),
        (out_of_order, "I7", "out of order: p:2 (to a after p:3)"),
        (count_too_low, "I8", "p:1 (the count was 0, of 1 earlier deliveries)"),
        (count_too_high, "I8", "p:1 (the count was 1, of 0 earlier deliveries)"),
        (release_counted_that_should_not_be, "I8", "the count was 1, of 0 earlier"),
        (flag_missing, "I8", "p:1 (redelivered was False after 1 deliveries)"),
        (flag_for_nothing, "I8", "p:1 (redelivered was True after 0 deliveries)"),
        (flag_and_count_differ, "I8", "p:1 (redelivered was False with a count 2)"),
    ],
)
def test_what_is_planted_is_found_and_nothing_else(
    ledger: Ledger, plant: Callable[[Recorder], None], invariant: str, words: str
) -> None:
    recorder = ledger.recorder()
    plant(recorder)
    for each in ("p:1", "p:2", "p:3"):
        if invariant != "I1":
            recorder.remaining(each)
    report = ledger.check()
    assert [finding.invariant for finding in report.findings] == [invariant]
    with pytest.raises(AssertionError) as caught:
        report.raise_if_broken()
    assert f"{invariant}: " in str(caught.value)
    assert words in str(caught.value)
    others = set(ALL) - {invariant}
    assert not ledger.check(others).findings


def killed_while_holding(r: Recorder) -> None:
    r.delivered("p:1", owner="a")
    with r.unwell("a"):
        r.delivered("p:1", owner="b", count=1)


def killed_before_it_wrote_the_delivery_down(r: Recorder) -> None:
    with r.unwell("a"):
        pass
    r.delivered("p:1", owner="b", count=1, redelivered=True)


def frozen_beyond_its_lease(r: Recorder) -> None:
    with r.unwell("a", grace=10):
        pass
    r.delivered("p:1", owner="b")
    r.acking("p:1", owner="b")
    r.delivered("p:1", owner="a")
    r.delivered("p:1", owner="b")


def told_that_the_claim_was_lost(r: Recorder) -> None:
    r.delivered("p:1", owner="a")
    r.lost("p:1", owner="a")
    r.delivered("p:1", owner="b")


def claimed_before_the_acknowledgement(r: Recorder) -> None:
    r.delivered("p:1", owner="a")
    r.released("p:1", owner="a")
    before = time.monotonic()
    r.acked("p:1", owner="c")
    r.delivered("p:1", owner="b", since=before)


def redelivered_later_than_its_successor(r: Recorder) -> None:
    r.delivered("p:1", "q", owner="a")
    r.released("p:1", owner="a")
    r.delivered("p:2", "q", owner="a")
    r.delivered("p:1", "q", owner="a", redelivered=True)


def other_queues_producers_and_consumers_have_orders_of_their_own(r: Recorder) -> None:
    r.delivered("p:2", "q", owner="a")
    r.delivered("p:1", "r", owner="a")
    r.delivered("o:1", "q", owner="a")
    r.delivered("p:0", "q", owner="b")


def an_id_without_a_number(r: Recorder) -> None:
    r.delivered("b", owner="a")
    r.delivered("a", owner="a")


@pytest.mark.parametrize(
    "plant",
    [
        killed_while_holding,
        killed_before_it_wrote_the_delivery_down,
        frozen_beyond_its_lease,
        told_that_the_claim_was_lost,
        claimed_before_the_acknowledgement,
        redelivered_later_than_its_successor,
        other_queues_producers_and_consumers_have_orders_of_their_own,
        an_id_without_a_number,
    ],
)
def test_what_is_allowed_is_not_found(ledger: Ledger, plant: Callable[[Recorder], None]) -> None:
    plant(ledger.recorder())
    ledger.check().raise_if_broken()


def test_a_long_list_is_cut(ledger: Ledger) -> None:
    recorder = ledger.recorder()
    for each in ids(100):
        recorder.accepted(each)
    text = str(ledger.check())
    assert "100 accepted messages were never seen again: p:0, p:1, " in text
    assert "p:19 and 80 more" in text
    assert len(ledger.check().findings[0].ids) == 100


def test_the_report_has_the_seed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger = Ledger(tmp_path, Run("kills", seed=42))
    ledger.recorder().accepted("p:1")
    assert "kills: seed 42, scale ci (again: KOMBU_TEST_SEED=42)" in str(ledger.check())


def test_an_unknown_invariant_is_refused(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match="a ledger checks I1, I2, I3, I7, I8, not I5"):
        ledger.check(["I1", "I5"])


def test_processes_and_threads_write_into_one_ledger(ledger: Ledger) -> None:
    recorder = ledger.recorder()

    def work(name: str) -> int:
        for number in range(200):
            recorder.accepted(message_id(name, number))
            recorder.dead(message_id(name, number))
        return os.getpid()

    threads = [threading.Thread(target=work, args=(f"t{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    children = {forked(lambda name=name: work(name)) for name in ("c1", "c2")}
    for thread in threads:
        thread.join()
    report = ledger.check()
    report.raise_if_broken()
    assert report.counts["accepted"] == report.counts["dead"] == 1200
    written = {int(file.name.partition("-")[0]) for file in ledger.folder.iterdir()}
    assert written == {os.getpid(), *children}


def test_what_a_killed_process_wrote_is_there(ledger: Ledger) -> None:
    def write_and_die() -> None:
        recorder = ledger.recorder()
        for each in ids(500):
            recorder.accepted(each)
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(RuntimeError, match="exit code -9"):
        forked(write_and_die)
    assert ledger.check().counts == {"accepted": 500}


def test_a_line_that_was_being_written_is_passed_over(ledger: Ledger) -> None:
    ledger.recorder().accepted("p:1")
    (file,) = ledger.folder.iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole + whole[:20])
    assert [record.id for record in read(ledger.folder)] == ["p:1"]


def test_lines_can_be_flushed_to_the_disk(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed = []
    monkeypatch.setattr(os, "fsync", flushed.append)
    Recorder(ledger.folder, sync=True).accepted("p:1")
    Recorder(ledger.folder).accepted("p:2")
    assert len(flushed) == 1


def test_what_a_frozen_consumer_had_claimed_before_is_not_held_against_anybody(
    ledger: Ledger,
) -> None:
    r = ledger.recorder()
    r.accepted("p:1", "q")
    with r.unwell("frozen", grace=5):
        r.delivered("p:1", "q", redelivered=True, owner="b")
        r.acked("p:1", owner="b")
    r.delivered("p:1", "q", redelivered=False, owner="frozen")
    ledger.check().raise_if_broken()
    r.delivered("p:1", "q", redelivered=False, owner="well")
    assert {finding.invariant for finding in ledger.check().findings} == {"I2", "I8"}
