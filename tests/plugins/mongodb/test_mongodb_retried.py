"""A message that the driver sends twice, because no answer came, is stored once."""

from __future__ import annotations

import time
from math import inf
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pymongo.errors import DuplicateKeyError, OperationFailure

from kombu.exceptions import AccessRefused
from kombu.transport.backend import Envelope, QueueSpec
from kombu_mongodb.errors import bounded
from kombu_mongodb.sending import Sending


class Messages:
    """Those of a server that does not know a write that is retried."""

    def __init__(self) -> None:
        self.stored: list[dict[str, Any]] = []

    def insert_one(self, document: dict[str, Any]) -> None:
        document["_id"] = 1
        self.stored.append(document)
        raise DuplicateKeyError("E11000 duplicate key error", 11000)


def test_it_counts_as_stored() -> None:
    messages = Messages()
    server = SimpleNamespace(messages=messages, now=time.time)
    specs = SimpleNamespace(existing=lambda names: {name: QueueSpec(name) for name in names})
    sending = Sending(cast("Any", server), cast("Any", specs))
    envelope = Envelope("body", "text/plain", "utf-8", {}, {}, "", "q")
    assert sending.put([("q", envelope)], time.monotonic() + 5) == []
    assert len(messages.stored) == 1


def test_a_refused_user_is_told_as_such() -> None:
    """Which nothing tries again."""
    with pytest.raises(AccessRefused, match="refused the user") as caught, bounded("h:1", inf):
        raise OperationFailure("Authentication failed.", 18)
    assert caught.value.reply_code == 403
