"""The dotted paths of Kombu 5's transports are there, or say what to install."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module, util

import pytest

from kombu.plugins import PluginNotFound
from kombu.plugins.known import KNOWN
from kombu.transport.lookup import _DOCUMENTED

#: Modules that other transports bring, and that are written with them.
WITH_THEIR_PLUGINS = {
    "redis",
    "pyamqp",
    "librabbitmq",
    "SQS",
    "mongodb",
    "zookeeper",
    "etcd",
    "filesystem",
}

PATHS = {
    scheme: path.replace(":", ".").split(".")[2]
    for scheme, path in _DOCUMENTED.items()
    if path.replace(":", ".").split(".")[2] not in WITH_THEIR_PLUGINS
}


def test_the_paths_are_those_of_all_transports() -> None:
    assert {"SLMQ", "sqlalchemy", "gcpubsub", "qpid", "confluentkafka", "memory"} <= {
        *PATHS.values()
    }


@pytest.mark.parametrize("scheme", PATHS)
def test_a_path_is_a_module(scheme: str) -> None:
    assert util.find_spec(f"kombu.transport.{PATHS[scheme]}") is not None


@pytest.mark.parametrize("scheme", sorted(s for s in PATHS if not KNOWN[s].written))
def test_what_is_not_there_says_what_would_bring_it(scheme: str) -> None:
    name = f"kombu.transport.{PATHS[scheme]}"
    with pytest.raises(PluginNotFound) as caught:
        import_module(name)
    assert isinstance(caught.value, ImportError)
    assert "is not written yet" in str(caught.value)
    extra = KNOWN[scheme].extra
    assert extra is None or f"kombu[{extra}]" in str(caught.value)
    assert name not in sys.modules


def test_a_failed_import_prints_the_advice_alone() -> None:
    code = "import kombu.transport.qpid"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "'qpid' is not written yet" in done.stderr.splitlines()[-1]
