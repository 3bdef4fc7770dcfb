"""Each plugin alone with the core in an empty environment: it works, and says what is missing."""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING

import pytest
from plugin_table import PLUGINS, Plugin
from wheels import ROOT, call, find_commands

from kombu.testing.fixtures import need

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from wheels import Environment

SERVED = [plugin for plugin in PLUGINS if plugin.server is not None]
DRIVEN = [plugin for plugin in PLUGINS if plugin.drivers]


def name_of(plugin: Plugin) -> str:
    return plugin.extra


@pytest.fixture(scope="module")
def alone(new_environment: Callable[..., Environment]) -> Callable[[str], Environment]:
    """The core with one plugin, and what the demo's command line needs."""
    made: dict[str, Environment] = {}

    def environment(extra: str) -> Environment:
        if extra not in made:
            made[extra] = new_environment(f"kombu[{extra},cli]>=6")
        return made[extra]

    return environment


def count_files(environment: Environment, url: str, folder: Path) -> str:
    """Run the program of scripts/demo; return what it printed."""
    python = [environment.python, "-m", "demo", "--url", url, "--workers", "2", folder]
    return call(python, ROOT / "examples")


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    for number in range(20):
        (tmp_path / f"module{number}.py").write_text("import os\n" * (number + 1))
    return tmp_path


def test_every_plugin_is_tried() -> None:
    folders = {path.name for path in (ROOT / "plugins").iterdir() if path.is_dir()}
    assert {plugin.extra for plugin in PLUGINS} == folders - {"memory"}


@pytest.mark.parametrize("plugin", SERVED, ids=name_of)
def test_the_demo_runs_on_a_server(
    plugin: Plugin, alone: Callable[[str], Environment], sources: Path
) -> None:
    assert plugin.server is not None
    need(plugin.server)
    with plugin.server() as server:
        printed = count_files(alone(plugin.extra), plugin.url(server), sources)
    # 1 + 2 + ... + 20 lines.
    assert "210" in printed


@pytest.mark.parametrize("plugin", PLUGINS, ids=name_of)
def test_no_other_plugin_comes_with_it(plugin: Plugin, alone: Callable[[str], Environment]) -> None:
    ours = {name for name in alone(plugin.extra).distributions() if name.startswith("kombu")}
    assert ours == {"kombu", f"kombu-{plugin.extra}"}


@pytest.mark.parametrize("plugin", SERVED, ids=name_of)
def test_a_server_that_is_not_there_is_named(
    plugin: Plugin, alone: Callable[[str], Environment]
) -> None:
    assert plugin.server is not None
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    url = f"{plugin.scheme or plugin.extra}://127.0.0.1:{port}"
    code = f"""if True:
        from kombu import Connection
        from kombu.exceptions import OperationalError
        connection = Connection({url!r})
        try:
            with connection.Producer() as producer:
                producer.publish("m", routing_key="q", timeout=5)
        except connection.connection_errors + (OperationalError,) as error:
            print(type(error).__mro__)
            print(error)
        """
    began = time.monotonic()
    printed = alone(plugin.extra).run(code)
    assert time.monotonic() - began < 30
    assert "127.0.0.1" in printed
    assert str(port) in printed


@pytest.mark.parametrize("plugin", DRIVEN, ids=name_of)
def test_a_missing_driver_is_installed_by_the_command(
    plugin: Plugin, new_environment: Callable[..., Environment]
) -> None:
    environment = new_environment("kombu>=6")
    environment.install("--no-deps", f"kombu-{plugin.extra}")
    scheme = plugin.scheme or plugin.extra
    kind, message = environment.error(
        f"from kombu import Connection; Connection('{scheme}://localhost').connect(timeout=2)"
    )
    assert kind == "PluginLoadError"
    (command,) = find_commands(message)
    assert f'"kombu[{plugin.extra}]>=6"' in command


def test_the_demo_runs_in_a_folder(
    alone: Callable[[str], Environment], sources: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    if "filesystem" not in {plugin.extra for plugin in PLUGINS}:
        pytest.skip("the plugin is not written yet")
    folder = tmp_path_factory.mktemp("messages")
    printed = count_files(alone("filesystem"), f"filesystem://{folder}{os.sep}", sources)
    assert "210" in printed
