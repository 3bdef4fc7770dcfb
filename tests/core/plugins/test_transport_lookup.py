from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kombu import plugins
from kombu.plugins import PluginNotFound, TransportSpec, hookimpl
from kombu.transport import (
    TRANSPORT_ALIASES,
    get_transport_cls,
    resolve_transport,
    supports_librabbitmq,
    transport_spec,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


class Own:
    """A transport of the program."""


class Memory:
    """What the plugin of these tests serves as ``memory``."""


class Plugin:
    @hookimpl
    def kombu_transports(self) -> list[TransportSpec]:
        return [TransportSpec("memory", ("memory",), transport=f"{__name__}:Memory")]


@pytest.fixture(autouse=True)
def memory() -> Iterator[None]:
    with plugins.registered(Plugin(), "test"):
        yield


@pytest.fixture(autouse=True)
def aliases() -> Iterator[dict[str, Any]]:
    before = dict(TRANSPORT_ALIASES)
    yield TRANSPORT_ALIASES
    TRANSPORT_ALIASES.clear()
    TRANSPORT_ALIASES.update(before)


def test_a_scheme_gives_the_class_of_its_plugin() -> None:
    assert resolve_transport("memory") is Memory
    assert get_transport_cls("memory") is Memory
    assert resolve_transport("memory+tcp") is Memory


@pytest.mark.parametrize("path", [f"{__name__}:Own", f"{__name__}.Own"])
def test_the_path_of_a_class_gives_the_class(path: str) -> None:
    assert resolve_transport(path) is Own
    assert transport_spec(path) is None


def test_a_class_and_a_callable_are_taken_as_they_are() -> None:
    def factory() -> None: ...

    assert resolve_transport(Own) is Own
    assert get_transport_cls(factory) is factory
    assert transport_spec(Own) is None


def test_a_path_that_leads_nowhere_raises_what_python_raises() -> None:
    with pytest.raises(ModuleNotFoundError, match="a_module_that_is_not_here"):
        resolve_transport("a_module_that_is_not_here:Transport")
    with pytest.raises(AttributeError, match="Nothing"):
        resolve_transport(f"{__name__}:Nothing")


def test_an_unknown_name_is_a_key_error() -> None:
    for name in ("nobody", ""):
        with pytest.raises(KeyError) as caught:
            resolve_transport(name)
        assert isinstance(caught.value, PluginNotFound)
        with pytest.raises(KeyError):
            transport_spec(name)


def test_the_default_is_amqp() -> None:
    assert resolve_transport() is get_transport_cls() is resolve_transport("amqp")
    assert transport_spec() is transport_spec("amqp")


def test_aliases_can_be_added(aliases: dict[str, Any]) -> None:
    aliases["own"] = f"{__name__}:Own"
    aliases["dotted"] = f"{__name__}.Own"
    aliases["class"] = Own
    aliases["other-name"] = "memory"
    for name in ("own", "dotted", "class", "own+tcp"):
        assert resolve_transport(name) is Own
        assert transport_spec(name) is None
    assert resolve_transport("other-name") is Memory


def test_an_alias_may_be_a_function_that_gives_a_path_or_a_class(aliases: dict[str, Any]) -> None:
    aliases["path"] = lambda: f"{__name__}:Own"
    aliases["class"] = lambda: Own
    assert resolve_transport("path") is Own
    assert resolve_transport("class") is Own


def test_aliases_can_be_changed_and_changed_back(aliases: dict[str, Any]) -> None:
    documented = aliases["memory"]
    assert resolve_transport("memory") is Memory
    aliases["memory"] = f"{__name__}:Own"
    assert resolve_transport("memory") is Own
    assert transport_spec("memory") is None
    aliases["memory"] = documented
    assert resolve_transport("memory") is Memory
    spec = transport_spec("memory")
    assert spec is not None
    assert spec.name == "memory"


def test_the_documented_aliases_are_there() -> None:
    assert TRANSPORT_ALIASES["SQS"] == "kombu.transport.SQS:Transport"
    assert TRANSPORT_ALIASES["kafka"] == "kombu.transport.confluentkafka:Transport"
    assert TRANSPORT_ALIASES["slmq"] == "kombu.transport.SLMQ.Transport"


def test_librabbitmq_is_not_supported() -> None:
    assert supports_librabbitmq() is None  # type: ignore[func-returns-value]
