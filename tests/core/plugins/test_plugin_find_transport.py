from __future__ import annotations

import pickle
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from fabricated import transport_source

from kombu.exceptions import KombuError, VersionMismatch
from kombu.plugins import (
    PluginConflict,
    PluginLoadError,
    PluginNotFound,
    PluginVersionMismatch,
)

if TYPE_CHECKING:
    from fabricated import Site


def test_a_scheme_is_found_and_only_its_plugin_is_imported(site: Site) -> None:
    site.install_transport(schemes=("toy", "toys"))
    site.install_transport("kombu-other", "other_plugin", ("other",))
    spec = site.host.find_transport("toys")
    assert (spec.name, spec.schemes, spec.default_port) == ("toy", ("toy", "toys"), 1234)
    assert "toy_plugin" in sys.modules
    assert "other_plugin" not in sys.modules


def test_a_scheme_with_a_plus_is_looked_up_whole_then_by_its_head(site: Site) -> None:
    site.install_transport()
    assert site.host.find_transport("toy+socket+more").name == "toy"
    site.install_transport("kombu-whole", "whole_plugin", ("toy+socket",))
    site.host.refresh()
    assert site.host.find_transport("toy+socket").name == "toy+socket"
    assert site.host.find_transport("toy+other").name == "toy"


def test_what_was_installed_after_the_first_look_up_is_found(site: Site) -> None:
    with pytest.raises(PluginNotFound):
        site.host.find_transport("toy")
    site.install_transport()
    assert site.host.find_transport("toy").name == "toy"


def test_a_plugin_is_imported_and_asked_once_for_each_name(site: Site) -> None:
    site.install_transport(
        schemes=("toy", "toys"),
        extra_source="""
        import builtins
        calls = builtins.__dict__.setdefault("_toy_calls", [])
        calls.append("import")
        """,
    )
    import builtins

    try:
        for scheme in ("toy", "toy", "toys", "toy"):
            site.host.find_transport(scheme)
        assert builtins._toy_calls == ["import"]  # type: ignore[attr-defined]
    finally:
        del builtins._toy_calls  # type: ignore[attr-defined]


def test_an_unknown_scheme_is_a_key_error_and_an_import_error_that_reads_well(site: Site) -> None:
    site.install_transport()
    with pytest.raises(PluginNotFound) as caught:
        site.host.find_transport("toi")
    error = caught.value
    assert isinstance(error, KeyError)
    assert isinstance(error, ImportError)
    assert isinstance(error, KombuError)
    assert str(error).startswith(
        "No installed plugin provides the transport 'toi'. Did you mean 'toy'?"
    )
    assert error.key == "toi"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_two_distributions_with_one_scheme_are_a_conflict_that_names_both(site: Site) -> None:
    site.install_transport()
    site.install_transport("kombu-double", "double_plugin", version="2.5")
    with pytest.raises(PluginConflict) as caught:
        site.host.find_transport("toy")
    assert str(caught.value) == (
        "The transport 'toy' is provided by more than one plugin: kombu-double 2.5 (double_plugin) "
        "and kombu-toy 1.0 (toy_plugin). Uninstall the one that you do not want: "
        "pip uninstall kombu-double or pip uninstall kombu-toy "
        "(or name the class itself: transport='package.module:Class')"
    )
    assert "toy_plugin" not in sys.modules


def test_resolving_one_scheme_does_not_hide_the_conflict_on_another(site: Site) -> None:
    site.install_transport(schemes=("toy", "shared"))
    site.install_transport("kombu-double", "double_plugin", ("shared",))
    assert site.host.find_transport("toy").name == "toy"
    with pytest.raises(PluginConflict):
        site.host.find_transport("shared")


def test_a_broken_plugin_names_distribution_version_scheme_and_cause(site: Site) -> None:
    site.install(
        "kombu-broken", {"kombu.transports": {"bad": "bad_plugin"}}, {"bad_plugin": "1 / 0"}
    )
    with pytest.raises(PluginLoadError) as caught:
        site.host.find_transport("bad")
    text = str(caught.value)
    assert isinstance(caught.value, ImportError)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    for part in ("kombu-broken 1.0", "'bad'", "bad_plugin", "ZeroDivisionError: division by zero"):
        assert part in text
    assert 'pip install --upgrade "kombu-broken" "kombu>=6"' in text


def test_a_missing_requirement_says_how_to_install_it(site: Site) -> None:
    site.install(
        "kombu-broken",
        {"kombu.transports": {"bad": "bad_plugin", "gone": "nowhere_plugin.deep"}},
        {"bad_plugin": "import a_driver_that_is_not_here"},
    )
    with pytest.raises(
        PluginLoadError, match=r'Install what it requires: pip install "kombu-broken==1\.0"'
    ):
        site.host.find_transport("bad")
    with pytest.raises(PluginLoadError, match=r'--force-reinstall --no-deps "kombu-broken==1\.0"'):
        site.host.find_transport("gone")


def test_a_broken_plugin_does_not_break_another_nor_stay_broken(site: Site) -> None:
    site.install(
        "kombu-broken", {"kombu.transports": {"bad": "bad_plugin"}}, {"bad_plugin": "1 / 0"}
    )
    site.install_transport()
    with pytest.raises(PluginLoadError):
        site.host.find_transport("bad")
    assert site.host.find_transport("toy").name == "toy"
    (site.folder / "bad_plugin.py").write_text(transport_source(("bad",)) + "# repaired\n")
    assert site.host.find_transport("bad").name == "bad"


@pytest.mark.parametrize(
    ("api", "found", "advice"),
    [
        ("0", "was written for plugin API 0", 'pip install --upgrade "kombu-toy" "kombu>=6"'),
        ("7", "was written for plugin API 7", 'Upgrade the core: pip install --upgrade "kombu>=6"'),
        ("None", "does not say for which plugin API", 'pip install --upgrade "kombu-toy"'),
        ("'new'", "was written for plugin API 'new'", 'pip install --upgrade "kombu-toy"'),
    ],
)
def test_another_plugin_api_says_which_side_to_upgrade(
    site: Site, api: str, found: str, advice: str
) -> None:
    site.install(
        "kombu-toy",
        {"kombu.transports": {"toy": "toy_plugin"}},
        {"toy_plugin": transport_source(api=api)},
    )
    with pytest.raises(PluginVersionMismatch) as caught:
        site.host.find_transport("toy")
    assert isinstance(caught.value, VersionMismatch)
    text = str(caught.value)
    assert "kombu-toy 1.0, which provides the transport 'toy'" in text
    assert found in text
    assert "has plugin API 1" in text
    assert advice in text


def test_a_misspelt_hook_is_refused_and_leaves_nothing_behind(site: Site) -> None:
    site.install_transport(
        extra_source="""
        @hookimpl
        def kombu_transport():
            return []
        """
    )
    site.install_transport("kombu-good", "good_plugin", ("good",))
    with pytest.raises(PluginLoadError, match="kombu_transport"):
        site.host.find_transport("toy")
    assert site.host.find_transport("good").name == "good"


def test_a_hook_with_a_wrong_argument_is_refused_and_leaves_nothing_behind(site: Site) -> None:
    site.install_transport(
        extra_source="""
        @hookimpl
        def kombu_open_transport(specification):
            return None
        """
    )
    site.install_transport("kombu-good", "good_plugin", ("good",))
    with pytest.raises(PluginLoadError, match="specification"):
        site.host.find_transport("toy")
    spec = site.host.find_transport("good")
    assert type(site.host.open_transport(spec, "client")).__name__ == "Transport"


@pytest.mark.parametrize(
    ("schemes", "found"),
    [(("toys",), "hands over 'toys'"), (("a", "b"), "hands over 'a', 'b'")],
)
def test_a_scheme_that_the_plugin_does_not_hand_over_is_an_error(
    site: Site, schemes: tuple[str, ...], found: str
) -> None:
    site.install_transport(schemes=schemes, announced=("toy",))
    with pytest.raises(PluginLoadError, match=found):
        site.host.find_transport("toy")


def test_a_scheme_handed_over_twice_is_an_error(site: Site) -> None:
    site.install_transport(
        extra_source="""
        @hookimpl
        def kombu_transports():
            return 2 * [TransportSpec(name="toy", schemes=("toy",), transport="a:B")]
        """
    )
    with pytest.raises(PluginLoadError, match="hands 'toy' over 2 times"):
        site.host.find_transport("toy")


def test_a_hook_without_its_mark_is_explained(site: Site) -> None:
    site.install(
        "kombu-toy",
        {"kombu.transports": {"toy": "toy_plugin"}},
        {"toy_plugin": transport_source().replace("@hookimpl", "")},
    )
    with pytest.raises(
        PluginLoadError, match=r"hands nothing over \(a hook counts only with @hookimpl\)"
    ):
        site.host.find_transport("toy")


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("raise RuntimeError('oh')", r"failed: RuntimeError: oh"),
        ("return None", "failed: TypeError"),
        ("return ['toy']", "handed over 'toy', wanted a list of TransportSpec"),
        ("return [TransportSpec('toy', ('toy',))]", "failed: ValueError: TransportSpec 'toy'"),
    ],
)
def test_a_hook_that_fails_is_named(site: Site, body: str, found: str) -> None:
    site.install_transport(extra_source=f"@hookimpl\ndef kombu_transports():\n    {body}\n")
    with pytest.raises(PluginLoadError, match=found) as caught:
        site.host.find_transport("toy")
    assert "kombu-toy 1.0 (toy_plugin)" in str(caught.value)


def test_two_modules_of_one_distribution_are_both_loaded(site: Site) -> None:
    site.install(
        "kombu-two",
        {"kombu.transports": {"one": "one_plugin", "two": "two_plugin"}},
        {"one_plugin": transport_source(("one",)), "two_plugin": transport_source(("two",))},
    )
    assert site.host.find_transport("one").name == "one"
    assert site.host.find_transport("two").name == "two"


def test_many_threads_find_one_transport_and_import_it_once(site: Site) -> None:
    site.install_transport(extra_source="import time\ntime.sleep(0.05)\n")
    barrier = threading.Barrier(16)
    found: list[object] = []
    failed: list[BaseException] = []

    def look() -> None:
        barrier.wait()
        try:
            found.append(site.host.find_transport("toy"))
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=look) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert failed == []
    assert len(found) == 16
    assert len(set(found)) == 1


def test_a_plugin_may_look_another_one_up_while_it_is_imported(site: Site) -> None:
    site.install_transport("kombu-inner", "inner_plugin", ("inner",))
    site.install_transport(
        extra_source="from kombu import plugins\nINNER = plugins.find_matcher('nobody')\n"
    )
    done = threading.Thread(target=site.host.find_transport, args=("toy",), daemon=True)
    done.start()
    done.join(10)
    assert not done.is_alive()
    assert sys.modules["toy_plugin"].INNER is None
