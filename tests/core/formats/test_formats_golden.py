"""What other versions of kombu wrote, and what 5.7 reads in it (made by golden/generate.py)."""

from __future__ import annotations

import base64
import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from kombu import compression, serialization
from optional_modules import optional_module

GOLDEN = Path(__file__).parent / "golden"
VERSIONS = ("4.6.11", "5.2.4", "5.3.7", "5.7.0")


def fixture(name: str) -> Any:
    return json.loads((GOLDEN / f"{name}.json").read_text())


def generator() -> Any:
    spec = importlib.util.spec_from_file_location("golden_generate", GOLDEN / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SAMPLES = generator()
VALUES = {**SAMPLES.PLAIN, **SAMPLES.TYPED}
READ_BY_57 = fixture("read-by-kombu-5.7.0")
BODIES = [
    pytest.param(version, name, id=f"{version} {name}")
    for version in VERSIONS
    for name in fixture(f"kombu-{version}")["json"]
]


def test_fixtures_cover_every_sample() -> None:
    assert set(fixture("kombu-5.7.0")["json"]) == set(VALUES)
    assert set(SAMPLES.PLAIN) <= set(fixture("kombu-4.6.11")["json"])


@pytest.mark.parametrize("name", VALUES)
def test_json_is_written_byte_for_byte_as_by_kombu_5_7(name: str) -> None:
    expected = fixture("kombu-5.7.0")["json"][name]
    assert list(serialization.dumps(VALUES[name], serializer="json")) == expected


@pytest.mark.parametrize("version", ["4.6.11", "5.2.4", "5.3.7"])
def test_plain_json_is_written_as_by_older_kombu_so_that_it_can_read_it(version: str) -> None:
    golden = fixture(f"kombu-{version}")["json"]
    for name, value in SAMPLES.PLAIN.items():
        assert list(serialization.dumps(value, serializer="json")) == golden[name]


def test_typed_json_is_written_as_by_kombu_5_3_so_that_it_can_read_it() -> None:
    golden = fixture("kombu-5.3.7")["json"]
    for name, value in SAMPLES.TYPED.items():
        assert list(serialization.dumps(value, serializer="json")) == golden[name]


@pytest.mark.parametrize(("version", "name"), BODIES)
def test_json_is_read_as_kombu_5_7_reads_it(version: str, name: str) -> None:
    content_type, content_encoding, body = fixture(f"kombu-{version}")["json"][name]
    type_name, written_again = READ_BY_57[body]
    for form in (body, body.encode()):
        value = serialization.loads(form, content_type, content_encoding)
        assert type(value).__name__ == type_name
        assert serialization.dumps(value, serializer="json")[2] == written_again


@pytest.mark.parametrize("name", VALUES)
def test_what_5_7_wrote_is_read_as_the_value_it_was(name: str) -> None:
    content_type, content_encoding, body = fixture("kombu-5.7.0")["json"][name]
    # JSON itself knows neither tuples nor keys that are not text.
    expected = VALUES[name] if name in SAMPLES.TYPED else json.loads(json.dumps(VALUES[name]))
    assert serialization.loads(body, content_type, content_encoding) == expected


@pytest.mark.parametrize(
    ("version", "serializer"),
    [(version, name) for version in VERSIONS for name in fixture(f"kombu-{version}")["others"]],
)
def test_other_formats_of_older_kombu_are_read(version: str, serializer: str) -> None:
    if serializer != "pickle":
        optional_module(serializer)
    content_type, content_encoding, body = fixture(f"kombu-{version}")["others"][serializer]
    value = serialization.loads(
        base64.b64decode(body), content_type, content_encoding, accept={content_type}
    )
    assert value == {"b": 1, "a": [1, "caf\u00e9", None, b"\xff", 1.5]}


@pytest.mark.parametrize("serializer", ["pickle", "yaml", "msgpack"])
def test_other_formats_are_written_as_by_kombu_5_7(serializer: str) -> None:
    if serializer != "pickle":
        optional_module(serializer)
    content_type, content_encoding, body = fixture("kombu-5.7.0")["others"][serializer]
    value = {"b": 1, "a": [1, "caf\u00e9", None, b"\xff", 1.5]}
    written = serialization.dumps(value, serializer=serializer)
    assert written[:2] == (content_type, content_encoding)
    raw = written[2] if isinstance(written[2], bytes) else written[2].encode()
    assert base64.b64encode(raw).decode() == body


@pytest.mark.parametrize("version", VERSIONS)
def test_compressed_bodies_of_older_kombu_are_read(version: str) -> None:
    golden = fixture(f"kombu-{version}")["compressed"]
    assert {"gzip", "bzip2", "lzma"} <= set(golden)
    for content_type, body in golden.values():
        if content_type in compression.encoders():
            expanded = compression.decompress(base64.b64decode(body), content_type)
            assert expanded == SAMPLES.COMPRESSED


def test_compression_types_are_those_of_kombu_5_7() -> None:
    for name, (content_type, _) in fixture("kombu-5.7.0")["compressed"].items():
        assert compression._aliases[name] == content_type
