"""What is imported, and when."""

from __future__ import annotations

import subprocess
import sys

import pytest

from kombu.testing.kit import Broker, promise
from kombu.transport.lookup import transport_spec

__all__ = ("TestImports",)

_PROGRAM = """
import sys
from kombu import Connection
connection = Connection({url!r})
assert {module!r} not in sys.modules, "a connection that is not used imports the transport"
from kombu.transport.lookup import transport_spec
transport_spec(connection.transport_cls)
assert {module!r} not in sys.modules, "the plugin's entry point imports the transport"
connection.connect()
assert {module!r} in sys.modules
connection.close()
"""


@promise("import_cost")
class TestImports:
    """A transport costs nothing before it is used."""

    def test_it_is_imported_when_it_connects_and_not_before(self, broker: Broker) -> None:
        spec = transport_spec(broker.connection.transport_cls)
        if spec is None:
            pytest.skip("the transport is a class that the program named, not a plugin")
        module = (spec.transport or spec.backend or "").partition(":")[0]
        program = _PROGRAM.format(url=broker.url, module=module)
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
        )
        assert not done.returncode, done.stderr
        assert not done.stdout
        assert not done.stderr
