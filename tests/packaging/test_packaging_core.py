"""The core's wheel alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from wheels import find_commands

if TYPE_CHECKING:
    from collections.abc import Callable

    from wheels import Environment

pytestmark = pytest.mark.packaging


def test_pluggy_is_all_that_comes_with_the_core(core: Environment) -> None:
    installed = core.distributions()
    assert set(installed) == {"kombu", "pluggy"}
    assert installed["kombu"].startswith("6.")


def test_importing_kombu_imports_nothing_from_outside_the_standard_library(
    core: Environment,
) -> None:
    code = """if True:
        import sys
        before = set(sys.modules)
        import kombu
        loaded = {name.partition(".")[0] for name in set(sys.modules) - before}
        print(sorted(loaded - set(sys.stdlib_module_names)), "importlib.metadata" in sys.modules)
        """
    assert core.run(code) == "['kombu'] False"


def test_finding_a_transport_loads_no_driver(plugged: Environment) -> None:
    code = """if True:
        import sys
        from kombu.plugins import find_transport
        print(find_transport("sample").backend)
        print("kombu_sample_transport.store" in sys.modules)
        """
    assert plugged.run(code) == "kombu_sample_transport.store:Store\nFalse"


def test_the_wheel_says_that_it_is_typed(core: Environment) -> None:
    code = "import importlib.resources as r; print(r.files('kombu').joinpath('py.typed').is_file())"
    assert core.run(code) == "True"


def test_without_a_plugin_the_default_names_its_extra(core: Environment) -> None:
    kind, message = core.error("from kombu.transport import get_transport_cls; get_transport_cls()")
    assert kind == "PluginNotFound"
    assert "kombu[amqp]" in message
    assert find_commands(message) == ['pip install "kombu[amqp]>=6"']


@pytest.mark.usefixtures("connection")
def test_connecting_without_a_plugin_names_the_extra(core: Environment) -> None:
    kind, message = core.error("from kombu import Connection; Connection().connect()")
    assert kind == "PluginNotFound"
    assert "kombu[amqp]" in message


def test_the_extra_for_tests_brings_all_that_they_import(
    new_environment: Callable[..., Environment],
) -> None:
    environment = new_environment("kombu[testing]>=6")
    code = """if True:
        import importlib, pkgutil
        import kombu.testing
        names = [m.name for m in pkgutil.walk_packages(kombu.testing.__path__, "kombu.testing.")]
        for name in names:
            importlib.import_module(name)
        print(len(names) > 15)
        """
    assert environment.run(code) == "True"
