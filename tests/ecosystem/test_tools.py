"""Tools that follow messages through a program find the functions that they wrap, and wrap them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import RunProgram

    Seen = Callable[[str], dict[str, Any]]

#: ddtrace is to call nobody.
QUIET = {
    "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "0",
    "DD_REMOTE_CONFIGURATION_ENABLED": "0",
    "DD_TRACE_STARTUP_LOGS": "0",
}


@pytest.fixture
def seen(run_tool: RunProgram) -> Seen:
    """What a tool saw of a message."""

    def ask(tool: str) -> dict[str, Any]:
        said: dict[str, Any] = json.loads(run_tool("tools.py", tool, **QUIET).splitlines()[-1])
        ((body, headers),) = said["got"]
        assert body == {"order": 1}
        assert headers["mine"] == "kept"
        return {**said, "headers": headers}

    return ask


def test_ddtrace_joins_what_is_received_to_what_was_published(seen: Seen) -> None:
    said = seen("ddtrace")
    publish, receive = sorted(said["spans"])
    assert (publish[:2], receive[:2]) == (["kombu.publish", "shop"], ["kombu.receive", "shop"])
    assert receive[2] == publish[2]
    assert receive[4] == publish[3]
    assert said["headers"]["x-datadog-parent-id"] == str(publish[3])


def test_newrelic_gives_a_message_its_trace(seen: Seen) -> None:
    assert seen("newrelic")["headers"]["traceparent"].startswith("00-")


def test_sentry_sees_what_is_published_by_a_program_and_by_celery(seen: Seen) -> None:
    spans = seen("sentry")["spans"]
    assert spans.count(["queue.publish", "memory"]) >= 2
    assert ["queue.submit.celery", None] in spans
