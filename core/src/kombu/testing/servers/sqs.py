"""A private stand-in for Amazon's SQS and SNS: moto's server."""

from __future__ import annotations

import os
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING

from .base import Server, ask

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ("SQS",)


#: What moto imports when it starts: see ``sitecustomize.py`` there.
_ADDED = Path(__file__).parent / "moto"


class SQS(Server):
    """SQS and SNS in memory: a restart forgets everything.

    Its queues are changed by one request at a time: moto itself doubles and loses messages where
    several come at once.
    """

    name = "moto's SQS and SNS"
    program = "moto_server"
    source = "install it by `pip install 'moto[server]'`"
    boot = 60.0

    def command(self, program: Path) -> Sequence[str]:
        """The command that runs it."""
        return [str(program), "-H", self.host, "-p", str(self.port)]

    def environ(self) -> Mapping[str, str]:
        """Where Python finds what makes it do one thing at a time."""
        given = os.environ.get("PYTHONPATH")
        return {"PYTHONPATH": f"{_ADDED}{os.pathsep}{given}" if given else str(_ADDED)}

    def answers(self) -> bool:
        """Whether it serves its page."""
        question = b"GET /moto-api/ HTTP/1.0\r\n\r\n"
        return ask((self.host, self.port), question).split(b" ")[1:2] == [b"200"]

    @property
    def endpoint(self) -> str:
        """What Amazon's libraries call endpoint_url."""
        return f"http://{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """Its URL; any key will do, and it speaks HTTP without TLS."""
        return f"sqs://testing:testing@{self.host}:{self.port}"

    def reset(self) -> None:
        """Forget all queues and topics.

        Raises:
            OSError: It does not answer.
        """
        with closing(HTTPConnection(self.host, self.port, timeout=10)) as line:
            line.request("POST", "/moto-api/reset")
            answer = line.getresponse()
            if answer.status != 200:
                raise OSError(f"{self!r} was asked to reset, and answered {answer.status}")

    @classmethod
    def version(cls, program: Path) -> str:
        """The version of the package beside the program."""
        # The link of an environment's bin may lead elsewhere: the packages are beside the real one.
        root = program.resolve().parents[1]
        for found in root.glob("lib/python*/site-packages/moto-*.dist-info"):
            return found.name.split("-")[1].removesuffix(".dist")
        return ""
