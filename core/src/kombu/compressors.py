"""The compressors that come with the core, as plain functions.

Each is imported at its first use.  Expanding takes a limit in bytes, or None, and stops there
instead of filling the memory: a few kilobytes can stand for gigabytes.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from kombu.exceptions import DecodeError, KombuError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

# brotli's own default, 11, takes 52 ms for 25 KB, where 5 takes 1 ms and saves nearly as much.
BROTLI_QUALITY = 5

_BROTLI = ("brotli", "brotlicffi")
_ZSTD = ("compression.zstd", "backports.zstd", "pyzstd", "zstandard")


class CompressorNotInstalled(KombuError, KeyError):
    """No compressor is known for a name or content type, or its package is not installed."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class Decompressor(Protocol):
    """Expands one stream, piece by piece: what :mod:`bz2` and :mod:`lzma` offer, and zstd."""

    @property
    def eof(self) -> bool:
        """Whether the end of the stream was reached."""

    @property
    def unused_data(self) -> bytes:
        """What was found behind the end."""

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """Expand `data`, to at most `max_length` bytes."""


def zlib_compress(body: bytes) -> bytes:
    """Compress to zlib's format."""
    return _module("zlib").compress(body)  # type: ignore[no-any-return]


def zlib_expand(body: bytes, limit: int | None) -> bytes:
    """Expand zlib's format, or gzip's."""
    # 32 + 15: tell the format by its head.
    stream = _module("zlib").decompressobj(47)
    expanded: bytes = stream.decompress(body, 0 if limit is None else limit + 1)
    _check(len(expanded), limit)
    if not stream.eof:
        raise _truncated()
    return expanded


def bz2_compress(body: bytes) -> bytes:
    """Compress to bzip2's format."""
    return _module("bz2").compress(body)  # type: ignore[no-any-return]


def bz2_expand(body: bytes, limit: int | None) -> bytes:
    """Expand bzip2's format."""
    return _expand(_module("bz2").BZ2Decompressor, body, limit)


def lzma_compress(body: bytes) -> bytes:
    """Compress to the xz format."""
    return _module("lzma").compress(body)  # type: ignore[no-any-return]


def lzma_expand(body: bytes, limit: int | None) -> bytes:
    """Expand the xz format, or the older one of LZMA."""
    # The stream also says how much memory its reader needs: 65 MiB at most, where xz wrote it.
    memory = None if limit is None else limit + 128 * 1024 * 1024
    lzma = _module("lzma")
    return _expand(lambda: lzma.LZMADecompressor(memlimit=memory), body, limit)


def brotli_compress(body: bytes) -> bytes:
    """Compress to Brotli's format."""
    return _brotli().compress(body, quality=BROTLI_QUALITY)  # type: ignore[no-any-return]


def brotli_expand(body: bytes, limit: int | None) -> bytes:
    """Expand Brotli's format."""
    stream = _brotli().Decompressor()
    process = getattr(stream, "process", None) or stream.decompress
    expanded = bytearray()
    for piece in _brotli_pieces(stream, process, body, limit):
        expanded += piece
        _check(len(expanded), limit)
    if not stream.is_finished():
        raise _truncated()
    return bytes(expanded)


def _brotli_pieces(
    stream: Any, process: Callable[..., bytes], body: bytes, limit: int | None
) -> Iterator[bytes]:
    if limit is None:
        yield process(body)
        return
    try:
        piece = process(body, output_buffer_limit=limit + 1)
    except TypeError:
        # Before 1.2 there is no limit: small steps keep what comes of one small.
        for start in range(0, len(body), 16):
            yield process(body[start : start + 16])
        return
    yield piece
    while piece and not stream.is_finished():
        piece = process(b"", output_buffer_limit=limit + 1)
        yield piece


def zstd_compress(body: bytes) -> bytes:
    """Compress to the format of Zstandard."""
    zstd = _zstd()
    if zstd.__name__ == "zstandard":
        return zstd.ZstdCompressor().compress(body)  # type: ignore[no-any-return]
    return zstd.compress(body)  # type: ignore[no-any-return]


def zstd_expand(body: bytes, limit: int | None) -> bytes:
    """Expand the format of Zstandard."""
    zstd = _zstd()
    if zstd.__name__ != "zstandard":
        return _expand(zstd.ZstdDecompressor, body, limit)
    # This package has no limit: a step of 1 KiB expands to 44 MiB at most.
    stream = zstd.ZstdDecompressor().decompressobj()
    expanded = bytearray()
    for start in range(0, len(body), 1024):
        if stream.eof:
            break
        expanded += stream.decompress(body[start : start + 1024])
        _check(len(expanded), limit)
    if not stream.eof:
        raise _truncated()
    return bytes(expanded)


def _expand(make: Callable[[], Decompressor], body: bytes, limit: int | None) -> bytes:
    """Expand the streams of a body one after the other; what follows the last is left alone."""
    expanded = b""
    rest = body
    while True:
        stream = make()
        try:
            expanded += stream.decompress(rest, -1 if limit is None else limit + 1 - len(expanded))
        except Exception:
            if rest is body:
                raise
            return expanded
        _check(len(expanded), limit)
        if not stream.eof:
            raise _truncated()
        rest = stream.unused_data
        if not rest:
            return expanded


def _check(size: int, limit: int | None) -> None:
    if limit is not None and size > limit:
        raise DecodeError(
            f"the compressed body expands to more than {limit} bytes, which is the limit: if it "
            "comes from a trusted sender, call kombu.compression.set_max_decompressed_size()"
        )


def _truncated() -> DecodeError:
    return DecodeError("the compressed body is truncated: its end is missing")


def _module(name: str) -> ModuleType:
    return import_module(name)


def _brotli() -> ModuleType:
    return _first(_BROTLI, "brotli")


def _zstd() -> ModuleType:
    return _first(_ZSTD, "zstd")


def _first(names: tuple[str, ...], extra: str) -> ModuleType:
    """Import the first of several packages that do the same."""
    for name in names:
        try:
            return import_module(name)
        except ImportError:
            continue
    # Imported here because only this error needs it.
    from kombu.plugins.errors import install_command

    raise CompressorNotInstalled(
        f"compression by {extra} needs one of the packages {', '.join(names)}, and none is "
        f"installed: {install_command(extra)}"
    )


def is_installed(encoder: object) -> bool:
    """Tell whether an encoder needs no package, or one that is installed."""
    return encoder not in _NEEDS or any(_found(name) for name in _NEEDS[encoder])


def _found(name: str) -> bool:
    try:
        # Imported at the first question.
        from importlib.util import find_spec

        return find_spec(name) is not None
    except ImportError:
        # The package above it is missing.
        return False


# The encoders that need a package, and the packages that would do.
_NEEDS: dict[Any, tuple[str, ...]] = {brotli_compress: _BROTLI, zstd_compress: _ZSTD}
