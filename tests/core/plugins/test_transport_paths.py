"""The dotted paths of Kombu 5's transports are there, or say what to install."""

from __future__ import annotations

import pickle
import subprocess
import sys
from importlib import import_module, util
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

import kombu.transport
from kombu import Connection, plugins
from kombu.plugins import PluginNotFound
from kombu.plugins.known import KNOWN
from kombu.transport import memory
from kombu.transport.azurestoragequeues import Transport as AzureTransport
from kombu.transport.lookup import _DOCUMENTED

if TYPE_CHECKING:
    from fabricated import Site

PATHS = {scheme: path.replace(":", ".").rpartition(".")[0] for scheme, path in _DOCUMENTED.items()}

CLASSES = {
    scheme: path.rpartition(":")[2].rpartition(".")[2] for scheme, path in _DOCUMENTED.items()
}

#: Its module is there, for its URIs.
WITH_URIS = "azurestoragequeues"


def test_the_paths_are_those_of_all_transports() -> None:
    names = {path.removeprefix("kombu.transport.") for path in PATHS.values()}
    assert names == {
        *("SLMQ", "SQS", "azureservicebus", "azurestoragequeues", "confluentkafka", "consul"),
        *("etcd", "filesystem", "gcpubsub", "librabbitmq", "memory", "mongodb", "pgmq", "pyamqp"),
        *("pyro", "qpid", "redis", "sqlalchemy", "zookeeper"),
    }


@pytest.mark.parametrize("scheme", sorted(s for s in PATHS if KNOWN[s].written))
def test_a_path_of_an_installed_plugin_has_the_transport(scheme: str) -> None:
    transport = getattr(import_module(PATHS[scheme]), CLASSES[scheme])
    with Connection(f"{scheme}://") as connection:
        # librabbitmq has one of its own, which says that it is gone.
        assert issubclass(connection.get_transport_cls(), transport)


@pytest.mark.parametrize("scheme", sorted({*PATHS} - {WITH_URIS}))
def test_what_is_not_there_says_what_would_bring_it(scheme: str) -> None:
    name = PATHS[scheme]
    assert util.find_spec(name) is not None
    if KNOWN[scheme].written:
        return  # tests/packaging asks where there is no plugin
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


def test_a_path_may_have_modules_below_it() -> None:
    sqs = import_module("kombu.transport.SQS")
    errors = import_module("kombu.transport.SQS.exceptions")
    assert errors.UndefinedQueueException is sqs.UndefinedQueueException
    assert import_module("kombu.transport.SQS") is sqs


def test_the_classes_of_the_memory_transport_go_by_their_documented_names() -> None:
    for cls in (memory.Channel, memory.Transport):
        assert cls.__module__ == "kombu.transport.memory"
        assert pickle.loads(pickle.dumps(cls)) is cls


# -- Azure's URIs, which a result backend of Celery reads by that transport ------------------------


@pytest.mark.parametrize(
    ("uri", "credential", "url"),
    [
        (":key@https://acc.queue.core.windows.net", ":key", "https://acc.queue.core.windows.net"),
        ("SAS?a=1&b=2@https://x", "SAS?a=1&b=2", "https://x"),
        ("a@b@c", "a@b", "c"),
        (
            "key@http://127.0.0.1:10001/devstoreaccount1",
            {"account_name": "devstoreaccount1", "account_key": "key"},
            "http://127.0.0.1:10001/devstoreaccount1",
        ),
    ],
)
def test_a_uri_of_azure_has_a_credential_and_a_url(uri: str, credential: object, url: str) -> None:
    assert AzureTransport.parse_uri(f"azurestoragequeues://{uri}") == (credential, url)


@pytest.mark.parametrize("name", ["DefaultAzureCredential", "ManagedIdentityCredential"])
def test_a_credential_of_azure_may_be_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = object()
    monkeypatch.setitem(sys.modules, "azure", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "azure.identity", SimpleNamespace(**{name: lambda: made}))
    # The emulator's account does not matter then.
    uri = f"azurestoragequeues://{name}@http://devstoreaccount1"
    assert AzureTransport.parse_uri(uri) == (made, "http://devstoreaccount1")


def test_a_named_credential_without_its_package_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "azure.identity", None)
    with pytest.raises(ImportError, match="pip install azure-identity"):
        AzureTransport.parse_uri("azurestoragequeues://DefaultAzureCredential@https://x")


@pytest.mark.parametrize("uri", ["", "secret", "secret@", "@https://x"])
def test_another_uri_is_refused_and_not_quoted(uri: str) -> None:
    with pytest.raises(ValueError, match="Need a URI like") as caught:
        AzureTransport.parse_uri(f"azurestoragequeues://{uri}")
    assert "secret" not in str(caught.value)


def test_the_transport_without_a_plugin_says_so() -> None:
    with pytest.raises(PluginNotFound, match="is not written yet"):
        AzureTransport(None)


def test_a_plugin_for_a_path_stands_in_for_its_module(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = PATHS[WITH_URIS]
    before = sys.modules[path]
    site.install_transport(schemes=(WITH_URIS,))
    plugins.refresh()
    monkeypatch.delitem(sys.modules, path)
    try:
        assert import_module(path).__name__ == "toy_plugin"
    finally:
        sys.modules[path] = before
        kombu.transport.azurestoragequeues = before
