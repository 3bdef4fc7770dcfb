from __future__ import annotations

import logging
import os
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from kombu import plugins
from kombu.plugins import PluginError, PluginLoadError, TransportSpec, hookimpl
from kombu.transport import transport_class

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from fabricated import Site

SPEC = TransportSpec("toy", ("toy",), transport=f"{__name__}:Transport")


class Transport:
    def __init__(self, client: object) -> None:
        self.client = client


class Refused:
    def __init__(self, client: object) -> None:
        raise ConnectionRefusedError("nobody listens")


def test_the_core_makes_an_instance_of_the_class_for_the_client() -> None:
    client = object()
    transport = plugins.open_transport(SPEC, client)
    assert type(transport) is Transport
    assert transport.client is client


def test_what_the_driver_raises_passes_through() -> None:
    spec = TransportSpec("toy", ("toy",), transport=f"{__name__}:Refused")
    with pytest.raises(ConnectionRefusedError, match="nobody listens"):
        plugins.open_transport(spec, None)


def test_a_plugin_may_wrap_what_the_others_return(site: Site) -> None:
    class Wrapper:
        @hookimpl(wrapper=True)
        def kombu_open_transport(
            self, spec: TransportSpec, params: object
        ) -> Generator[None, Any, Any]:
            inner = yield
            return spec.name, params, inner

    site.host.register(Wrapper(), "wrapper")
    name, params, inner = site.host.open_transport(SPEC, "client")
    assert (name, params, inner.client) == ("toy", "client", "client")


def test_a_plugin_may_answer_before_the_core(site: Site) -> None:
    class Instead:
        @hookimpl
        def kombu_open_transport(self, spec: TransportSpec, params: object) -> object:
            return "instead" if params == "mine" else None

    site.host.register(Instead(), "instead")
    assert site.host.open_transport(SPEC, "mine") == "instead"
    assert site.host.open_transport(SPEC, "other").client == "other"


def test_a_wrapper_that_loses_the_transport_is_named(site: Site) -> None:
    class Forgetful:
        @hookimpl(wrapper=True)
        def kombu_open_transport(self) -> Iterator[Any]:
            yield

    site.host.register(Forgetful(), "forgetful")
    with pytest.raises(PluginError, match=r"\(forgetful, kombu\) returned None"):
        site.host.open_transport(SPEC, None)


WRAPPER = """
from kombu.plugins import hookimpl
KOMBU_PLUGIN_API = 1

@hookimpl(wrapper=True)
def kombu_open_transport(spec, params):
    inner = yield
    return ("wrapped", inner)
"""


def test_installed_wrappers_are_loaded_at_the_first_connect_each_by_itself(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    site.install(
        "wrapping", {"kombu.plugins": {"wrap": "wrapping_plugin"}}, {"wrapping_plugin": WRAPPER}
    )
    site.install("bad", {"kombu.plugins": {"aaa": "bad_wrapper"}}, {"bad_wrapper": "1 / 0"})
    site.install(
        "old",
        {"kombu.plugins": {"wrap": "old_wrapper"}},
        {"old_wrapper": WRAPPER.replace("API = 1", "API = 0")},
    )
    site.install_transport()
    spec = site.host.find_transport("toy")
    assert "wrapping_plugin" not in sys.modules
    with caplog.at_level(logging.WARNING, "kombu.plugins"):
        word, inner = site.host.open_transport(spec, "client")
        site.host.open_transport(spec, "client")
    assert word == "wrapped"
    assert inner.client == "client"
    texts = [record.getMessage() for record in caplog.records]
    assert len(texts) == 2
    assert any("bad 1.0" in text and "ZeroDivisionError" in text for text in texts)
    assert any("old 1.0" in text and "plugin API 0" in text for text in texts)


def test_threads_that_connect_first_are_all_wrapped(site: Site) -> None:
    site.install(
        "wrapping",
        {"kombu.plugins": {"wrap": "slow_wrapper"}},
        {"slow_wrapper": "import time\ntime.sleep(0.05)\n" + WRAPPER},
    )
    barrier = threading.Barrier(8)
    answers: list[str] = []

    def connect() -> None:
        barrier.wait()
        answers.append(site.host.open_transport(SPEC, None)[0])

    threads = [threading.Thread(target=connect) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert answers == ["wrapped"] * 8


def test_a_missing_driver_names_transport_distribution_and_command(site: Site) -> None:
    site.install(
        "kombu-toy",
        {"kombu.transports": {"toy": "toy_plugin"}},
        {
            "toy_plugin": """
            from kombu.plugins import TransportSpec, hookimpl
            KOMBU_PLUGIN_API = 1

            @hookimpl
            def kombu_transports():
                return [TransportSpec("toy", ("toy",), transport="toy_store:Store", extra="toy")]
            """,
            "toy_store": "import a_driver_that_is_not_here",
        },
    )
    spec = site.host.find_transport("toy")
    with pytest.raises(PluginLoadError) as caught:
        site.host.load_object(spec, "toy_store:Store")
    text = str(caught.value)
    assert "The transport 'toy' of kombu-toy 1.0 (toy_plugin) needs toy_store:Store" in text
    assert "ModuleNotFoundError: No module named 'a_driver_that_is_not_here'" in text
    assert 'pip install "kombu[toy]>=6"' in text
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)
    with pytest.raises(PluginLoadError, match="report this to its author"):
        site.host.load_object(SPEC, f"{__name__}:Nothing")


def test_a_backend_that_misses_its_driver_is_told_as_what_it_is() -> None:
    spec = TransportSpec("toy", ("toy",), backend="a_driver_that_is_not_here:Store", extra="toy")
    with pytest.raises(PluginLoadError, match="needs a_driver_that_is_not_here:Store"):
        transport_class(spec)


def test_a_descriptor_always_gives_the_same_class() -> None:
    assert transport_class(SPEC) is Transport
    assert (
        transport_class(TransportSpec("toy", ("toy",), transport=f"{__name__}:Transport"))
        is Transport
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_child_finds_plugins_although_a_thread_of_its_parent_was_loading_one(site: Site) -> None:
    site.install_transport()
    held, release = threading.Event(), threading.Event()

    class Slow:
        @hookimpl
        def kombu_transports(self) -> list[TransportSpec]:
            held.set()
            release.wait(20)
            return []

    thread = threading.Thread(target=site.host.register, args=(Slow(), "slow"))
    thread.start()
    assert held.wait(10)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            import signal

            signal.alarm(10)

            class Other:
                pass

            site.host.register(Other(), "other")
            status = 0 if site.host.find_transport("toy").name == "toy" else 2
        finally:
            os._exit(status)
    release.set()
    thread.join(10)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
