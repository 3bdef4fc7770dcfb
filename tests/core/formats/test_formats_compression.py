from __future__ import annotations

import bz2
import gzip
import importlib.util
import lzma
import subprocess
import sys
import zlib
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kombu import compression, compressors
from kombu.exceptions import DecodeError, EncodeError
from optional_modules import optional_module

MIB = 1024 * 1024


def installed(name: str) -> Any:
    missing = compression._aliases[name] not in compression.encoders()
    return pytest.param(name, marks=pytest.mark.skipif(missing, reason=f"{name} is not installed"))


NAMES = [installed(name) for name in ("gzip", "bzip2", "lzma", "brotli", "zstd")]
ZSTD_MODULES = [
    pytest.param(
        name,
        marks=pytest.mark.skipif(not compressors._found(name), reason=f"{name} is not installed"),
    )
    for name in compressors._ZSTD
]


@pytest.mark.parametrize("name", NAMES)
@given(body=st.binary() | st.binary(max_size=5).map(lambda part: part * 5000))
def test_bodies_round_trip(name: str, body: bytes) -> None:
    compressed, content_type = compression.compress(body, name)
    assert compression.decompress(compressed, content_type) == body
    assert compression.decompress(compressed, name) == body


@pytest.mark.parametrize("name", NAMES)
def test_text_is_encoded_as_utf_8(name: str) -> None:
    compressed, content_type = compression.compress("caf\u00e9", name)
    assert compression.decompress(compressed, content_type) == "caf\u00e9".encode()


def test_bodies_become_smaller() -> None:
    for name in ("gzip", "bzip2", "lzma"):
        assert len(compression.compress(b"x" * 10_000, name)[0]) < 200


@pytest.mark.parametrize("name", NAMES)
def test_a_truncated_body_is_a_decode_error(name: str) -> None:
    compressed, content_type = compression.compress(bytes(range(256)) * 40, name)
    for end in (0, 1, len(compressed) // 2, len(compressed) - 1):
        with pytest.raises(DecodeError):
            compression.decompress(compressed[:end], content_type)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("body", [b"junk that is not compressed", b"\x00" * 50, "text", 5, None])
def test_a_corrupt_body_is_a_decode_error(name: str, body: Any) -> None:
    with pytest.raises(DecodeError):
        compression.decompress(body, name)


@pytest.mark.parametrize("name", NAMES)
def test_a_damaged_checksum_or_middle_never_passes_as_the_body(name: str) -> None:
    body = bytes(range(256)) * 40
    compressed = bytearray(compression.compress(body, name)[0])
    compressed[len(compressed) // 2] ^= 0xFF
    try:
        result = compression.decompress(bytes(compressed), name)
    except DecodeError:
        return
    # Brotli and zstd carry no checksum; whatever comes is at least not taken for the body.
    assert result != body


@pytest.mark.parametrize("name", NAMES)
def test_expansion_stops_at_the_limit(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    compressed, content_type = compression.compress(b"\x00" * MIB, name)
    monkeypatch.setattr(compression, "max_decompressed_size", MIB)
    assert len(compression.decompress(compressed, content_type)) == MIB
    compression.set_max_decompressed_size(MIB - 1)
    with pytest.raises(DecodeError, match=f"more than {MIB - 1} bytes.*set_max_decompressed_size"):
        compression.decompress(compressed, content_type)
    compression.set_max_decompressed_size(None)
    assert len(compression.decompress(compressed, content_type)) == MIB


@pytest.mark.parametrize("name", NAMES)
def test_a_bomb_does_not_fill_the_memory(name: str) -> None:
    optional_module("resource")
    code = f"""
import resource
from kombu import compression
from kombu.exceptions import DecodeError
compression.compress(b"", {name!r})
body = open(0, "rb").read()
compression.set_max_decompressed_size(4 * 1024 * 1024)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    compression.decompress(body, {name!r})
except DecodeError as exc:
    assert "limit" in str(exc), exc
else:
    raise SystemExit("the bomb went off")
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
assert grown < 40 * 1024, grown
"""
    bomb = compression.compress(bytes(100 * MIB), name)[0]
    done = subprocess.run([sys.executable, "-c", code], input=bomb, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


def test_streams_one_after_the_other_and_foreign_heads_are_read() -> None:
    assert compression.decompress(bz2.compress(b"a") + bz2.compress(b"b"), "bzip2") == b"ab"
    assert compression.decompress(bz2.compress(b"a") + b"rest", "bzip2") == b"a"
    assert compression.decompress(lzma.compress(b"a", format=lzma.FORMAT_ALONE), "lzma") == b"a"
    assert compression.decompress(gzip.compress(b"a"), "gzip") == b"a"
    assert compression.decompress(zlib.compress(b"a"), "zlib") == b"a"


def test_an_lzma_stream_may_not_ask_for_any_amount_of_memory() -> None:
    stream = bytearray(lzma.compress(b"body", format=lzma.FORMAT_ALONE))
    # The head says how large a dictionary its reader has to keep: here 1.5 GiB.
    stream[1:5] = (0x60000000).to_bytes(4, "little")
    with pytest.raises(DecodeError, match=r"(?i)memory"):
        compression.decompress(bytes(stream), "lzma")


def test_several_streams_share_one_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "max_decompressed_size", 15)
    with pytest.raises(DecodeError, match="limit"):
        compression.decompress(bz2.compress(b"x" * 10) * 2, "bzip2")


@pytest.mark.parametrize("module", ZSTD_MODULES)
def test_every_usual_package_of_zstd_will_do(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compressors, "_ZSTD", (module,))
    body = b"body " * 1000
    compressed, _ = compression.compress(body, "zstd")
    assert compression.decompress(compressed, "zstd") == body
    with pytest.raises(DecodeError):
        compression.decompress(compressed[:-4], "zstd")
    with pytest.raises(DecodeError):
        compression.decompress(b"junk" * 10, "zstd")
    monkeypatch.setattr(compression, "max_decompressed_size", 100)
    with pytest.raises(DecodeError, match="limit"):
        compression.decompress(compressed, "zstd")
    with pytest.raises(DecodeError, match="limit"):
        compression.decompress(compressors.zstd_compress(bytes(100 * MIB)), "zstd")


def test_brotli_of_every_release_keeps_to_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    brotli = optional_module("brotli")

    class Older:
        """A decompressor as before release 1.2."""

        def __init__(self) -> None:
            self.stream = brotli.Decompressor()
            self.is_finished = self.stream.is_finished

        def process(self, data: bytes) -> Any:
            return self.stream.process(data)

    body = b"body " * 1000
    compressed, _ = compression.compress(body, "brotli")
    monkeypatch.setattr(
        compressors, "_brotli", lambda: SimpleNamespace(Decompressor=Older, compress=None)
    )
    assert compression.decompress(compressed, "brotli") == body
    monkeypatch.setattr(compression, "max_decompressed_size", 100)
    with pytest.raises(DecodeError, match="limit"):
        compression.decompress(compressed, "brotli")
    with pytest.raises(DecodeError, match="truncated"):
        compression.decompress(compressed[:-4], "brotli")


@pytest.mark.parametrize("module", compressors._BROTLI)
def test_every_usual_package_of_brotli_will_do(
    module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    optional_module(module)
    monkeypatch.setattr(compressors, "_BROTLI", (module,))
    body = b"body " * 1000
    compressed, _ = compression.compress(body, "brotli")
    assert compression.decompress(compressed, "brotli") == body
    for damaged in (compressed[:-4], b"junk" * 10, b""):
        with pytest.raises(DecodeError):
            compression.decompress(damaged, "brotli")
    monkeypatch.setattr(compression, "max_decompressed_size", 100)
    with pytest.raises(DecodeError, match="limit"):
        compression.decompress(compressed, "brotli")


def test_without_its_package_a_compressor_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in compressors._BROTLI + compressors._ZSTD:
        monkeypatch.setitem(sys.modules, name, None)
    for name in ("brotli", "zstd"):
        hint = rf'pip install "kombu\[{name}\]>=6"'
        with pytest.raises(compression.CompressorNotInstalled, match=hint):
            compression.compress(b"x", name)
        with pytest.raises(KeyError, match=hint):
            compression.decompress(b"x", name)


def test_encoders_lists_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    always = ["application/x-gzip", "application/x-bz2", "application/x-lzma"]
    monkeypatch.setattr(compressors, "_found", lambda name: False)
    assert sorted(compression.encoders()) == sorted(always)
    monkeypatch.setattr(compressors, "_found", lambda name: name in {"brotli", "zstandard"})
    expected = [*always, "application/x-brotli", "application/zstd"]
    assert sorted(compression.encoders()) == sorted(expected)


def test_a_package_that_is_not_there_is_not_found() -> None:
    assert importlib.util.find_spec("no_such_package") is None
    assert not compressors._found("no_such_package")
    assert not compressors._found("no_such_package.inner")
    assert compressors._found("zlib")


@pytest.mark.parametrize("name", ["nope", "application/nope", ""])
def test_an_unknown_compressor_is_a_readable_key_error(name: str) -> None:
    for call in (
        lambda: compression.compress(b"x", name),
        lambda: compression.decompress(b"x", name),
        lambda: compression.get_encoder(name),
        lambda: compression.get_decoder(name),
    ):
        with pytest.raises(KeyError) as caught:
            call()
        assert str(caught.value).startswith(f"no compressor is registered for {name!r}: known are")


def test_a_body_that_cannot_be_compressed_is_an_encode_error() -> None:
    with pytest.raises(EncodeError, match="type int"):
        compression.compress(5, "gzip")  # type: ignore[arg-type]
    with pytest.raises(EncodeError, match="type str"):
        compression.compress("\ud800", "gzip")


@pytest.mark.usefixtures("pristine")
def test_a_registered_compressor_is_found_by_its_names() -> None:
    compression.register(lambda body: b"E" + body, lambda body: body[1:], "x/e", ["e", "ee"])
    assert compression.compress("x", "ee") == (b"Ex", "x/e")
    assert compression.decompress(b"Ex", "x/e") == b"x"
    assert compression.get_encoder("e")[1] == "x/e"
    compression.register(None, lambda body: body, "x/read", ["read"])
    assert compression.decompress(b"x", "read") == b"x"
    with pytest.raises(KeyError):
        compression.compress(b"x", "read")


@pytest.mark.usefixtures("pristine")
def test_a_plugin_is_asked_for_an_unknown_compressor_once(plugin_system: SimpleNamespace) -> None:
    plugin_system.compressors["snappy"] = SimpleNamespace(
        name="snappy",
        encoder=lambda body: body + b"!",
        decoder=lambda body: body[:-1],
        content_type="application/x-snappy",
        names=("snappy", "snap"),
    )
    assert compression.compress(b"x", "snappy") == (b"x!", "application/x-snappy")
    assert compression.decompress(b"x!", "application/x-snappy") == b"x"
    assert compression.decompress(b"x!", "snap") == b"x"
    assert plugin_system.asked == ["snappy"]


@pytest.mark.parametrize("size", [0, -1])
def test_a_limit_that_is_not_positive_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="above 0"):
        compression.set_max_decompressed_size(size)
