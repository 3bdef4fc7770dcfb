"""The MongoDB transport as `kombu.transport.mongodb` documents it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pymongo
from pymongo import errors

from kombu.virtual import Channel as VirtualChannel
from kombu.virtual import Transport as VirtualTransport

from .backend import MongoBackend
from .options import MongoOptions
from .url import mask_password, mongo_url

if TYPE_CHECKING:
    from datetime import datetime

    from kombu.transport.backend import Backend

__all__ = ("Channel", "Transport")


class Channel(VirtualChannel, native=True):
    """A channel of the MongoDB transport."""

    supports_fanout = True

    #: What the transport options of these names are by default.
    ssl = False
    ttl = False
    connect_timeout = None
    calc_queue_size = True
    capped_queue_size = 100000
    default_hostname = "127.0.0.1"
    default_port = 27017
    default_database = "kombu_default"
    messages_collection = "messages"
    routing_collection = "messages.routing"
    broadcast_collection = "messages.broadcast"
    queues_collection = "messages.queues"

    @property
    def client(self) -> Any:
        """The database."""
        return self._server.messages.database

    @property
    def messages(self) -> Any:
        """The collection of the messages."""
        return self._server.messages

    @property
    def routing(self) -> Any:
        """The collection of the bindings."""
        return self._server.routing

    @property
    def queues(self) -> Any:
        """The collection of the queues."""
        return self._server.queues

    @property
    def _server(self) -> Any:
        return self.connection.backend.server

    def get_now(self) -> datetime:
        """The time in UTC, as the server has it."""
        from datetime import datetime, timezone

        return datetime.fromtimestamp(self.connection.now(), timezone.utc).replace(tzinfo=None)


class Transport(VirtualTransport):
    """Messages in a MongoDB database."""

    Channel = Channel
    options_class = MongoOptions
    can_parse_url = True
    default_port = 27017
    driver_type = "mongodb"
    driver_name = "pymongo"
    polling_interval = 1

    connection_errors = (*VirtualTransport.connection_errors, errors.ConnectionFailure)
    channel_errors = (*VirtualTransport.channel_errors, errors.OperationFailure)

    #: The backend of the open connection.
    backend: MongoBackend

    def new_backend(self) -> Backend:
        """The backend on the database that the URL names."""
        client = self.client
        url = mongo_url(client, self.options)
        self.backend = MongoBackend(url, self.options, client.connect_timeout, client.ssl)
        return self.backend

    def as_uri(self, uri: str, include_password: bool = False, mask: str = "**") -> str:
        """The URL, with its password or without."""
        if uri.startswith("srv://"):
            uri = f"mongodb+{uri}"
        return uri if include_password else mask_password(uri, mask)

    def driver_version(self) -> str:
        """The version of pymongo."""
        return pymongo.version
