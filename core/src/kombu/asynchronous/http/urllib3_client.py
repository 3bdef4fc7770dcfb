"""Requests by urllib3, in threads, whose results the event loop hands out."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import TYPE_CHECKING, Any

import urllib3

from kombu.exceptions import HttpError

from .base import BaseClient, Headers, normalize_header

if TYPE_CHECKING:
    from collections.abc import Callable

    from .base import Request, Response

__all__ = ("Urllib3Client",)

#: The code of a response where no answer came.
NO_ANSWER = 599

#: How much of a body is read at once (bytes).
CHUNK = 64 * 1024


class Urllib3Client(BaseClient):
    """Sends up to `max_clients` requests at a time; callbacks run on the thread of the loop.

    Args:
        hub: The event loop.
        max_clients: How many requests at a time; further ones wait.
    """

    def __init__(self, hub: Any, max_clients: int = 10, **kwargs: Any) -> None:
        super().__init__(hub, **kwargs)
        self.max_clients = max_clients
        self._threads = ThreadPoolExecutor(max_clients, thread_name_prefix="kombu-http")
        self._pools: dict[tuple[Any, ...], urllib3.PoolManager] = {}
        self._closed = False

    def add_request(self, request: Request) -> Request:
        """Send a request; returns at once."""
        pool = self._pool(request)
        self._threads.submit(self._work, pool, request)
        return request

    def close(self) -> None:
        """Take no more requests; those under way are let go, and tell nobody."""
        self._closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        for pool in self._pools.values():
            pool.clear()
        self._pools.clear()

    def _pool(self, request: Request) -> urllib3.PoolManager:
        """Connections that fit the request's proxy and certificates."""
        key = (
            *(request.proxy_host, request.proxy_port),
            *(request.proxy_username, request.proxy_password, request.network_interface),
            *(request.validate_cert, request.ca_certs, request.client_cert, request.client_key),
        )
        pool = self._pools.get(key)
        if pool is None:
            pool = self._pools[key] = self._new_pool(request)
        return pool

    def _new_pool(self, request: Request) -> urllib3.PoolManager:
        options: dict[str, Any] = {
            "maxsize": self.max_clients,
            "cert_reqs": "CERT_REQUIRED" if request.validate_cert else "CERT_NONE",
            "ca_certs": request.ca_certs,
            "cert_file": request.client_cert,
            "key_file": request.client_key,
        }
        if request.network_interface:
            options["source_address"] = (request.network_interface, 0)
        if not request.proxy_host:
            return urllib3.PoolManager(**options)
        credentials = None
        if request.proxy_username:
            credentials = urllib3.make_headers(
                proxy_basic_auth=f"{request.proxy_username}:{request.proxy_password or ''}"
            )
        url = f"http://{request.proxy_host}:{request.proxy_port}"
        return urllib3.ProxyManager(url, proxy_headers=credentials, **options)

    # -- in a thread -------------------------------------------------------------------------

    def _work(self, pool: urllib3.PoolManager, request: Request) -> None:
        late = False
        try:
            response = self._exchange(pool, request)
        except Exception as exc:
            late = isinstance(exc, urllib3.exceptions.TimeoutError) or isinstance(
                getattr(exc, "reason", None), urllib3.exceptions.TimeoutError
            )
            error = HttpError(NO_ANSWER, f"{type(exc).__name__}: {exc}")
            error.__cause__ = exc
            response = self.Response(request, NO_ANSWER, error=error, status=str(exc))
        if late and request.on_timeout is not None:
            self._tell(request.on_timeout, request)
        self._tell(_ready, request, response)

    def _tell(self, callback: Callable[..., Any], *args: Any) -> None:
        """Have the loop call a callback, unless this was closed by then."""

        def call() -> None:
            if not self._closed:
                callback(*args)

        self.hub.call_soon(call)

    def _exchange(self, pool: urllib3.PoolManager, request: Request) -> Response:
        if request.on_prepare is not None:
            request.on_prepare(pool)
        redirects = request.max_redirects if request.follow_redirects else 0
        answer = pool.request(
            request.method,
            request.url,
            body=request.body,
            headers=_headers_of(request),
            timeout=urllib3.Timeout(connect=request.connect_timeout, total=request.request_timeout),
            redirect=request.follow_redirects,
            retries=urllib3.Retry(
                None,
                connect=0,
                read=0,
                status=0,
                other=0,
                redirect=redirects,
                raise_on_redirect=False,
            ),
            preload_content=False,
        )
        headers = self.Headers()
        for name, value in answer.headers.items():
            line = f"{name}: {value}"
            if request.on_header is not None:
                self._tell(request.on_header, headers, line)
            headers[normalize_header(name)] = value
        headers.complete = True
        stream, buffer = request.on_stream, BytesIO()
        try:
            for chunk in answer.stream(CHUNK):
                if stream is None:
                    buffer.write(chunk)
                else:
                    self._tell(stream, chunk)
        finally:
            answer.release_conn()
        return self.Response(
            request,
            answer.status,
            headers,
            buffer if stream is None else None,
            effective_url=answer.geturl() or request.url,
            status=answer.reason,
        )


def _ready(request: Request, response: Response) -> None:
    request.on_ready(response)


def _headers_of(request: Request) -> dict[str, str]:
    headers = Headers(request.headers)
    if request.use_gzip:
        headers.setdefault("Accept-Encoding", "gzip,deflate")
    if request.user_agent:
        headers.setdefault("User-Agent", request.user_agent)
    if request.auth_username is not None:
        if request.auth_mode not in (None, "basic"):
            raise ValueError(f"auth_mode {request.auth_mode!r} is not supported, only 'basic'")
        headers.update(
            urllib3.make_headers(
                basic_auth=f"{request.auth_username}:{request.auth_password or ''}"
            )
        )
    return headers
