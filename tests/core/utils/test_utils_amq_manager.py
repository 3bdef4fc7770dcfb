"""RabbitMQ's management interface is asked where the user says."""

from __future__ import annotations

import sys
import types
from typing import Any

import pytest

from kombu import Connection
from kombu.utils.amq_manager import get_manager


@pytest.fixture
def pyrabbit(monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = types.ModuleType("pyrabbit")
    module.Client = lambda *args: args
    monkeypatch.setitem(sys.modules, "pyrabbit", module)


@pytest.mark.parametrize(
    ("url", "options", "given", "wanted"),
    [
        ("memory://", {}, (), ("localhost:15672", "guest", "guest")),
        ("memory://u:p@h:1/v", {}, (), ("h:15672", "u", "p")),
        (
            "memory://u:p@h:1/v",
            {
                "manager_hostname": "mh",
                "manager_port": 5,
                "manager_userid": "mu",
                "manager_password": "mp",
            },
            (),
            ("mh:5", "mu", "mp"),
        ),
        ("memory://u:p@h", {"manager_port": 5}, ("H", 3, "U", "P"), ("H:3", "U", "P")),
    ],
)
@pytest.mark.usefixtures("pyrabbit")
def test_the_manager_is_made_of_what_is_known(
    url: str, options: dict[str, Any], given: Any, wanted: Any
) -> None:
    connection = Connection(url)
    connection.transport_options = options
    assert get_manager(connection, *given) == wanted


def test_what_is_missing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyrabbit", None)
    with pytest.raises(ImportError, match="pip install pyrabbit"):
        get_manager(Connection("memory://"))
