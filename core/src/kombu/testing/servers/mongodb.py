"""A private server that speaks MongoDB's protocol: SecantusDB."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from .base import Server, ask

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ("MongoDB",)


class MongoDB(Server):
    """One node with WiredTiger, which has on the disk what it has answered.

    It is a stand-in for MongoDB, which Debian and the package index do not have.
    """

    name = "SecantusDB (for MongoDB)"
    program = "secantusd-py"
    source = "install it by `pip install --pre SecantusDB`"
    boot = 60.0

    def command(self, program: Path) -> Sequence[str]:
        """The command that runs it."""
        return [
            str(program),
            *("--host", self.host, "--port", str(self.port)),
            *("--storage-path", str(self.folder / "data")),
            "--sync-on-commit",
            "--enable-test-commands",
        ]

    def prepare(self) -> None:
        """Make the folder of its data."""
        (self.folder / "data").mkdir()

    def answers(self) -> bool:
        """Whether it answers to ``ping``."""
        return b"ok" in ask((self.host, self.port), _PING)

    @property
    def url(self) -> str:
        """Its URL, with a database of the tests.

        Clients stay with the address that they are given, which may be a proxy's.
        """
        return f"mongodb://{self.host}:{self.port}/kombu_tests?directConnection=true"

    @classmethod
    def version(cls, program: Path) -> str:
        """The version of the package beside the program."""
        # The link of an environment's bin may lead elsewhere: the packages are beside the real one.
        root = program.resolve().parents[1]
        for found in root.glob("lib/python*/site-packages/[Ss]ecantus[Dd][Bb]-*.dist-info"):
            return found.name.split("-")[1].removesuffix(".dist")
        return ""


def _message(*elements: bytes) -> bytes:
    """A command as MongoDB's OP_MSG: a header, flags, and one section with a BSON document."""
    body = b"".join(elements)
    document = struct.pack("<i", len(body) + 5) + body + b"\0"
    rest = struct.pack("<i", 0) + b"\0" + document
    return struct.pack("<iiii", len(rest) + 16, 1, 0, 2013) + rest


_PING = _message(
    b"\x10ping\0" + struct.pack("<i", 1), b"\x02$db\0" + struct.pack("<i", 6) + b"admin\0"
)
