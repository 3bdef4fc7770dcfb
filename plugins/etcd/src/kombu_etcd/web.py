"""How requests to the gateway travel: by TLS, and with a token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter
from requests.auth import AuthBase

if TYPE_CHECKING:
    import requests

    from kombu.transport.tls import Tls

__all__ = ("Token", "secured")


class _SecureAdapter(HTTPAdapter):
    """Connections by a context of our own.

    By its own options requests would also trust what its environment names instead
    (``REQUESTS_CA_BUNDLE``), and would know neither the authorities of the system nor another name
    for the server.
    """

    def __init__(self, tls: Tls) -> None:
        self._tls: dict[str, Any] = {"ssl_context": tls.context}
        if not tls.context.check_hostname:
            # urllib3 would check it then.
            self._tls["assert_hostname"] = False
        if tls.server_hostname:
            self._tls["server_hostname"] = tls.server_hostname
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **(kwargs | self._tls))

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        return super().proxy_manager_for(proxy, **(kwargs | self._tls))

    def build_connection_pool_key_attributes(
        self, request: Any, verify: Any, cert: Any = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        host, _ = super().build_connection_pool_key_attributes(request, verify, cert)
        return host, {}

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Nothing: the context says it all."""


class Token(AuthBase):
    """Sends a token with a request; one that is empty says that this side is nobody.

    A header alone would lose against what a ``.netrc`` says of the host.
    """

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Called by requests, for each."""
        if self._token:
            request.headers["Authorization"] = self._token
        return request


def secured(session: requests.Session, tls: Tls) -> None:
    """Have a session of requests speak TLS so, with whomever it does."""
    session.mount("https://", _SecureAdapter(tls))
