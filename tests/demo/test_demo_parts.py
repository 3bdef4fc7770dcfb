"""The parts of the demo."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from demo.counting import Counts, add_up, count_source
from demo.dispatch import Dispatcher, NoReplyError
from demo.report import find_differences
from demo.run import Outcome, count_by_messages
from demo.sources import SourceFile, find_sources, routing_key
from demo.topology import plan
from demo.worker import running
from kombu import Connection, Exchange, Queue
from kombu.exceptions import ChannelError, UndeliverableError

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def connection() -> Iterator[Connection]:
    with Connection("memory://demo-parts") as made:
        yield made


@pytest.fixture
def files(tmp_path: Path) -> list[SourceFile]:
    for n in range(20):
        folder = tmp_path / f"package{n % 3}"
        folder.mkdir(exist_ok=True)
        (folder / f"module{n}.py").write_text("import os\n" * n)
    return find_sources(tmp_path)


@pytest.mark.parametrize(
    ("source", "counts"),
    [
        (b"", Counts(0, 0, 0)),
        (b"a b", Counts(1, 2, 0)),
        (b"\n\n", Counts(2, 0, 0)),
        (b"import a, b\n  from .c import d\nimportant = 1\nfrom_here\n", Counts(4, 11, 2)),
        (b"from a.b import (\n    c,\n)\n", Counts(3, 6, 1)),
        (b"\xff\xfe import\n", Counts(1, 2, 0)),
    ],
)
def test_lines_words_and_imports_are_counted(source: bytes, counts: Counts) -> None:
    assert count_source(source) == counts


def test_counts_add_up() -> None:
    assert add_up([Counts(1, 2, 3), Counts(10, 20, 30)]) == Counts(11, 22, 33)
    assert add_up([]) == Counts(0, 0, 0)


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("os.py", "os"),
        ("__init__.py", "__init__"),
        ("asyncio/events.py", "asyncio.events"),
        ("asyncio/__init__.py", "asyncio"),
        ("odd-1.0/*#é.py", "odd-1_0.___"),
        ("a/b/c/d/e.py", "a.b.c.d"),
    ],
)
def test_the_routing_key_is_the_name_of_the_module(path: str, key: str) -> None:
    assert routing_key(Path(path)) == key


def test_a_routing_key_fits_into_amqp() -> None:
    assert len(routing_key(Path(*["x" * 250] * 9, "y.py"))) <= 255


def test_a_folder_that_can_not_be_read_is_no_empty_one(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="missing"):
        find_sources(tmp_path / "missing")


def test_each_package_is_bound_to_one_queue() -> None:
    topology = plan(["b", "a", "b", "c"], 2)
    keys = [[bound.routing_key for bound in queue.bindings] for queue in topology.requests]
    assert keys == [["a.#", "c.#"], ["b.#"]]


def test_runs_have_names_of_their_own() -> None:
    assert not {q.name for q in plan("ab", 2).requests} & {q.name for q in plan("ab", 2).requests}


def count(connection: Connection, files: list[SourceFile], workers: int = 3) -> Outcome:
    return count_by_messages(
        connection, "memory://demo-parts", files, workers, lambda: None, lambda counted: None
    )


def test_every_file_is_counted_once(connection: Connection, files: list[SourceFile]) -> None:
    outcome = count(connection, files)
    assert sorted(outcome.counts, key=files.index) == files
    assert outcome.messages == 40
    assert find_differences(outcome, files) == []


def test_nothing_is_left_of_a_run(connection: Connection, files: list[SourceFile]) -> None:
    before = threading.active_count()
    count(connection, files)
    assert threading.active_count() == before
    assert_nothing_declared(connection)


def assert_nothing_declared(connection: Connection) -> None:
    channel = connection.default_channel
    assert [name for name in channel.get_exchanges() if name.startswith("demo-")] == []
    assert [found for found in channel.list_bindings() if found[0].startswith("demo-")] == []


def test_a_check_that_raises_ends_the_run_and_its_threads(
    connection: Connection, files: list[SourceFile]
) -> None:
    def stop() -> None:
        raise RuntimeError("enough")

    before = threading.active_count()
    with pytest.raises(RuntimeError, match="enough"):
        count_by_messages(connection, "memory://demo-parts", files, 2, stop, lambda counted: None)
    assert threading.active_count() == before
    assert_nothing_declared(connection)


def test_progress_ends_with_every_file(connection: Connection, files: list[SourceFile]) -> None:
    seen: list[int] = []
    count_by_messages(connection, "memory://demo-parts", files, 2, lambda: None, seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == len(files)


def test_a_worker_that_fails_ends_the_run(connection: Connection) -> None:
    with running("memory://demo-parts", [Queue("not-declared")], 1) as workers:
        for thread in list(threading.enumerate()):
            if thread.name.startswith("worker-"):
                thread.join(10)
        with pytest.raises(ChannelError, match="no queue 'not-declared'"):
            workers.check()


def test_files_that_nobody_counts_are_an_error(
    connection: Connection, files: list[SourceFile]
) -> None:
    topology = plan((file.package for file in files), 1)
    topology.declare(connection.default_channel)
    with pytest.raises(NoReplyError, match="20 files are not counted yet"):
        Dispatcher(connection, topology, patience=0.2).run(files, lambda counted: None)
    topology.delete(connection.default_channel)


def test_a_file_that_no_queue_takes_is_an_error(
    connection: Connection, files: list[SourceFile]
) -> None:
    topology = plan(["other"], 1)
    topology.declare(connection.default_channel)
    with pytest.raises(UndeliverableError):
        Dispatcher(connection, topology).run(files, lambda counted: None)
    topology.delete(connection.default_channel)


def test_a_count_that_is_wrong_or_missing_is_found(
    connection: Connection, files: list[SourceFile]
) -> None:
    outcome = count(connection, files)
    counts = dict(outcome.counts)
    del counts[files[0]]
    counts[files[1]] = counts[files[1]]._replace(words=999)
    differences = find_differences(replace(outcome, counts=counts), files)
    assert len(differences) == 2
    assert str(files[0].path) in differences[0]
    assert "None by messages" in differences[0]
    assert "words=999" in differences[1]


def test_the_exchange_is_a_topic_exchange_without_persistence() -> None:
    exchange = plan(["a"], 1).exchange
    assert isinstance(exchange, Exchange)
    assert (exchange.type, exchange.delivery_mode) == ("topic", 1)
