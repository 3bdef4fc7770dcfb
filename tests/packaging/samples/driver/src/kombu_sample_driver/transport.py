"""A transport that does no more than need its driver and know its client."""

from __future__ import annotations

from typing import Any

import kombu_memory


class Transport:
    driver = kombu_memory.__name__

    def __init__(self, client: Any) -> None:
        self.client = client
