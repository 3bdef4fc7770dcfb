"""The connection to the server: the client, the collections, and the server's clock."""

from __future__ import annotations

import threading
import time
from time import monotonic
from typing import TYPE_CHECKING, Any

import pymongo
from pymongo import IndexModel, MongoClient, WriteConcern
from pymongo.read_preferences import ReadPreference
from pymongo.uri_parser import parse_uri

from kombu.exceptions import ConnectionError as BrokerConnectionError

from .documents import INDEXES
from .errors import MongoConnectionLost, bounded
from .url import mask_password, tls_options

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from pymongo.collection import Collection

    from .options import MongoOptions

    Documents = Collection[dict[str, Any]]

__all__ = ("Server",)

#: Clients of a parent process: closing them here would close the parent's cursors.
_of_the_parent: list[Any] = []

#: How long closing may take (seconds) where it is not told.
_LEAST = 0.2


class Server:
    """One client.  Any thread may use it; nothing is opened before `connect`.

    Args:
        url: A URL that pymongo understands.
        options: The transport options.
        connect_timeout: Seconds that a new line to the server may take.
        ssl: What the connection was told of TLS.
    """

    def __init__(
        self, url: str, options: MongoOptions, connect_timeout: float | None, ssl: Any = False
    ) -> None:
        self._url = url
        self._options = options
        self._connect_timeout = options.connect_timeout or connect_timeout
        self._tls = tls_options(options.ssl or ssl)
        self._client: MongoClient[dict[str, Any]] | None = None
        #: Whether this is a child that has no client yet.
        self._forked = False
        self._lock = threading.Lock()
        self._database = options.default_database
        #: The server's clock less ours, in seconds.
        self._offset = 0.0
        #: What to call the server in messages.
        self.name = mask_password(url).partition("://")[2].partition("/")[0].rpartition("@")[2]

    def connect(self, deadline: float) -> None:
        """Reach the server and prepare the collections; raises as `errors.bounded` says."""
        with self._lock:
            if self._client is not None:
                return
            with bounded(self.name, deadline):
                try:
                    self._client = client = self._new_client()
                except (ValueError, TypeError) as exc:
                    raise BrokerConnectionError(
                        f"The URL or the options for MongoDB at {self.name} are wrong: {exc}"
                    ) from exc
                try:
                    self._synchronize(client)
                    self.messages.create_indexes(
                        [IndexModel(keys, **more) for keys, more in INDEXES]
                    )
                    routing = [IndexModel("exchange"), IndexModel("from"), IndexModel("queue")]
                    self.routing.create_indexes(routing)
                except BaseException:
                    self._client = None
                    client.close()
                    raise

    def _new_client(self) -> MongoClient[dict[str, Any]]:
        options: dict[str, Any] = {"appname": "kombu", **self._tls}
        if not self._url.startswith("mongodb+srv:"):
            self._database = parse_uri(self._url)["database"] or self._database
        if self._connect_timeout:
            options["connectTimeoutMS"] = int(self._connect_timeout * 1000)
        options.update(self._options.client_options)
        client: MongoClient[dict[str, Any]] = MongoClient(self._url, **options)
        if self._url.startswith("mongodb+srv:"):
            self._database = client.get_default_database(self._database).name
        return client

    def _synchronize(self, client: MongoClient[dict[str, Any]]) -> None:
        before = time.time()
        told = client.admin.command("hello")["localTime"]
        # The middle of question and answer; the server tells whole milliseconds of UTC.
        middle = (before + time.time()) / 2
        self._offset = told.replace(tzinfo=_utc()).timestamp() - middle

    def now(self) -> float:
        """The server's clock, epoch seconds."""
        return time.time() + self._offset

    def ask(self, deadline: float, *, least: float = 0.05) -> AbstractContextManager[None]:
        """A block that asks the server, by a deadline."""
        return bounded(self.name, deadline, least=least)

    @property
    def connected(self) -> bool:
        """Whether there is a client, of this process."""
        return self._client is not None

    @property
    def client(self) -> MongoClient[dict[str, Any]]:
        """The client; connected anew in the child of a fork."""
        client = self._client
        if client is None:
            if not self._forked:
                raise MongoConnectionLost(f"the connection to MongoDB at {self.name} is closed")
            self._forked = False
            self.connect(monotonic() + (self._connect_timeout or 5.0))
            return self.client
        return client

    def _collection(self, name: str) -> Documents:
        # Whatever the URL says: a claim has to be where the next one looks for it.
        return self.client[self._database].get_collection(
            name,
            write_concern=WriteConcern("majority"),
            read_preference=ReadPreference.PRIMARY,
        )

    @property
    def messages(self) -> Documents:
        """The messages."""
        return self._collection(self._options.messages_collection)

    @property
    def routing(self) -> Documents:
        """The bindings."""
        return self._collection(self._options.routing_collection)

    @property
    def queues(self) -> Documents:
        """The queues."""
        return self._collection(self._options.queues_collection)

    def forked(self) -> None:
        """In the child of a fork: leave the client to the parent."""
        self._lock = threading.Lock()
        if self._client is not None:
            _of_the_parent.append(self._client)
            self._client = None
            self._forked = True

    def close(self, deadline: float) -> None:
        """Close the client."""
        client, self._client = self._client, None
        if client is not None:
            with pymongo.timeout(max(deadline - monotonic(), _LEAST)):
                client.close()


def _utc() -> Any:
    from datetime import timezone

    return timezone.utc
