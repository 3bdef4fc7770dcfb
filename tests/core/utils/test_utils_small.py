"""The smaller modules: encoding, text, time, uuid, collections, imports, compat, div, the door."""

from __future__ import annotations

import io
import os
import pickle
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

import kombu.utils
from kombu.utils import compat, encoding
from kombu.utils.collections import EqualityDict, HashedSeq, eqhash
from kombu.utils.div import emergency_dump_state
from kombu.utils.imports import symbol_by_name
from kombu.utils.text import escape_regex, fmatch_best, fmatch_iter, version_string_as_tuple
from kombu.utils.time import maybe_s_to_ms
from kombu.utils.uuid import uuid

# -- uuid ------------------------------------------------------------------------------


def test_identifiers_are_random_uuids_of_version_4() -> None:
    made = {uuid() for _ in range(2000)}
    assert len(made) == 2000
    for text in made:
        parsed = UUID(text)
        assert parsed.version == 4
        assert str(parsed) == text
    assert {text[19] for text in made} == set("89ab")


def test_identifiers_can_be_made_by_another_function() -> None:
    assert uuid(lambda: UUID(int=5)) == "00000000-0000-0000-0000-000000000005"


def test_forked_processes_make_different_identifiers() -> None:
    code = "import os\nfrom kombu.utils.uuid import uuid\nuuid()\nos.fork()\n"
    code += "os.write(1, (uuid() + '\\n').encode())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    first, second = done.stdout.split()
    assert first != second


# -- encoding --------------------------------------------------------------------------


@pytest.mark.parametrize("value", [None, 3, bytearray(b"x"), object])
def test_what_is_neither_text_nor_bytes_stays_as_it_is(value: Any) -> None:
    for function in (
        encoding.str_to_bytes,
        encoding.bytes_to_str,
        encoding.ensure_bytes,
        encoding.from_utf8,
        encoding.default_encode,
    ):
        assert function(value) is value


def test_text_and_bytes_become_each_other() -> None:
    assert encoding.str_to_bytes("\u00e9") == encoding.ensure_bytes("\u00e9") == b"\xc3\xa9"
    assert encoding.ensure_bytes(b"\xff") == b"\xff"
    assert encoding.bytes_to_str(b"\xc3\xa9") == "\u00e9"
    assert encoding.bytes_to_str(b"\xff") == "\ufffd"
    assert encoding.from_utf8("\u00e9") == "\u00e9"
    with pytest.raises(UnicodeEncodeError):
        encoding.str_to_bytes("\ud800")


def test_safe_text_is_made_of_anything() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise ValueError("inner")

    class Wrong:
        def __repr__(self) -> Any:
            return b"bytes"

    assert encoding.safe_str("\u00e9") == "\u00e9"
    assert encoding.safe_str(b"\xff\xc3\xa9") == "\ufffd\u00e9"
    assert encoding.safe_str(3) == "3"
    assert encoding.safe_repr("\u00e9") == "'\u00e9'"
    for value in (Broken(), {1: Broken()}, Wrong()):
        assert encoding.safe_str(value).startswith("<Unrepresentable ")
        assert encoding.safe_repr(value).startswith("<Unrepresentable ")
    assert "ValueError('inner')" in encoding.safe_repr(Broken())


def test_the_default_encoding_is_that_of_the_log_file() -> None:
    file = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    assert encoding.default_encoding() == sys.getfilesystemencoding()
    assert encoding.default_encoding(file) == "latin-1"
    encoding.set_default_encoding_file(file)
    try:
        assert encoding.get_default_encoding_file() is file
        assert encoding.default_encoding() == "latin-1"
    finally:
        encoding.set_default_encoding_file(None)
    assert encoding.default_encoding() == sys.getfilesystemencoding()


# -- text and time ---------------------------------------------------------------------


def test_regular_expressions_are_escaped() -> None:
    assert escape_regex("a.b*c d#") == r"a\.b\*c\ d\#"
    assert escape_regex("a.b*c", white="*") == r"a\.b*c"
    assert escape_regex("\u00e9\0") == "\u00e9\\000"


def test_near_misses_are_found() -> None:
    assert fmatch_best("redit", ["redis", "amqp"]) == "redis"
    assert fmatch_best("zzz", ["redis"]) is None
    assert fmatch_best("redis", ["redi"], min_ratio=0.99) is None
    assert [word for _, word in fmatch_iter("redis", ["redis", "rediss", "amqp"])] == [
        "redis",
        "rediss",
    ]
    assert next(fmatch_iter("redis", ["redis"]))[0] == 1.0


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("3.1.4", (3, 1, 4, "", "")),
        ("3.1.4rc1", (3, 1, 4, "rc1", "")),
        ("3.1", (3, 1, 0, "", "")),
        ("3", (3, 0, 0, "", "")),
        ("1.2.3.dev4", (1, 2, 3, "dev4", "")),
        ("1.2.3-rc2", (1, 2, 3, "", "rc2")),
    ],
)
def test_versions_are_split(text: str, parts: tuple[Any, ...]) -> None:
    assert version_string_as_tuple(text) == parts


@pytest.mark.parametrize("text", ["", "a.b", "1.2.x", "2!1.0"])
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a version number"):
        version_string_as_tuple(text)


def test_seconds_become_milliseconds() -> None:
    assert maybe_s_to_ms(None) is None
    assert [maybe_s_to_ms(v) for v in (0, 1, 1.5, 0.0001, "3", -1)] == [
        0,
        1000,
        1500,
        0,
        3000,
        -1000,
    ]
    with pytest.raises(ValueError):
        maybe_s_to_ms("x")


# -- collections -----------------------------------------------------------------------


def test_a_hashed_sequence_is_a_key() -> None:
    key = HashedSeq("transport", None, 1)
    assert key == ["transport", None, 1]
    assert hash(key) == key.hashvalue == hash(("transport", None, 1))
    assert {key: 1}[HashedSeq("transport", None, 1)] == 1
    assert key[1] is None
    assert hash(pickle.loads(pickle.dumps(key))) == hash(key)
    with pytest.raises(TypeError):
        HashedSeq([])


def test_an_equality_dictionary_goes_by_the_keys_own_equality() -> None:
    class Key:
        def __init__(self, name: str) -> None:
            self.name = name

        def __eqhash__(self) -> int:
            return hash(self.name)

    table: EqualityDict[Any, int] = EqualityDict()
    table[Key("a")] = 1
    assert table[Key("a")] == table.get(Key("a")) == 1
    assert Key("a") in table
    assert Key("b") not in table
    assert table.get(Key("b"), 5) == 5
    with pytest.raises(KeyError):
        table[Key("b")]
    del table[Key("a")]
    assert table == {}
    table["plain"] = 2
    assert table["plain"] == 2
    assert eqhash("x") == hash("x")


# -- imports ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "options", "expected"),
    [
        (("os.path:join",), {}, os.path.join),
        (("os.path.join",), {}, os.path.join),
        (("os.path|join",), {"sep": "|"}, os.path.join),
        (("os",), {}, os),
        ((len,), {}, len),
        ((None,), {}, None),
        (("short",), {"aliases": {"short": "os.path:join"}}, os.path.join),
        (("short",), {"aliases": {"short": len}}, len),
        ((".path:join",), {"package": "os"}, os.path.join),
        (("os:nope",), {"default": 3}, 3),
        (("no_such_module:x",), {"default": 3}, 3),
    ],
)
def test_objects_are_found_by_name(arguments: Any, options: Any, expected: Any) -> None:
    assert symbol_by_name(*arguments, **options) is expected


def test_an_object_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ModuleNotFoundError):
        symbol_by_name("no_such_module:x")
    with pytest.raises(AttributeError):
        symbol_by_name("os:nope")
    with pytest.raises(ValueError, match="wanted a name"):
        symbol_by_name("")


def test_the_importing_function_can_be_given() -> None:
    def imp(name: str, package: str | None = None, **kwargs: Any) -> Any:
        return SimpleNamespace(x=(name, package, kwargs))

    assert symbol_by_name("a.b:x", imp=imp, package="p", more=1) == ("a.b", "p", {"more": 1})


# -- compat ----------------------------------------------------------------------------


def test_file_descriptors_are_found() -> None:
    with Path(os.devnull).open() as file:
        assert compat.fileno(file) == compat.maybe_fileno(file) == file.fileno()
    assert compat.fileno(3) == 3
    for value in (object(), None, "x", io.StringIO()):
        assert compat.maybe_fileno(value) is None
        with pytest.raises(compat.FILENO_ERRORS):
            compat.fileno(value)


def test_a_coroutine_is_started() -> None:
    got: list[Any] = []

    @compat.coro
    def collect(first: int) -> Any:
        got.append(first)
        while True:
            got.append((yield))

    send = collect(0)
    send(1)
    send(2)
    assert got == [0, 1, 2]


def test_context_managers_are_nested() -> None:
    events: list[str] = []

    @contextmanager
    def manager(name: str) -> Any:
        events.append(f"in {name}")
        try:
            yield name
        finally:
            events.append(f"out {name}")

    with pytest.raises(ValueError), compat.nested(manager("a"), manager("b")) as values:
        assert values == ["a", "b"]
        raise ValueError
    assert events == ["in a", "in b", "out b", "out a"]


def test_entry_points_are_loaded() -> None:
    found = {point.name: loaded for point, loaded in compat.entrypoints("pytest11")}
    assert found
    assert all(isinstance(loaded, ModuleType) for loaded in found.values())
    assert list(compat.entrypoints("no such group")) == []


@pytest.mark.parametrize(
    ("modules", "expected"),
    [
        ({}, "default"),
        ({"eventlet.patcher": SimpleNamespace(is_monkey_patched=lambda name: False)}, "default"),
        ({"eventlet.patcher": SimpleNamespace(is_monkey_patched=lambda name: True)}, "eventlet"),
        ({"gevent.monkey": SimpleNamespace(is_module_patched=lambda name: True)}, "gevent"),
        ({"gevent.monkey": SimpleNamespace(is_module_patched=lambda name: False)}, "default"),
    ],
)
def test_cooperative_threads_are_detected_by_patched_sockets(
    modules: dict[str, Any], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compat, "_environment", None)
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name.partition(".")[0], ModuleType("stand-in"))
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setitem(
        sys.modules, "gevent.exceptions", SimpleNamespace(ConcurrentObjectUseError=ValueError)
    )
    assert compat.detect_environment() == expected
    assert compat._detect_environment() == expected
    monkeypatch.setattr(compat, "_detect_environment", lambda: "another")
    assert compat.detect_environment() == expected
    error = compat.get_gevent_concurrent_error()
    assert error is (ValueError if expected == "gevent" else None)


def test_children_of_multiprocessing_call_what_was_registered() -> None:
    code = """
import multiprocessing, os
from kombu.utils.compat import register_after_fork
class Resource: pass
resource = Resource()
register_after_fork(resource, lambda found: os.write(1, b"child" if found is resource else b"?"))
process = multiprocessing.get_context("fork").Process(target=int)
process.start()
process.join()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout == b"child"


# -- div -------------------------------------------------------------------------------


def test_state_that_would_be_lost_is_written_to_a_file() -> None:
    err = io.StringIO()
    path = emergency_dump_state({"a": 1}, stderr=err)
    try:
        assert err.getvalue() == f"EMERGENCY DUMP STATE TO FILE -> {path} <-\n"
        assert pickle.loads(Path(path).read_bytes()) == {"a": 1}
    finally:
        Path(path).unlink()


def test_state_that_cannot_be_pickled_is_written_for_people() -> None:
    err = io.StringIO()
    path = emergency_dump_state({"a": 1, "f": lambda: 1}, stderr=err)
    try:
        assert b"'f': <function" in Path(path).read_bytes()
        assert "Cannot pickle state" in err.getvalue()
    finally:
        Path(path).unlink()


# -- the door --------------------------------------------------------------------------


def test_the_package_offers_what_is_documented() -> None:
    from kombu.utils import cached_property, json, retry_over_time, symbol_by_name, uuid

    assert callable(uuid)
    assert json.dumps([1]) == "[1]"
    assert callable(retry_over_time)
    assert callable(symbol_by_name)
    assert isinstance(cached_property, type)
    for name in kombu.utils.__all__:
        assert getattr(kombu.utils, name) is not None
        assert name in dir(kombu.utils)
    with pytest.raises(AttributeError, match="no attribute 'nope'"):
        kombu.utils.nope  # type: ignore[attr-defined]


def test_modules_are_attributes_of_the_package_before_they_are_imported() -> None:
    code = "import kombu.utils as u; assert u.json.dumps([]) == '[]'; assert u.text.escape_regex; "
    code += "assert u.uuid() != u.uuid(); import kombu.utils.uuid; assert callable(u.uuid)"
    subprocess.run([sys.executable, "-c", code], check=True)
