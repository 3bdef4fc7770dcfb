from __future__ import annotations

import dataclasses
import zlib
from typing import Any

import pytest

from kombu.plugins import CompressorSpec, ExchangeTypeSpec, SerializerSpec, TransportSpec

TRANSPORT: dict[str, Any] = {"name": "toy", "schemes": ("toy",), "backend": "toy.store:Store"}


def test_a_descriptor_is_frozen_and_can_be_a_key() -> None:
    spec = TransportSpec(**TRANSPORT)
    with pytest.raises(dataclasses.FrozenInstanceError):
        spec.name = "other"  # type: ignore[misc]
    assert {spec: 1}[TransportSpec(**TRANSPORT)] == 1


def test_the_driver_is_called_like_the_transport_unless_it_says_otherwise() -> None:
    assert TransportSpec(**TRANSPORT).driver_type == "toy"
    assert TransportSpec(**TRANSPORT).driver_name == "toy"
    assert TransportSpec(**TRANSPORT, driver_type="t", driver_name="py-toy").driver_name == "py-toy"


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"name": ""}, ValueError, "TransportSpec.name: wanted text, found an empty string"),
        ({"name": 1}, TypeError, "TransportSpec.name: wanted text, found int 1"),
        ({"schemes": "toy"}, TypeError, "wanted a tuple of texts, found str 'toy'"),
        ({"schemes": ()}, ValueError, "at least one scheme"),
        ({"schemes": ("to.y",)}, ValueError, "letters, digits, '+' and '-', found 'to.y'"),
        ({"backend": None}, ValueError, "either backend= or transport=, found backend=None"),
        ({"transport": "a:B"}, ValueError, "either backend= or transport="),
        ({"backend": "toy.store.Store"}, ValueError, "'package.module:Class'"),
        ({"backend": "toy.store:"}, ValueError, "'package.module:Class'"),
        ({"default_port": "80"}, TypeError, "wanted a number, found '80'"),
        ({"default_port": 70000}, ValueError, "wanted 0 to 65535, found 70000"),
        ({"extra": ""}, ValueError, "TransportSpec.extra"),
    ],
)
def test_a_transport_that_does_not_fit_is_refused(
    change: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error) as caught:
        TransportSpec(**{**TRANSPORT, **change})
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"encoder": None}, TypeError, "SerializerSpec.encoder: wanted a function"),
        ({"decoder": "loads"}, TypeError, "SerializerSpec.decoder: wanted a function, found str"),
        ({"content_type": "json"}, ValueError, "wanted 'type/subtype', found 'json'"),
        ({"content_encoding": None}, TypeError, "SerializerSpec.content_encoding"),
    ],
)
def test_a_serializer_that_does_not_fit_is_refused(
    change: dict[str, Any], error: type[Exception], text: str
) -> None:
    good: dict[str, Any] = {
        "name": "s",
        "encoder": repr,
        "decoder": str,
        "content_type": "application/x-s",
    }
    assert SerializerSpec(**good).content_encoding == "utf-8"
    with pytest.raises(error) as caught:
        SerializerSpec(**{**good, **change})
    assert text in str(caught.value)


def test_a_compressor_goes_by_its_name_and_its_aliases() -> None:
    spec = CompressorSpec("z", zlib.compress, zlib.decompress, "application/x-z", ("zz", "zzz"))
    assert spec.names == ("z", "zz", "zzz")
    with pytest.raises(TypeError, match="wanted a tuple of texts"):
        CompressorSpec("z", zlib.compress, zlib.decompress, "application/x-z", "zz")  # type: ignore[arg-type]


def test_an_exchange_type_needs_a_function() -> None:
    with pytest.raises(TypeError, match=r"ExchangeTypeSpec\.route: wanted a function"):
        ExchangeTypeSpec("hash", None)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"ExchangeTypeSpec\.compile: wanted a function"):
        ExchangeTypeSpec("hash", lambda bindings, key, headers: bindings, compile=1)  # type: ignore[arg-type]
    assert ExchangeTypeSpec("hash", lambda bindings, key, headers: bindings).reads_headers
