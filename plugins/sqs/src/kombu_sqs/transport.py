"""The transport for Amazon SQS, as `kombu.transport.SQS` documents it."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from kombu.exceptions import RecoverableConnectionError
from kombu.virtual import QoS
from kombu.virtual import Transport as VirtualTransport

from .backend import CAPABILITIES, SQSBackend
from .channel import Channel
from .clients import DEFAULT_REGION, Account, configured_region, frozen
from .errors import (
    AccessDeniedQueueException,
    DoesNotExistQueueException,
    InvalidQueueException,
    UnableToSubscribeQueueToTopicException,
    UnableToUnsubscribeQueueFromTopicException,
    UndefinedExchangeException,
    UndefinedQueueException,
)
from .options import SQSOptions, warn_of_those_without_effect

if TYPE_CHECKING:
    from kombu import Connection

__all__ = (
    "AccessDeniedQueueException",
    "Channel",
    "DoesNotExistQueueException",
    "InvalidQueueException",
    "QoS",
    "Transport",
    "UnableToSubscribeQueueToTopicException",
    "UnableToUnsubscribeQueueFromTopicException",
    "UndefinedExchangeException",
    "UndefinedQueueException",
)


class Transport(VirtualTransport):
    """Queues at Amazon SQS."""

    Channel = Channel
    options_class = SQSOptions
    driver_type = "sqs"
    driver_name = "sqs"
    default_port = None
    implements = VirtualTransport.implements.extend(
        asynchronous=CAPABILITIES.asynchronous, batch_publish=True
    )
    #: For how long an idle channel of 5.7 waited; here the option of this name counts.
    wait_time_seconds = 0

    def __init__(self, client: Any, **kwargs: Any) -> None:
        super().__init__(client, **kwargs)
        warn_of_those_without_effect(client.transport_options or {})

    def new_backend(self) -> SQSBackend:
        """The backend on the account that URL and options name."""
        return SQSBackend(account_of(self.client, self.options), self.options)

    @property
    def backend(self) -> SQSBackend:
        """The backend of the open connection."""
        if not isinstance(self._backend, SQSBackend):
            raise RecoverableConnectionError("not connected: call connect() first")
        return self._backend

    def driver_version(self) -> str:
        """The version of boto3."""
        return version("boto3")

    @property
    def default_connection_params(self) -> dict[str, Any]:
        """There is neither a port nor a host where the URL names none: Amazon's are used."""
        return {"port": self.default_port}


def account_of(client: Connection, options: SQSOptions) -> Account:
    """Who asks, and where, by the URL and the options of a connection."""
    return Account(
        region=region_of(options),
        endpoint=endpoint_of(client, options),
        key_id=client.userid or None,
        secret=client.password or None,
        role=options.sts_role_arn,
        role_seconds=options.sts_token_timeout,
        role_buffer=options.sts_token_buffer_time,
        wait=int(options.wait_time_seconds),
        config=frozen(options.client_config),
    )


def region_of(options: SQSOptions) -> str:
    """Amazon's region."""
    named = options.region or getattr(options.regioninfo, "name", None)
    return str(named or configured_region() or DEFAULT_REGION)


def endpoint_of(client: Connection, options: SQSOptions) -> str | None:
    """Where SQS is; `None`: at Amazon's, in the region."""
    if options.endpoint_url:
        return options.endpoint_url
    regional = getattr(options.regioninfo, "endpoint", None)
    host = client.hostname or regional
    if not host:
        return None
    port = client.port or options.port
    scheme = "https" if options.is_secure else "http"
    return f"{scheme}://{host}:{port}" if port else f"{scheme}://{host}"
