"""Every error of a plugin, from installed wheels, with each command that it prints run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from wheels import ROOT, SAMPLES, Wheelhouse, find_commands

if TYPE_CHECKING:
    from collections.abc import Callable

    from wheels import Environment

pytestmark = pytest.mark.packaging

FIND = "from kombu.plugins import find_transport; find_transport({!r})"
GET_CLASS = "from kombu.transport import get_transport_cls; get_transport_cls({!r})"


@pytest.fixture(scope="session")
def repaired(uv: str, tmp_path_factory: pytest.TempPathFactory) -> Wheelhouse:
    """Later releases of the samples that do not work, which do."""
    house = Wheelhouse(uv, tmp_path_factory.mktemp("repaired"))
    scratch = tmp_path_factory.mktemp("repaired-sources")
    version = {"pyproject.toml": {'version = "1.0"': 'version = "1.1"'}}
    house.build_changed(
        SAMPLES / "broken",
        scratch / "broken",
        version
        | {"src/kombu_sample_broken/__init__.py": {"TransportDescription": "TransportSpec"}},
    )
    house.build_changed(
        SAMPLES / "outdated",
        scratch / "outdated",
        version | {"src/kombu_sample_outdated/__init__.py": {"API = 0": "API = 1"}},
    )
    return house


def found(environment: Environment, scheme: str) -> bool:
    return environment.run(f"{FIND.format(scheme)}; print('found')") == "found"


def test_commands_are_read_from_messages() -> None:
    assert find_commands(
        'Install it: pip install "kombu[memory]>=6" or (pip install --upgrade "a-b" "kombu>=6"). '
        "pip uninstall kombu-a or pip uninstall kombu-b (or else)"
    ) == [
        'pip install "kombu[memory]>=6"',
        'pip install --upgrade "a-b" "kombu>=6"',
        "pip uninstall kombu-a",
        "pip uninstall kombu-b",
    ]


@pytest.mark.parametrize("scheme", ["memory", "memori", "gcpubsub"])
def test_a_missing_plugin_comes_with_a_command_that_installs_one(
    new_environment: Callable[..., Environment], wheelhouse: Wheelhouse, scheme: str
) -> None:
    environment = new_environment("kombu>=6", with_pip=scheme == "memory")
    kind, message = environment.error(FIND.format(scheme))
    assert kind == "PluginNotFound"
    commands = find_commands(message)
    # Of one that is not written the message lists those that are.
    wanted = 'pip install "kombu[memory]>=6"'
    assert wanted in commands if scheme == "gcpubsub" else commands == [wanted]
    environment.follow(wanted)
    assert environment.distributions()["kombu-memory"] == "6.0.0"
    assert environment.distributions()["kombu"].startswith("6.")
    if "kombu_memory/plugin.py" in wheelhouse.names("kombu-memory"):
        assert found(environment, "memory")


def test_a_conflict_names_both_and_either_way_out_works(
    new_environment: Callable[..., Environment], troubled: Environment
) -> None:
    kind, message = troubled.error(FIND.format("sample"))
    assert kind == "PluginConflict"
    assert "kombu-sample-duplicate 1.0 (kombu_sample_duplicate)" in message
    assert "kombu-sample-transport 1.0 (kombu_sample_transport.plugin)" in message
    commands = find_commands(message)
    assert commands == [
        "pip uninstall kombu-sample-duplicate",
        "pip uninstall kombu-sample-transport",
    ]
    for command, left in zip(commands, ("sample", "duplicate"), strict=True):
        environment = new_environment(
            "kombu>=6", "kombu-sample-transport", "kombu-sample-duplicate"
        )
        environment.follow(command)
        code = "from kombu.plugins import find_transport; print(find_transport('sample').name)"
        assert environment.run(code) == left


def test_a_broken_plugin_says_what_failed_and_upgrading_repairs_it(
    new_environment: Callable[..., Environment], repaired: Wheelhouse
) -> None:
    environment = new_environment("kombu>=6", "kombu-sample-broken==1.0")
    kind, message = environment.error(FIND.format("sample-broken"))
    assert kind == "PluginLoadError"
    for part in (
        "kombu-sample-broken 1.0",
        "'sample-broken'",
        "ImportError: cannot import name 'TransportDescription'",
    ):
        assert part in message
    (command,) = find_commands(message)
    environment.follow(command, repaired.folder)
    assert environment.distributions()["kombu-sample-broken"] == "1.1"
    assert found(environment, "sample-broken")


def test_an_outdated_plugin_is_upgraded_by_the_command(
    new_environment: Callable[..., Environment], repaired: Wheelhouse
) -> None:
    environment = new_environment("kombu>=6", "kombu-sample-outdated==1.0")
    kind, message = environment.error(FIND.format("sample-outdated"))
    assert kind == "PluginVersionMismatch"
    assert "kombu-sample-outdated 1.0" in message
    assert "was written for plugin API 0; kombu 6.0.0 has plugin API 1" in message
    (command,) = find_commands(message)
    environment.follow(command, repaired.folder)
    assert environment.distributions()["kombu"] == "6.0.0"
    assert found(environment, "sample-outdated")


def test_an_outdated_core_is_upgraded_by_the_command(
    new_environment: Callable[..., Environment], uv: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    later = Wheelhouse(uv, tmp_path_factory.mktemp("later"))
    scratch = tmp_path_factory.mktemp("later-sources")
    later.build_changed(
        ROOT / "core",
        scratch / "core",
        {
            "pyproject.toml": {'version = "6.0.0"': 'version = "6.99"'},
            "src/kombu/plugins/hookspecs.py": {"PLUGIN_API = 1": "PLUGIN_API = 2"},
        },
    )
    later.build_changed(
        SAMPLES / "outdated",
        scratch / "outdated",
        {
            "pyproject.toml": {'version = "1.0"': 'version = "1.2"'},
            "src/kombu_sample_outdated/__init__.py": {"API = 0": "API = 2"},
        },
    )
    environment = new_environment("kombu==6.0.0")
    environment.follow('pip install --no-deps "kombu-sample-outdated==1.2"', later.folder)
    kind, message = environment.error(FIND.format("sample-outdated"))
    assert kind == "PluginVersionMismatch"
    (command,) = find_commands(message)
    assert command == 'pip install --upgrade "kombu>=6"'
    environment.follow(command, later.folder)
    assert environment.distributions()["kombu"] == "6.99"
    assert found(environment, "sample-outdated")


def test_a_missing_driver_is_installed_by_the_command(
    new_environment: Callable[..., Environment],
) -> None:
    environment = new_environment("kombu>=6", "kombu-sample-driver")
    assert found(environment, "sample-driver")
    kind, message = environment.error(GET_CLASS.format("sample-driver"))
    assert kind == "PluginLoadError"
    assert "kombu-sample-driver 1.0 (kombu_sample_driver.plugin)" in message
    assert "No module named 'kombu_memory'" in message
    (command,) = find_commands(message)
    environment.follow(command)
    code = f"{GET_CLASS.format('sample-driver')}; print('opened')"
    assert environment.run(code) == "opened"


def test_a_missing_requirement_is_installed_by_the_command(
    new_environment: Callable[..., Environment], uv: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    needy = Wheelhouse(uv, tmp_path_factory.mktemp("needy"))
    needy.build_changed(
        SAMPLES / "outdated",
        tmp_path_factory.mktemp("needy-sources") / "needy",
        {
            "pyproject.toml": {
                'version = "1.0"': 'version = "1.3"',
                '["kombu>=6,<7"]': '["kombu>=6,<7", "kombu-sample-serializer"]',
            },
            "src/kombu_sample_outdated/__init__.py": {
                "KOMBU_PLUGIN_API = 0": "import kombu_sample_serializer\nKOMBU_PLUGIN_API = 1"
            },
        },
    )
    environment = new_environment("kombu>=6")
    environment.follow('pip install --no-deps "kombu-sample-outdated==1.3"', needy.folder)
    kind, message = environment.error(FIND.format("sample-outdated"))
    assert kind == "PluginLoadError"
    assert "No module named 'kombu_sample_serializer'" in message
    (command,) = find_commands(message)
    environment.follow(command, needy.folder)
    assert found(environment, "sample-outdated")


def test_a_plugin_whose_files_are_gone_is_reinstalled_by_the_command(
    new_environment: Callable[..., Environment],
) -> None:
    environment = new_environment("kombu>=6", "kombu-sample-transport")
    (module,) = environment.folder.rglob("kombu_sample_transport/plugin.py")
    module.unlink()
    for cached in module.parent.rglob("*.pyc"):
        cached.unlink()
    kind, message = environment.error(FIND.format("sample"))
    assert kind == "PluginLoadError"
    (command,) = find_commands(message)
    environment.follow(command)
    assert found(environment, "sample")


def test_a_broken_plugin_leaves_the_others_alone(troubled: Environment) -> None:
    for scheme, kind in (
        ("sample-broken", "PluginLoadError"),
        ("sample-outdated", "PluginVersionMismatch"),
        ("sample", "PluginConflict"),
    ):
        assert troubled.error(FIND.format(scheme))[0] == kind
    code = """if True:
        from kombu.plugins import find_serializer, find_transport
        for scheme in ("sample-broken", "sample-outdated", "sample"):
            try:
                find_transport(scheme)
            except ImportError:
                print("not found")
            except Exception as error:
                print(type(error).__name__)
        print(find_serializer("sample-literal").name)
        """
    assert troubled.run(code).split() == [
        *("not", "found"),
        "PluginVersionMismatch",
        "PluginConflict",
        "sample-literal",
    ]
