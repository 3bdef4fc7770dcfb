"""Folders, names and options of the filesystem transport."""

from __future__ import annotations

import errno
import json
import os
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

import kombu_filesystem.bells
import kombu_filesystem.folder
from kombu import Connection, Queue
from kombu.exceptions import ChannelError
from kombu.testing.kit import Inbox, wait_until
from kombu.transport.options import UnknownOptionWarning
from kombu_filesystem.names import LAST, Name, claim_name, parse, parse_claim, queue_of, to_file
from kombu_filesystem.transport import Transport

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "name",
    ["plain", "a.b", "sp ace", "größe 队列", "a/b", "..", ".", "a\\b", "%2F", "x\n\0y", "", "~"],
)
def test_names_become_one_part_of_a_path_and_come_back(name: str) -> None:
    mapped = to_file(name)
    assert not set("/\\\0\n") & set(mapped)
    assert queue_of(mapped) == name
    assert len(to_file(name * 20 if len(name.encode()) * 20 < 255 else name).encode()) <= 255


def test_different_names_are_different_files() -> None:
    long = "q" * 250
    names = ["a/b", "a%2Fb", "a%252Fb", long, long[:-1] + "r", long[:140], long[:141]]
    assert len({to_file(name) for name in names}) == len(names)
    assert all(len(to_file(name).encode()) <= 140 for name in names)


@pytest.mark.parametrize(("name", "told"), [("q" * 256, "256 bytes"), ("\ud800", "Unicode")])
def test_names_that_amqp_does_not_allow_are_refused(tmp_path: Path, name: str, told: str) -> None:
    with (
        Connection(f"filesystem://{tmp_path}") as connection,
        pytest.raises(ChannelError, match=told),
    ):
        connection.channel().queue_declare(name)


@pytest.mark.parametrize(
    "name",
    [
        Name("q", LAST, 1, 0, None, None, 0, "ab12"),
        Name("q.with.dots", 0, 1 << 60, 12, 1763712000.125, 1763712000, 4096, "0"),
    ],
)
def test_names_of_messages_are_read_back(name: Name) -> None:
    assert parse(str(name)) == name
    assert parse_claim(claim_name(5.5, "expired", str(name))) == (5.5, "expired", str(name))
    assert parse_claim(claim_name(None, None, str(name))) == (None, None, str(name))


@pytest.mark.parametrize("file", ["", "x", ".kombu", "notes.txt", "k.q.msg", "12.q.msg", "a~b"])
def test_other_files_are_no_messages(file: str) -> None:
    assert parse(file) is None
    assert parse_claim(file) is None


def test_files_that_are_no_messages_are_left_alone(tmp_path: Path) -> None:
    with Connection(f"filesystem://{tmp_path}") as connection:
        queue = Queue("q")(connection.channel())
        queue.declare()
        for file in ("notes.txt", "k.q.msg", "README"):
            (tmp_path / "messages" / file).write_text("not ours")
        assert queue.get() is None
        assert queue.queue_declare(passive=True).message_count == 0
        assert (tmp_path / "messages" / "notes.txt").exists()


def test_what_cannot_be_read_is_moved_away_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Connection(f"filesystem://{tmp_path}") as connection:
        queue = Queue("q")(connection.channel())
        queue.declare()
        broken = str(Name("q", LAST, 1, 0, None, None, 0, "ab"))
        (tmp_path / "messages" / broken).write_text("{")
        connection.Producer().publish("good", routing_key="q")
        assert queue.get().payload == "good"
    assert [p.name for p in (tmp_path / "messages" / ".kombu" / "unreadable").iterdir()] == [broken]
    assert "'q'" in caplog.text


def test_a_full_disk_refuses_the_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, content: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with Connection(f"filesystem://{tmp_path}") as connection:
        queue = Queue("q")(connection.channel())
        queue.declare()
        with monkeypatch.context() as patched:
            patched.setattr(kombu_filesystem.folder.os, "write", full)
            with pytest.raises(ChannelError, match="No space left") as caught:
                connection.Producer().publish("m", routing_key="q")
        assert caught.value.reply_code == 506
        assert queue.get() is None
        assert not any((tmp_path / "messages" / ".kombu" / "owners").rglob("new-*"))
        connection.Producer().publish("n", routing_key="q")
        assert queue.get().payload == "n"


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        Connection(f"filesystem://{tmp_path}/file/below") as connection,
        pytest.raises(NotADirectoryError, match=r"can't be made.*file/below"),
    ):
        connection.connect()


def options_in(root: Path, **more: Any) -> dict[str, Any]:
    folders = ("data_folder_in", "data_folder_out", "control_folder", "processed_folder")
    return {**{name: str(root / name) for name in folders}, **more}


def test_two_programs_have_each_others_folders(tmp_path: Path) -> None:
    ours = options_in(tmp_path)
    theirs = {
        **ours,
        "data_folder_in": ours["data_folder_out"],
        "data_folder_out": ours["data_folder_in"],
    }
    with (
        Connection("filesystem://", transport_options=ours) as here,
        Connection("filesystem://", transport_options=theirs) as there,
    ):
        here.SimpleQueue("q").put("to them")
        queue = there.SimpleQueue("q")
        assert queue.get(timeout=2).payload == "to them"
        there.SimpleQueue("q").put("to us")
        message = here.SimpleQueue("q").get(timeout=2)
        assert message.payload == "to us"
        message.requeue()
        assert here.SimpleQueue("q").qsize() == 1
        channel = here.channel()
        assert channel.data_folder_in == ours["data_folder_in"]
        assert channel.data_folder_out == ours["data_folder_out"]
        assert str(channel.control_folder) == ours["control_folder"]
        assert channel.store_processed is False


def test_processed_messages_are_kept(tmp_path: Path) -> None:
    options = options_in(tmp_path, store_processed=True)
    options["data_folder_out"] = options["data_folder_in"]
    with Connection("filesystem://", transport_options=options) as connection:
        queue = connection.SimpleQueue("q")
        queue.put("done")
        queue.put("not done")
        queue.get(timeout=1).ack()
        (kept,) = (tmp_path / "processed_folder").iterdir()
        assert json.loads(kept.read_text())["properties"]["delivery_info"]["routing_key"] == "q"
        assert connection.channel().processed_folder == options["processed_folder"]


def test_without_options_the_folders_are_those_of_5_7(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with Connection("filesystem://") as connection:
        connection.SimpleQueue("q").put("m")
    found = sorted(path.name for path in tmp_path.iterdir())
    assert found == ["control", "data_in", "data_out"]
    assert len([p for p in (tmp_path / "data_out").iterdir() if p.suffix == ".msg"]) == 1


def test_an_unknown_option_is_told(tmp_path: Path) -> None:
    options = {"data_foldr_in": "x"}
    with pytest.warns(UnknownOptionWarning, match="did you mean 'data_folder_in'"):
        Connection(f"filesystem://{tmp_path}", transport_options=options).connect()


def test_the_documented_names_are_there() -> None:
    import kombu.transport.filesystem

    assert kombu.transport.filesystem.Transport is Transport
    assert (Transport.driver_type, Transport.driver_name) == ("filesystem", "filesystem")
    assert Transport.default_port == 0
    assert Transport.Channel.supports_fanout


def test_without_sync_nothing_is_brought_to_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    monkeypatch.setattr(kombu_filesystem.folder.os, "fsync", calls.append)
    with Connection(f"filesystem://{tmp_path}", transport_options={"sync": False}) as connection:
        connection.SimpleQueue("q").put("m")
    assert calls == []
    with Connection(f"filesystem://{tmp_path}") as connection:
        connection.SimpleQueue("q").put("m")
    # The file, and its name.
    assert len(calls) == 2


def test_a_put_of_this_process_is_seen_before_the_next_look(tmp_path: Path) -> None:
    options = {"polling_interval": 30.0}
    with (
        Connection(f"filesystem://{tmp_path}", transport_options=options) as here,
        Connection(f"filesystem://{tmp_path}", transport_options=options) as there,
    ):
        queue = Queue("q")(here.channel())
        queue.declare()
        inbox = Inbox(here, queue)
        inbox.quiet(0.6)
        timer = threading.Timer(0.2, lambda: there.Producer().publish("m", routing_key="q"))
        timer.start()
        began = time.monotonic()
        inbox.wait(1, within=5)
        timer.join()
        assert time.monotonic() - began < 0.7


@pytest.mark.skipif(kombu_filesystem.bells.watchfiles is None, reason="watchfiles is not installed")
def test_the_system_tells_of_other_processes(tmp_path: Path) -> None:
    from kombu_filesystem.bells import Bells

    bells, bell = Bells([tmp_path]), threading.Event()
    bells.add(bell)
    time.sleep(0.3)
    bell.clear()
    began = time.monotonic()
    (tmp_path / "file").write_text("")
    assert bell.wait(3)
    assert time.monotonic() - began < 0.5


def test_a_large_folder_is_not_listed_for_each_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import kombu_filesystem.session as session

    looks: list[float] = []
    look = session.look

    def counted(*args: Any) -> Any:
        looks.append(time.monotonic())
        return look(*args)

    monkeypatch.setattr(session, "look", counted)
    with Connection(f"filesystem://{tmp_path}", transport_options={"sync": False}) as connection:
        queue = Queue("q")(connection.channel())
        queue.declare()
        producer = connection.Producer()
        for number in range(1500):
            producer.publish(number, routing_key="q")
        got = []
        for _ in range(200):
            message = queue.get()
            got.append(message.payload)
            message.ack()
        assert got == list(range(200))
        assert len(looks) < 100


def test_a_delayed_message_is_promoted_by_another_process_in_time(tmp_path: Path) -> None:
    with (
        Connection(f"filesystem://{tmp_path}") as here,
        Connection(f"filesystem://{tmp_path}") as there,
    ):
        queue = Queue("q")(here.channel())
        queue.declare()
        inbox = Inbox(here, queue)
        inbox.quiet(0.1)
        there.Producer().publish("m", routing_key="q", delay=0.3)
        began = time.monotonic()
        inbox.wait(1)
        assert 0.2 < time.monotonic() - began < 0.8
        wait_until(lambda: not any((tmp_path / "messages/.kombu/delayed").iterdir()), "", 1)


def test_threads_that_begin_at_once_have_one_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []
    owner = kombu_filesystem.folder.Owner

    def slow(folder: Path) -> Any:
        time.sleep(0.05)
        made.append(owner(folder))
        return made[-1]

    monkeypatch.setattr(kombu_filesystem.folder, "Owner", slow)
    folder = kombu_filesystem.folder.Folder(tmp_path, sync=False)
    folder.create()
    threads = [threading.Thread(target=lambda: folder.write(b"x")) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert len(list(folder.owner.path.iterdir())) == 4
    for path in folder.owner.path.iterdir():
        path.unlink()
    folder.close()
