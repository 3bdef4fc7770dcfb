"""RabbitMQ's management HTTP API, as `Transport.get_manager` hands it out."""

from __future__ import annotations

import base64
import json
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from kombu.exceptions import OperationalError
from kombu.utils.deadlines import OPERATION_TIMEOUT, remaining

if TYPE_CHECKING:
    from collections.abc import Sequence
    from ssl import SSLContext

__all__ = ("DEFAULT_PORT", "ManagementError", "Manager")

#: Where RabbitMQ's management plugin listens unless it is told otherwise.
DEFAULT_PORT = 15672


class ManagementError(OperationalError):
    """The management API can't be reached, or refuses.

    Args:
        text: What was asked and what was answered.
        status: The status of HTTP, 0 where there was no answer.
    """

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.args[0], self.status)


class Manager:
    """Asks a broker about itself; connects for each question, so that any thread may use it.

    The names of its methods are those of the package pyrabbit, which Kombu 5.7 gives out here;
    their answers are what the API says: dictionaries and lists.

    Args:
        hostname: Host of the management API.
        port: Its port.
        userid: User name; it needs the tag ``management``.
        password: Password.
        virtual_host: Used where a method is given none.
        ssl: For HTTPS.
        timeout: Seconds that an answer may take, where the caller has no deadline.
    """

    def __init__(
        self,
        hostname: str = "localhost",
        port: int = DEFAULT_PORT,
        userid: str = "guest",
        password: str = "guest",  # noqa: S107  RabbitMQ's own default
        virtual_host: str = "/",
        ssl: SSLContext | None = None,
        timeout: float = OPERATION_TIMEOUT,
    ) -> None:
        self.hostname = hostname
        self.port = port
        self.userid = userid
        self._password = password
        self.virtual_host = virtual_host
        self._ssl = ssl
        self.timeout = timeout

    def call(self, method: str, path: Sequence[str], body: Any = None) -> Any:
        """Ask something; returns what the JSON of the answer says.

        Args:
            method: Of HTTP.
            path: Its parts, behind ``/api/``; they are quoted here.
            body: Sent as JSON.

        Raises:
            ManagementError: There was no answer, or it is no.
        """
        left = max(remaining(self.timeout) or 0.0, 0.001)
        where = "/api/" + "/".join(quote(part, safe="") for part in path)
        asked = f"{method} http://{self.hostname}:{self.port}{where}"
        web = (
            HTTPConnection(self.hostname, self.port, timeout=left)
            if self._ssl is None
            else HTTPSConnection(self.hostname, self.port, timeout=left, context=self._ssl)
        )
        login = base64.b64encode(f"{self.userid}:{self._password}".encode()).decode()
        headers = {"Authorization": f"Basic {login}", "Content-Type": "application/json"}
        try:
            web.request(method, where, None if body is None else json.dumps(body), headers)
            answer = web.getresponse()
            text = answer.read()
        except (OSError, HTTPException) as exc:
            raise ManagementError(
                f"{asked}: {exc or type(exc).__name__}. Is the plugin rabbitmq_management enabled, "
                "and are manager_hostname and manager_port (transport_options) right?"
            ) from exc
        finally:
            web.close()
        if answer.status >= 300:
            said = text.decode("utf-8", "replace")[:300]
            raise ManagementError(f"{asked}: {answer.status} {answer.reason} {said}", answer.status)
        try:
            return json.loads(text) if text else None
        except ValueError as exc:
            raise ManagementError(f"{asked}: the answer is no JSON: {text[:100]!r}") from exc

    def _in(self, virtual_host: str | None) -> str:
        return self.virtual_host if virtual_host is None else virtual_host

    # -- the broker --------------------------------------------------------------------------

    def get_overview(self) -> dict[str, Any]:
        """Versions, rates and totals."""
        return self.call("GET", ["overview"])  # type: ignore[no-any-return]

    def get_nodes(self) -> list[dict[str, Any]]:
        """The nodes of the cluster."""
        return self.call("GET", ["nodes"])  # type: ignore[no-any-return]

    def get_all_vhosts(self) -> list[dict[str, Any]]:
        """The virtual hosts."""
        return self.call("GET", ["vhosts"])  # type: ignore[no-any-return]

    def get_vhost_names(self) -> list[str]:
        """Names of the virtual hosts."""
        return [each["name"] for each in self.get_all_vhosts()]

    def get_connections(self) -> list[dict[str, Any]]:
        """The open connections."""
        return self.call("GET", ["connections"])  # type: ignore[no-any-return]

    def delete_connection(self, name: str) -> None:
        """Have the broker close a connection."""
        self.call("DELETE", ["connections", name])

    def get_channels(self) -> list[dict[str, Any]]:
        """The open channels."""
        return self.call("GET", ["channels"])  # type: ignore[no-any-return]

    # -- exchanges, queues, bindings ---------------------------------------------------------

    def get_exchanges(self, vhost: str | None = None) -> list[dict[str, Any]]:
        """The exchanges of a virtual host."""
        return self.call("GET", ["exchanges", self._in(vhost)])  # type: ignore[no-any-return]

    def get_queues(self, vhost: str | None = None) -> list[dict[str, Any]]:
        """The queues of a virtual host."""
        return self.call("GET", ["queues", self._in(vhost)])  # type: ignore[no-any-return]

    def get_queue(self, vhost: str, name: str) -> dict[str, Any]:
        """A queue."""
        return self.call("GET", ["queues", vhost, name])  # type: ignore[no-any-return]

    def get_queue_depth(self, vhost: str, name: str) -> int:
        """How many messages a queue has, as of the broker's last count."""
        return int(self.get_queue(vhost, name).get("messages", 0))

    def purge_queue(self, vhost: str, name: str) -> None:
        """Drop the ready messages of a queue."""
        self.call("DELETE", ["queues", vhost, name, "contents"])

    def delete_queue(self, vhost: str, name: str) -> None:
        """Delete a queue."""
        self.call("DELETE", ["queues", vhost, name])

    def get_bindings(self, vhost: str | None = None) -> list[dict[str, Any]]:
        """The bindings of a virtual host."""
        return self.call("GET", ["bindings", self._in(vhost)])  # type: ignore[no-any-return]

    def get_queue_bindings(self, vhost: str, name: str) -> list[dict[str, Any]]:
        """The bindings of a queue."""
        return self.call("GET", ["queues", vhost, name, "bindings"])  # type: ignore[no-any-return]
