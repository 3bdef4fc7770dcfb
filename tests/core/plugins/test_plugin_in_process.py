from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from kombu import plugins
from kombu.plugins import (
    CompressorSpec,
    PluginConflict,
    PluginLoadError,
    PluginNotFound,
    SerializerSpec,
    TransportSpec,
    hookimpl,
)

if TYPE_CHECKING:
    from fabricated import Site


class Toy:
    """A plugin with one transport."""

    def __init__(self, *schemes: str) -> None:
        self.schemes = schemes or ("toy",)

    @hookimpl
    def kombu_transports(self) -> list[TransportSpec]:
        return [TransportSpec("toy", self.schemes, transport="a:B")]


class Formats:
    @hookimpl
    def kombu_serializers(self) -> list[SerializerSpec]:
        return [SerializerSpec("s", repr, str, "application/x-s")]

    @hookimpl
    def kombu_compressors(self) -> list[CompressorSpec]:
        return [CompressorSpec("c", bytes, bytes, "application/x-c", ("cc",))]


def test_a_plugin_is_there_while_it_is_registered() -> None:
    with plugins.registered(Toy(), "test"):
        assert plugins.find_transport("toy").name == "toy"
        assert plugins.find_transport("toy+socket").name == "toy"
    with pytest.raises(PluginNotFound):
        plugins.find_transport("toy")


def test_the_block_ends_with_the_plugin_gone_also_by_an_error() -> None:
    with pytest.raises(RuntimeError), plugins.registered(Toy(), "test"):
        raise RuntimeError
    with pytest.raises(PluginNotFound):
        plugins.find_transport("toy")


def test_formats_are_found_by_all_their_names_and_content_types() -> None:
    with plugins.registered(Formats(), "test"):
        found = plugins.find_serializer("s"), plugins.find_serializer_for("application/x-s")
        assert found[0] is not None
        assert found[0] is found[1]
        compressor = plugins.find_compressor("c")
        assert compressor is not None
        assert plugins.find_compressor("cc") is compressor
        assert plugins.find_compressor("application/x-c") is compressor
    assert plugins.find_serializer_for("application/x-s") is None


def test_what_is_registered_goes_before_what_is_installed(site: Site) -> None:
    site.install_transport()
    assert site.host.find_transport("toy").transport == "toy_plugin:Transport"
    site.host.register(Toy(), "test")
    assert site.host.find_transport("toy").transport == "a:B"
    site.host.unregister("test")
    assert site.host.find_transport("toy").transport == "toy_plugin:Transport"


def test_two_plugins_of_one_process_may_not_share_a_name(site: Site) -> None:
    site.host.register(Toy("a", "b"), "first")
    with pytest.raises(PluginConflict) as caught:
        site.host.register(Toy("b"), "second")
    assert "registered as 'first' and the plugin registered as 'second'" in str(caught.value)
    assert "kombu.plugins.unregister('first')" in str(caught.value)
    site.host.unregister("first")
    site.host.register(Toy("b"), "second")
    assert site.host.find_transport("b").schemes == ("b",)


def test_a_name_is_registered_once(site: Site) -> None:
    toy = Toy()
    site.host.register(toy, "test")
    with pytest.raises(ValueError, match="already registered as 'test'"):
        site.host.register(Formats(), "test")
    with pytest.raises(ValueError, match="is already registered, as 'test'"):
        site.host.register(toy, "again")
    assert site.host.find_transport("toy").name == "toy"


def test_only_what_was_registered_by_hand_can_be_unregistered(site: Site) -> None:
    site.install_transport()
    site.host.find_transport("toy")
    for name in ("kombu", "kombu-toy", "nobody"):
        with pytest.raises(KeyError, match=name):
            site.host.unregister(name)
    assert site.host.find_transport("toy").name == "toy"


def test_a_plugin_that_does_not_fit_leaves_nothing_behind(site: Site) -> None:
    def misspelt() -> list[Any]:
        return []

    wrong = SimpleNamespace(kombu_serialisers=hookimpl(misspelt))
    with pytest.raises(PluginLoadError, match="kombu_serialisers"):
        site.host.register(wrong, "test")

    class Bad(Toy):
        @hookimpl
        def kombu_serializers(self) -> list[Any]:
            return ["json"]

    with pytest.raises(
        PluginLoadError, match="handed over 'json', wanted a list of SerializerSpec"
    ):
        site.host.register(Bad(), "test")
    with pytest.raises(PluginNotFound):
        site.host.find_transport("toy")
    site.host.register(Toy(), "test")


def test_a_serializer_that_is_registered_later_reads_what_nobody_read_before() -> None:
    from kombu import plugins, serialization

    class Late:
        @plugins.hookimpl
        def kombu_serializers(self) -> list[plugins.SerializerSpec]:
            return [
                plugins.SerializerSpec(
                    "late", repr, lambda body: "decoded", "application/x-later", "utf-8"
                )
            ]

    assert serialization.loads(b"x", "application/x-later", "utf-8") == "x"
    with plugins.registered(Late(), "late"):
        assert serialization.loads(b"x", "application/x-later", "utf-8") == "decoded"
        serialization.unregister("late")
    assert serialization.loads(b"x", "application/x-later", "utf-8") == "x"
    before = plugins.changes
    plugins.refresh()
    assert plugins.changes != before


def test_everything_documented_is_at_the_door() -> None:
    for name in plugins.__all__:
        assert getattr(plugins, name) is not None
        assert name in dir(plugins)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        plugins.nothing
