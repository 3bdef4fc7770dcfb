"""Requests by which servers are told their settings."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any
from urllib.request import ProxyHandler, Request, build_opener

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("send_json",)

#: What a proxy would do with a server of this machine nobody wants to know.
_OPENER = build_opener(ProxyHandler({}))


def send_json(
    method: str,
    url: str,
    body: Mapping[str, Any],
    login: tuple[str, str] | None = None,
    within: float = 10.0,
) -> bytes:
    """Send a request with JSON, and return the answer.

    Args:
        method: Such as PUT.
        url: Where to.
        body: What to send.
        login: User and password.
        within: Seconds to wait.

    Raises:
        OSError: Nobody is there, or refuses.
    """
    headers = {"Content-Type": "application/json"}
    if login is not None:
        headers["Authorization"] = "Basic " + base64.b64encode(":".join(login).encode()).decode()
    # The URL is that of a server of ours.
    request = Request(url, json.dumps(body).encode(), headers, method=method)  # noqa: S310
    with _OPENER.open(request, timeout=within) as answer:
        data: bytes = answer.read()
        return data
