"""The pytest plugin that judges a transport: ``pytest -p kombu.testing.plugin --kombu-url URL``.

It is named on the command line, or by ``pytest_plugins`` in a ``conftest.py``.  It is not an entry
point: that would import kombu into every run of pytest wherever kombu is installed, before the
measuring of coverage and before gevent's patches.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kombu import Connection

from .fixtures import run
from .kit.broker import Broker
from .kit.promises import PROMISES, flag_of
from .kit.results import FIGURES, FLAG, TEST, Results

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kombu.testing.runs import Run
    from kombu.transport.capabilities import Capabilities

__all__ = (
    "broker",
    "broker_options",
    "broker_server",
    "broker_url",
    "capabilities",
    "figures",
    "many",
    "needed_server",
    "run",
    "shortest_lease",
    "shortest_time",
)

# Where the suites are imported by a module of tests they are to explain their assertions, too.
pytest.register_assert_rewrite("kombu.testing.suites")

SUITES = Path(__file__).parent / "suites"

_known = pytest.StashKey[dict[str, Any]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """What can be said on the command line."""
    group = parser.getgroup("kombu", "judging a transport of kombu")
    group.addoption(
        "--kombu-url",
        metavar="URL",
        help="judge the transport of this URL; without further arguments, by all suites",
    )
    group.addoption(
        "--kombu-results",
        metavar="FILE",
        help="write what was shown of each promise to this file, as JSON",
    )
    group.addoption(
        "--kombu-promise",
        metavar="NAME",
        action="append",
        help="run only the tests that are about this promise; may be given several times",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Say what the marker is, what to run by default, and where results go."""
    config.addinivalue_line(
        "markers", "promise(name, tells=True): what of a transport the test is about"
    )
    config.stash[_known] = {}
    source = pytest.Config.ArgsSource
    if config.getoption("kombu_url") and config.args_source is not source.ARGS:
        config.args[:] = [str(SUITES)]
    path = config.getoption("kombu_results")
    # Under pytest-xdist the process that gives out the tests hears of all of them.
    if path and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Results(Path(path)), "kombu results")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    """Take the modules of the suites, whatever ``python_files`` says."""
    if file_path.parent != SUITES or file_path.suffix != ".py" or file_path.name.startswith("_"):
        return None
    if parent.session.isinitpath(file_path):
        return None  # named on the command line: pytest takes it anyway
    module: pytest.Module = pytest.Module.from_parent(parent, path=file_path)
    return module


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is about other promises, where some are asked for."""
    wanted = set(config.getoption("kombu_promise") or ())
    if unknown := wanted - set(PROMISES):
        raise pytest.UsageError(
            f"--kombu-promise: no promise is called {sorted(unknown)}: "
            f"wanted one of {sorted(PROMISES)}"
        )
    if wanted:
        kept = [i for i in items if wanted & {m.args[0] for m in i.iter_markers("promise")}]
        config.hook.pytest_deselected(items=[item for item in items if item not in set(kept)])
        items[:] = kept


def pytest_itemcollected(item: pytest.Item) -> None:
    """Have reports tell what their test is about."""
    names = [marker.args[0] for marker in item.iter_markers("promise")]
    if names:
        item.user_properties.append((TEST, [_name_of(item), names]))


def _name_of(item: pytest.Item) -> str:
    """The name of a test, wherever its class was imported to."""
    cls = getattr(item, "cls", None)
    if cls is None:
        return item.nodeid
    suite = next((base for base in cls.__mro__ if item.name.split("[")[0] in vars(base)), cls)
    return f"{suite.__module__.rpartition('.')[2]}::{item.name}"


@pytest.fixture
def broker_url(request: pytest.FixtureRequest) -> str:
    """Where the broker is; the author of a transport overrides it, or says ``--kombu-url``."""
    url: str | None = request.config.getoption("kombu_url")
    if not url:
        pytest.fail(
            "which broker? Override the fixture broker_url, or say --kombu-url URL", pytrace=False
        )
    return url


@pytest.fixture
def broker_options() -> dict[str, Any]:
    """``transport_options`` for all connections; to be overridden."""
    return {}


@pytest.fixture
def broker_server() -> Any:
    """The `kombu.testing.servers.Server` behind `broker_url`, which tests may kill; or None.

    Where it is overridden, what happens on the loss of a connection is shown, too.
    """
    return None


@pytest.fixture
def needed_server(broker_server: Any) -> Any:
    """What `broker_server` gives; skips the test where it gives nothing."""
    if broker_server is None:
        pytest.skip("what server is behind broker_url is not told: override broker_server")
    return broker_server


@pytest.fixture
def shortest_lease() -> float:
    """The shortest lease that the transport can do (seconds); to be overridden."""
    return 1.0


@pytest.fixture
def shortest_time() -> float:
    """The shortest time to live and delay that the transport can do (seconds); to be overridden."""
    return 0.1


@pytest.fixture
def many() -> int:
    """How many messages the tests may send that send many; to be overridden for slow brokers.

    The largest sends so many, others a fifth of it.
    """
    return 1000


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Notes how much a scenario has tried: its run, how long it took (seconds), and counts."""

    def note(run: Run, seconds: float, **counts: int) -> None:
        tried = {"seed": run.seed, "scale": run.scale, "seconds": round(seconds, 1), **counts}
        request.node.user_properties.append((FIGURES, tried))

    return note


@pytest.fixture
def capabilities(
    request: pytest.FixtureRequest, broker_url: str, broker_options: dict[str, Any]
) -> Capabilities:
    """What the transport promises, asked of a connection once for each URL."""
    known = request.config.stash[_known]
    if broker_url not in known:
        with Connection(broker_url, transport_options=broker_options) as connection:
            connection.connect(timeout=30)
            known[broker_url] = connection.transport.capabilities
    found: Capabilities = known[broker_url]
    return found


@pytest.fixture
def broker(
    broker_url: str, broker_options: dict[str, Any], capabilities: Capabilities
) -> Iterator[Broker]:
    """The broker, for one test."""
    broker = Broker(broker_url, broker_options, capabilities)
    yield broker
    broker.close()


@pytest.fixture(autouse=True)
def _promised(request: pytest.FixtureRequest) -> None:
    """Judge a test by what the transport says of its promise."""
    markers = list(request.node.iter_markers("promise"))
    if not markers:
        return
    names = sorted({marker.args[0] for marker in markers})
    capabilities = request.getfixturevalue("capabilities")
    flag = flag_of(capabilities, names)
    flags = {name: flag_of(capabilities, [name]) for name in names}
    request.node.user_properties.append((FLAG, flags))
    if flag is True:
        return
    said = f"the transport's flag for {' and '.join(names)} is {flag or 'no'}"
    if flag:
        request.node.add_marker(pytest.mark.xfail(reason=f"{said}: reported, not judged"))
    elif os.environ.get("CI") and all(marker.kwargs.get("tells", True) for marker in markers):
        request.node.add_marker(
            pytest.mark.xfail(
                reason=f"{said}: this must fail, or say yes or unpromised", strict=True
            )
        )
    else:
        pytest.skip(said)
