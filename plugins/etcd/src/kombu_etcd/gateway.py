"""Requests to etcd's v3 API by its JSON gateway, each bounded by its deadline."""

from __future__ import annotations

import base64
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple

import requests
from etcd3gw.client import Etcd3Client
from etcd3gw.exceptions import (
    ApiVersionDiscoveryFailedError,
    ConnectionFailedError,
    ConnectionTimeoutError,
    Etcd3Exception,
    InternalServerError,
)

from kombu.exceptions import ChannelError, RecoverableConnectionError, ResourceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .address import Address

__all__ = ("Answer", "Gateway", "decoded", "encoded", "prefix", "text")


def encoded(data: str | bytes) -> str:
    """Keys and values as they travel."""
    return base64.b64encode(data.encode() if isinstance(data, str) else data).decode("ascii")


def decoded(data: str) -> bytes:
    """Undo `encoded`."""
    return base64.b64decode(data)


def text(data: str) -> str:
    """A key of ours as it is."""
    return base64.b64decode(data).decode()


def prefix(folder: str) -> dict[str, Any]:
    """The range of the keys in a folder, whose name ends with a slash."""
    # What follows the slash, for the end of the range.
    return {"key": encoded(folder), "range_end": encoded(folder[:-1] + "0")}


class Answer(NamedTuple):
    """What became of a transaction: whether its comparisons held, and what its requests gave."""

    held: bool
    revision: int
    responses: list[dict[str, Any]]


class Gateway:
    """One client of etcd3gw.  One thread at a time.

    Args:
        address: The server.

    Every request raises `TimeoutError`, `RecoverableConnectionError` where the server can't be
    reached, and `ChannelError` where it refuses.
    """

    def __init__(self, address: Address) -> None:
        self.where = address.where
        self.client = Etcd3Client(address.host, address.port)

    def connect(self, deadline: float) -> None:
        """See that the server is there, and which of the API's paths it has."""
        self.ask("/maintenance/status", {}, deadline)

    def ask(self, path: str, body: dict[str, Any], deadline: float) -> dict[str, Any]:
        """Send a request and return the answer."""
        left = deadline - monotonic()
        if left <= 0:
            raise self._late()
        # What etcd3gw gives to each request; it has no way to say so for one.
        self.client.timeout = left
        try:
            answer: dict[str, Any] = self.client.post(self.client.get_url(path), json=body)
        except ConnectionTimeoutError:
            raise self._late() from None
        except (
            ConnectionFailedError,
            InternalServerError,
            ApiVersionDiscoveryFailedError,
            requests.RequestException,
            ValueError,
        ) as exc:
            raise self._lost(exc) from exc
        except Etcd3Exception as exc:
            raise self._refused(exc) from exc
        return answer

    def change(
        self,
        compare: Sequence[dict[str, Any]],
        then: Sequence[dict[str, Any]],
        otherwise: Sequence[dict[str, Any]],
        deadline: float,
    ) -> Answer:
        """Do all of `then` if all comparisons hold, else all of `otherwise`."""
        body = {"compare": compare, "success": then, "failure": otherwise}
        answer = self.ask("/kv/txn", body, deadline)
        # What is false, 0 or empty is left out by the gateway.
        return Answer(
            answer.get("succeeded", False),
            int(answer["header"].get("revision", 0)),
            [next(iter(response.values()), {}) for response in answer.get("responses", ())],
        )

    def close(self) -> None:
        """Close its connections."""
        self.client.session.close()

    def _late(self) -> Exception:
        return TimeoutError(
            f"etcd at {self.where} did not answer in time: see whether it runs and is reachable "
            "from here, or give it more time"
        )

    def _lost(self, exc: Exception) -> Exception:
        told = getattr(exc, "detail_text", None) or exc
        return RecoverableConnectionError(
            f"etcd at {self.where} can't be reached, or has no leader ({told}): see whether it "
            "runs, whether the URL is right, and whether a majority of the cluster is there"
        )

    def _refused(self, exc: Etcd3Exception) -> Exception:
        told = f"etcd at {self.where} refused a request ({exc.detail_text or exc})"
        if "no space" in told or "too many requests" in told:
            return ResourceError(f"{told}: see its quota, and compact and defragment it")
        return ChannelError(told, reply_code=541)
