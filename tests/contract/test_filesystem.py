"""A folder keeps the contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from contract_connection import TestConnection
from contract_envelopes import TestEnvelopes
from contract_fetch import TestFetching
from contract_leases import TestLeases
from contract_queues import TestQueues
from contract_settle import TestSettling
from contract_threads import TestThreads
from contract_topology import TestTopology

from kombu import Connection
from kombu_filesystem.backend import CAPABILITIES, FilesystemBackend, Folders

if TYPE_CHECKING:
    from pathlib import Path

__all__ = (
    "TestConnection",
    "TestEnvelopes",
    "TestFetching",
    "TestLeases",
    "TestQueues",
    "TestSettling",
    "TestThreads",
    "TestTopology",
)


class FolderStore:
    capabilities = CAPABILITIES
    volume = 1_000
    many_queues = 300
    busy_fetch_within = 0.05
    shortest_lease = 0.3

    def __init__(self, root: Path) -> None:
        self._root = root

    def backend(self, *, lease: float | None = None) -> FilesystemBackend:
        return FilesystemBackend(folders_in(self._root), lease)

    def connection(self) -> Connection:
        return Connection(f"filesystem://{self._root}")

    def unreachable(self) -> FilesystemBackend:
        (self._root / "file").write_text("no folder")
        return FilesystemBackend(folders_in(self._root / "file" / "below"))


def folders_in(root: Path) -> Folders:
    return Folders(root / "messages", root / "messages", root / "control")


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path)
