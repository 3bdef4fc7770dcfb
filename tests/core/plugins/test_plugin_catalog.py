from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from kombu.plugins.catalog import Catalog, version_of

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from fabricated import Site


def test_installed_plugins_are_listed_without_importing_them(site: Site) -> None:
    site.install_transport(schemes=("toy", "toys"))
    site.install(
        "other", {"kombu.serializers": {"s": "nowhere:four"}, "console_scripts": {"x": "y:z"}}
    )
    rows = [
        tuple(row) for row in site.host.installed() if row.distribution in ("kombu-toy", "other")
    ]
    assert rows == [
        ("kombu.transports", "toy", "kombu-toy", "1.0", "toy_plugin"),
        ("kombu.transports", "toys", "kombu-toy", "1.0", "toy_plugin"),
        ("kombu.serializers", "s", "other", "1.0", "nowhere:four"),
    ]
    assert "toy_plugin" not in sys.modules


def test_metadata_is_read_again_after_refresh(site: Site) -> None:
    catalog = Catalog()
    assert catalog.candidates("kombu.transports", "toy") == ()
    site.install_transport()
    assert catalog.candidates("kombu.transports", "toy") == ()
    catalog.refresh()
    assert [c.distribution for c in catalog.candidates("kombu.transports", "toy")] == ["kombu-toy"]


def test_one_distribution_seen_twice_is_one_candidate(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As an editable install beside a wheel, and as what an interrupted upgrade leaves behind.
    site.install_transport()
    elsewhere = tmp_path / "elsewhere"
    site.install("kombu_toy", {"kombu.transports": {"toy": "toy_plugin"}}, folder=elsewhere)
    site.install("Kombu-Toy", {"kombu.transports": {"toy": "toy_plugin"}}, version="0.9")
    monkeypatch.syspath_prepend(str(elsewhere))
    assert len(Catalog().candidates("kombu.transports", "toy")) == 1
    assert site.host.find_transport("toy").name == "toy"


def test_a_damaged_dist_info_is_passed_over(site: Site) -> None:
    site.install_transport()
    damaged = site.folder / "kombu_gone-1.0.dist-info"
    damaged.mkdir()
    (damaged / "entry_points.txt").write_text("[kombu.transports]\ntoy = gone\n")
    (site.folder / "kombu_empty-1.0.dist-info").mkdir()
    candidates = Catalog().candidates("kombu.transports", "toy")
    assert [c.distribution for c in candidates] == ["kombu-toy"]


def test_an_unknown_distribution_has_no_version() -> None:
    assert version_of("kombu").startswith("6.")
    assert version_of("kombu-is-not-here") == "(unknown version)"
