"""The dotted paths of 5.7's transports, where there is no plugin."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from kombu.plugins.known import KNOWN
from kombu.transport.lookup import TRANSPORT_ALIASES

if TYPE_CHECKING:
    from wheels import Environment

pytestmark = pytest.mark.packaging

#: Its module is there without a plugin, for its URIs.
WITH_URIS = "azurestoragequeues"

_IMPORT_ALL = """if True:
    import json, sys
    from importlib import import_module
    from kombu.transport.lookup import TRANSPORT_ALIASES

    told = {}
    for scheme, path in TRANSPORT_ALIASES.items():
        module, _, name = path.replace(":", ".").rpartition(".")
        try:
            getattr(import_module(module), name)(None)
        except ImportError as error:
            told[scheme] = [type(error).__name__, str(error), module in sys.modules]
    print(json.dumps(told))
    """


@pytest.fixture(scope="module")
def told(core: Environment) -> dict[str, list[object]]:
    return json.loads(core.run(_IMPORT_ALL))


@pytest.mark.parametrize("scheme", sorted(TRANSPORT_ALIASES))
def test_a_path_without_its_plugin_names_what_would_bring_it(
    told: dict[str, list[object]], scheme: str
) -> None:
    kind, message, imported = told[scheme]
    known = KNOWN[scheme]
    assert kind == "PluginNotFound"
    if known.extra is not None:
        assert f"kombu[{known.extra}]" in str(message)
    assert ("not written yet" in str(message)) is not known.written
    assert imported is (scheme == WITH_URIS)


def test_modules_below_a_path_say_the_same(core: Environment) -> None:
    kind, message = core.error("import kombu.transport.SQS.exceptions")
    assert kind == "PluginNotFound"
    assert 'pip install "kombu[sqs]>=6"' in message
