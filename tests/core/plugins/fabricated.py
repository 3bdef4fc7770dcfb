"""Distributions made of nothing but metadata and a module, found by the real importlib.metadata."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from kombu.plugins.host import PluginHost

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Site:
    """A folder on ``sys.path`` that distributions are installed into."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.host = PluginHost()

    def install(
        self,
        distribution: str,
        entry_points: Mapping[str, Mapping[str, str]],
        modules: Mapping[str, str] | None = None,
        version: str = "1.0",
        folder: Path | None = None,
    ) -> None:
        """Write the dist-info folder and the modules of one distribution."""
        folder = self.folder if folder is None else folder
        info = folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n"
        )
        lines = []
        for group, entries in entry_points.items():
            lines.append(f"[{group}]")
            lines += [f"{name} = {value}" for name, value in entries.items()]
        (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
        for name, source in (modules or {}).items():
            (folder / f"{name}.py").write_text(textwrap.dedent(source))

    def install_transport(
        self,
        distribution: str = "kombu-toy",
        module: str = "toy_plugin",
        schemes: tuple[str, ...] = ("toy",),
        announced: tuple[str, ...] | None = None,
        extra_source: str = "",
        version: str = "1.0",
    ) -> None:
        """Install a distribution with one transport."""
        announced = schemes if announced is None else announced
        self.install(
            distribution,
            {"kombu.transports": dict.fromkeys(announced, module)},
            {module: transport_source(schemes) + textwrap.dedent(extra_source)},
            version,
        )


def transport_source(schemes: tuple[str, ...] = ("toy",), api: str = "1") -> str:
    """The source of a transport's plugin module."""
    return textwrap.dedent(
        f"""
        from kombu.plugins import TransportSpec, hookimpl

        KOMBU_PLUGIN_API = {api}

        class Transport:
            def __init__(self, client):
                self.client = client

        @hookimpl
        def kombu_transports():
            return [
                TransportSpec(
                    name={schemes[0]!r},
                    schemes={schemes!r},
                    transport=__name__ + ":Transport",
                    default_port=1234,
                )
            ]
        """
    )
