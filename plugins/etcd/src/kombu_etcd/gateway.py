"""Requests to etcd's v3 API by its JSON gateway, each bounded by its deadline."""

from __future__ import annotations

import base64
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import requests
from etcd3gw.client import Etcd3Client
from etcd3gw.exceptions import (
    ApiVersionDiscoveryFailedError,
    ConnectionFailedError,
    ConnectionTimeoutError,
    Etcd3Exception,
    InternalServerError,
)

from kombu.exceptions import ChannelError, ResourceError
from kombu.transport.tls import tls_failure, tls_refused

from .address import lost
from .web import Token, secured

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .access import Access
    from .address import Address

__all__ = ("Answer", "Gateway", "decoded", "encoded", "prefix", "text")

T = TypeVar("T")


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
        access: Who to be there; those of one connection share it.

    Every request raises `TimeoutError`, `RecoverableConnectionError` where the server can't be
    reached, and `ChannelError` where it refuses; a `kombu.exceptions.ConnectionError` that is not
    recoverable where it refuses who asks, or TLS can't be agreed on.
    """

    def __init__(self, address: Address, access: Access) -> None:
        self.where = address.where
        self.access = access
        self._secure = address.tls is not None
        self.client = Etcd3Client(address.host, address.port, protocol=address.protocol)
        if address.tls is not None:
            secured(self.client.session, address.tls)

    def connect(self, key: str, deadline: float) -> None:
        """See that the server is there, which of the API's paths it has, and that we may use it.

        Args:
            key: One of ours.
            deadline: By when.
        """
        self.ask("/kv/range", {"key": encoded(key), "count_only": True}, deadline)

    def ask(self, path: str, body: dict[str, Any], deadline: float) -> dict[str, Any]:
        """Send a request and return the answer."""
        answer: dict[str, Any] = self._as_user(
            lambda token: self._post(path, body, deadline, token), deadline
        )
        return answer

    def stream(
        self, path: str, body: dict[str, Any], times: tuple[float, float]
    ) -> requests.Response:
        """Send a request whose answer goes on; who calls reads and closes it.

        Args:
            path: What to ask.
            body: The request.
            times: How long to wait for a connection, and for each piece of the answer (seconds).
        """
        return self._as_user(
            lambda token: self._open(path, body, times, token), monotonic() + times[0]
        )

    def canceled(self, stream: requests.Response, told: str) -> Exception:
        """The error for a `stream` that the server ended, which `told` why: in it, with status 200.

        The next one asks for a token anew: etcd 3.5 says of one that ended what it says of a user
        who may not watch.
        """
        self.access.forget(str(stream.request.headers.get("Authorization", "")))
        return self._refused(Etcd3Exception(told))

    def _as_user(self, request: Callable[[str], T], deadline: float) -> T:
        """Make a request with our token; with a new one if the server no longer takes it."""
        try:
            for last in (False, True):
                token = self.access.token
                if token is None:
                    token = self._token(deadline)
                try:
                    return request(token)
                except Etcd3Exception as exc:
                    if last or not self.access.is_refused(exc):
                        raise
                    self.access.forget(token)
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
        raise AssertionError("the second answer is returned or raised")

    def _token(self, deadline: float) -> str:
        """Say who we are, and keep the token that the server gives for it."""
        try:
            answer = self._post("/auth/authenticate", self.access.credentials, deadline, "")
            token: str = answer["token"]
        except KeyError:
            raise ValueError("the server gave no token") from None
        except Etcd3Exception as exc:
            # As etcd's own clients do: where everybody may do everything, everybody is welcome.
            if "authentication is not enabled" not in str(exc.detail_text):
                raise
            token = ""
        self.access.token = token
        return token

    def _post(self, path: str, body: dict[str, Any], deadline: float, token: str) -> Any:
        left = deadline - monotonic()
        if left <= 0:
            raise self._late()
        # What etcd3gw gives to each request; it has no way to say so for one.
        self.client.timeout = left
        said = {"auth": Token(token)} if token else {}
        return self.client.post(self.client.get_url(path), json=body, **said)

    def _open(
        self, path: str, body: dict[str, Any], times: tuple[float, float], token: str
    ) -> requests.Response:
        self.client.timeout = times[0]
        stream = self.client.session.post(
            self.client.get_url(path),
            json=body,
            stream=True,
            timeout=times,
            auth=Token(token) if token else None,
        )
        if stream.status_code != requests.codes["ok"]:
            with stream:
                raise Etcd3Exception(stream.text, stream.reason)
        return stream

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
        failure = tls_failure(exc) if self._secure else None
        if failure is not None:
            return tls_refused(f"etcd at {self.where}", failure)
        return lost(self.where, getattr(exc, "detail_text", None) or exc, self._secure)

    def _refused(self, exc: Etcd3Exception) -> Exception:
        told = f"etcd at {self.where} refused a request ({exc.detail_text or exc})"
        if (refused := self.access.refusal(self.where, exc)) is not None:
            return refused
        if "no space" in told or "too many requests" in told:
            return ResourceError(f"{told}: see its quota, and compact and defragment it")
        return ChannelError(told, reply_code=541)
