"""Serializers, compressors, exchange types and matchers of installed plugins."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from kombu.plugins import PluginConflict, PluginLoadError

if TYPE_CHECKING:
    from fabricated import Site

FOUR = """
four = (repr, eval, "application/x-four", "utf-8")
three = [repr, eval, "application/x-three"]
short = (repr, eval)
"""

MODULE = """
import zlib
from kombu.plugins import CompressorSpec, ExchangeTypeSpec, SerializerSpec, hookimpl

KOMBU_PLUGIN_API = 1

@hookimpl
def kombu_serializers():
    return [
        SerializerSpec("one", repr, eval, "application/x-one"),
        SerializerSpec("two", repr, eval, "application/x-two", "binary"),
    ]

@hookimpl
def kombu_compressors():
    return [CompressorSpec("zip9", zlib.compress, zlib.decompress, "application/x-zip9", ("z9",))]

@hookimpl
def kombu_exchange_types():
    return [ExchangeTypeSpec("first", lambda bindings, key, headers: bindings[:1])]
"""


def install_all(site: Site) -> None:
    site.install(
        "formats",
        {
            "kombu.serializers": {
                "four": "tuples:four",
                "three": "tuples:three",
                "short": "tuples:short",
                "one": "formats_plugin",
                "two": "formats_plugin",
            },
            "kombu.compressors": {"zip9": "formats_plugin", "z9": "formats_plugin"},
            "kombu.exchange_types": {"first": "formats_plugin"},
            "kombu.matchers": {
                "ends": "matchers:ends",
                "tuple": "matchers:as_tuple",
                "none": "matchers:none",
            },
        },
        {
            "tuples": FOUR,
            "formats_plugin": MODULE,
            "matchers": (
                "def ends(value, pattern): return value.endswith(pattern)\n"
                "as_tuple = (ends,)\nnone = None\n"
            ),
        },
    )


def test_a_serializer_is_found_by_the_documented_tuple(site: Site) -> None:
    install_all(site)
    spec = site.host.find_serializer("four")
    assert spec is not None
    assert (spec.name, spec.content_type, spec.content_encoding) == (
        "four",
        "application/x-four",
        "utf-8",
    )
    assert spec.decoder(spec.encoder([1])) == [1]
    three = site.host.find_serializer("three")
    assert three is not None
    assert three.content_encoding == "utf-8"


def test_a_serializer_is_found_in_a_plugin_module(site: Site) -> None:
    install_all(site)
    spec = site.host.find_serializer("two")
    assert spec is not None
    assert spec.content_encoding == "binary"


def test_a_tuple_that_does_not_fit_is_explained(site: Site) -> None:
    install_all(site)
    with pytest.raises(
        PluginLoadError, match=r"\(encoder, decoder, content_type, content_encoding\)"
    ):
        site.host.find_serializer("short")


def test_unknown_names_and_content_types_are_none(site: Site) -> None:
    install_all(site)
    assert site.host.find_serializer("nobody") is None
    assert site.host.find_serializer_for("application/x-nobody") is None
    assert site.host.find_compressor("nobody") is None
    assert site.host.find_compressor("application/x-nobody") is None
    assert site.host.find_exchange_type("nobody") is None
    assert site.host.find_matcher("nobody") is None


def test_a_content_type_is_found_past_broken_plugins_which_are_logged_once(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    install_all(site)
    site.install(
        "broken", {"kombu.serializers": {"bad": "bad_module:four"}}, {"bad_module": "1 / 0"}
    )
    with caplog.at_level(logging.WARNING, "kombu.plugins"):
        found = site.host.find_serializer_for("application/x-one")
        assert found is not None
        assert found.name == "one"
        assert site.host.find_serializer_for("application/x-two") is not None
        assert site.host.find_serializer_for("application/x-nobody") is None
    texts = [record.getMessage() for record in caplog.records]
    assert len(texts) == 2
    assert any("broken 1.0" in text and "ZeroDivisionError" in text for text in texts)
    assert any("'short'" in text for text in texts)


def test_two_distributions_with_one_content_type_are_a_conflict(site: Site) -> None:
    install_all(site)
    site.install(
        "rival",
        {"kombu.serializers": {"rival": "rivals:value"}},
        {"rivals": "value = (repr, eval, 'application/x-one', 'utf-8')"},
    )
    with pytest.raises(PluginConflict, match=r"content type 'application/x-one'.*formats.*rival"):
        site.host.find_serializer_for("application/x-one")
    assert site.host.find_serializer("rival") is not None


def test_a_compressor_is_found_by_name_alias_and_content_type(site: Site) -> None:
    install_all(site)
    by_name = site.host.find_compressor("zip9")
    assert by_name is not None
    assert by_name.decoder(by_name.encoder(b"abc")) == b"abc"
    assert site.host.find_compressor("z9") == by_name
    assert site.host.find_compressor("application/x-zip9") == by_name


def test_an_exchange_type_is_found(site: Site) -> None:
    install_all(site)
    spec = site.host.find_exchange_type("first")
    assert spec is not None
    assert list(spec.route(["a", "b"], "", {})) == ["a"]


def test_a_matcher_is_a_function_or_a_tuple_with_one(site: Site) -> None:
    install_all(site)
    for name in ("ends", "tuple"):
        matcher = site.host.find_matcher(name)
        assert matcher is not None
        assert matcher("worker.one", ".one")
        assert not matcher("worker.two", ".one")
    with pytest.raises(PluginLoadError, match="wanted is a function"):
        site.host.find_matcher("none")
    site.install("rival", {"kombu.matchers": {"ends": "matchers:ends"}})
    site.host.refresh()
    with pytest.raises(PluginConflict, match="matcher 'ends'"):
        site.host.find_matcher("ends")


def test_a_broken_plugin_asked_for_by_name_raises(site: Site) -> None:
    site.install(
        "broken", {"kombu.serializers": {"bad": "bad_module:four"}}, {"bad_module": "1 / 0"}
    )
    with pytest.raises(PluginLoadError):
        site.host.find_serializer("bad")
