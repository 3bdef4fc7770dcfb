"""Compression of bodies: compressors by name, and by the MIME type that travels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kombu import compressors
from kombu.compressors import CompressorNotInstalled
from kombu.exceptions import DecodeError, EncodeError, KombuError
from kombu.utils.encoding import ensure_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = (
    "CompressorNotInstalled",
    "compress",
    "decompress",
    "encoders",
    "get_decoder",
    "get_encoder",
    "register",
    "set_max_decompressed_size",
)

_Coder = Any  # Callable[[bytes], bytes], or None

_aliases: dict[str, str] = {}
_encoders: dict[str, _Coder] = {}
_decoders: dict[str, _Coder] = {}

#: The most bytes that a body may expand to, or None for any number; 256 MiB.
max_decompressed_size: int | None = 256 * 1024 * 1024


def set_max_decompressed_size(size: int | None) -> None:
    """Set the most bytes that a body may expand to: a small body can hide an enormous one.

    It holds for the whole process, for the compressors that come with the core.  None removes it.

    Raises:
        ValueError: The size is not positive.
    """
    global max_decompressed_size
    if size is not None and size <= 0:
        raise ValueError(f"the size is {size!r}: wanted a number of bytes above 0, or None")
    max_decompressed_size = size


def register(
    encoder: Callable[[bytes], bytes] | None,
    decoder: Callable[[bytes], bytes] | None,
    content_type: str,
    aliases: Iterable[str] | None = None,
) -> None:
    """Add a compressor, or replace the one of the same content type.

    Register before messages flow: threads share the tables, which are not locked.

    Args:
        encoder: Compresses bytes; None where the format can only be read.
        decoder: Expands bytes; None where the format can only be written.
        content_type: The MIME type that travels in the message's headers.
        aliases: What producers call it.
    """
    if encoder:
        _encoders[content_type] = encoder
    if decoder:
        _decoders[content_type] = decoder
    _aliases.update((alias, content_type) for alias in aliases or ())


def encoders() -> list[str]:
    """Return the content types that this process can compress to."""
    return [
        content_type
        for content_type in _encoders
        if compressors.is_installed(_encoders[content_type])
    ]


def get_encoder(t: str) -> tuple[Callable[[bytes], bytes], str]:
    """Return the function that compresses, and its content type, for a name or content type.

    Raises:
        CompressorNotInstalled: Nothing is registered for it, and no plugin brings it.  It is a
            KeyError.
    """
    content_type = _content_type_of(t, _encoders)
    return _encoders[content_type], content_type


def get_decoder(t: str) -> Callable[[bytes], bytes]:
    """Return the function that expands, for a name or content type.

    Raises:
        CompressorNotInstalled: Nothing is registered for it, and no plugin brings it.  It is a
            KeyError.
    """
    decoder: Callable[[bytes], bytes] = _decoders[_content_type_of(t, _decoders)]
    return decoder


def compress(body: str | bytes, content_type: str) -> tuple[bytes, str]:
    """Compress a body; text is encoded as UTF-8 first.

    Returns:
        (compressed body, content type).

    Raises:
        CompressorNotInstalled: The compressor is not known, or not installed.
        EncodeError: The body is not text or bytes.
    """
    encoder, content_type = get_encoder(content_type)
    try:
        return encoder(ensure_bytes(body)), content_type
    except KombuError:
        raise
    except Exception as exc:
        raise EncodeError(
            f"the body, of type {type(body).__name__}, cannot be compressed to {content_type}: "
            f"{exc}"
        ) from exc


def decompress(body: bytes, content_type: str) -> bytes:
    """Expand a compressed body.

    Raises:
        CompressorNotInstalled: The compressor is not known, or not installed.
        DecodeError: The body is truncated, is not of this content type, or expands to more than
            :func:`set_max_decompressed_size` allows.
    """
    decoder = get_decoder(content_type)
    try:
        return decoder(body)
    except KombuError:
        raise
    except Exception as exc:
        raise DecodeError(f"the body cannot be expanded from {content_type}: {exc}") from exc


def _content_type_of(t: str, table: dict[str, _Coder]) -> str:
    content_type = _aliases.get(t, t)
    if content_type in table:
        return content_type
    # Imported at the first unknown name: most programs never meet one.
    from kombu import plugins

    found = plugins.find_compressor(t)
    if found is not None:
        register(found.encoder, found.decoder, found.content_type, (*found.names, t))
        if found.content_type in table:
            return found.content_type
    raise CompressorNotInstalled(
        f"no compressor is registered for {t!r}: known are {', '.join(sorted(_aliases))}. "
        "Install the plugin that brings it, or call kombu.compression.register()"
    )


def _limited(expand: Callable[[bytes, int | None], bytes]) -> Callable[[bytes], bytes]:
    """Make a decoder that keeps to the limit of the moment."""

    def decoder(body: bytes) -> bytes:
        return expand(body, max_decompressed_size)

    return decoder


register(
    compressors.zlib_compress,
    _limited(compressors.zlib_expand),
    "application/x-gzip",
    ("gzip", "zlib"),
)
register(
    compressors.bz2_compress,
    _limited(compressors.bz2_expand),
    "application/x-bz2",
    ("bzip2", "bzip"),
)
register(
    compressors.brotli_compress,
    _limited(compressors.brotli_expand),
    "application/x-brotli",
    ("brotli",),
)
register(
    compressors.lzma_compress,
    _limited(compressors.lzma_expand),
    "application/x-lzma",
    ("lzma", "xz"),
)
register(
    compressors.zstd_compress,
    _limited(compressors.zstd_expand),
    "application/zstd",
    ("zstd", "zstandard"),
)
