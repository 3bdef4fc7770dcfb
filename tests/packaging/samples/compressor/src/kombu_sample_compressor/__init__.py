"""Raw DEFLATE: zlib without its header and checksum."""

from __future__ import annotations

import zlib

from kombu.plugins import CompressorSpec, hookimpl

KOMBU_PLUGIN_API = 1


def encode(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(data) + stream.flush()


def decode(data: bytes) -> bytes:
    return zlib.decompress(data, wbits=-15)


@hookimpl
def kombu_compressors() -> list[CompressorSpec]:
    return [
        CompressorSpec(
            "sample-deflate", encode, decode, "application/x-sample-deflate", ("sample-raw",)
        )
    ]
