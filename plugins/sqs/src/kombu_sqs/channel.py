"""The channel of the transport for Amazon SQS, with what 5.7 documents of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kombu.utils.deadlines import within
from kombu.virtual import Channel as VirtualChannel
from kombu.virtual.deadletter import dead_letters

from .clients import DEFAULT_REGION, clients
from .names import TABLE, entity_name, sqs_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .options import SQSOptions

__all__ = ("Channel",)


class Channel(VirtualChannel, native=True):
    """A channel of the transport for Amazon SQS."""

    default_region = DEFAULT_REGION
    default_visibility_timeout = 1800
    default_wait_time_seconds = 10
    domain_format = "kombu%(vhost)s"

    #: For how long it is known whether a queue has a redrive policy (seconds).
    redrive_policy_cache_ttl = 300

    def basic_reject(
        self, delivery_tag: int, requeue: bool = False, *, timeout: float | None = None
    ) -> None:
        """Refuse a delivery: requeue it, or drop it.

        What is dropped from a queue with a redrive policy comes again when a claim would end, as
        in 5.7, and SQS moves it in the end, unless the queue names a dead-letter exchange.
        """
        if not requeue and (delivery := self._ledger.get(delivery_tag)) is not None:
            with within(timeout):
                if self._is_redriven(delivery.queue):
                    self.basic_requeue(delivery_tag, delay=self._options.claim)
                    return
        super().basic_reject(delivery_tag, requeue, timeout=timeout)

    def _is_redriven(self, queue: str) -> bool:
        transport = self.connection
        spec = transport.backend.store.specs.get(queue)
        if spec is not None and dead_letters(spec.arguments) is not None:
            return False
        found: bool = transport.backend.queues.redrives(
            queue, transport.deadline(), self.redrive_policy_cache_ttl
        )
        return found

    def entity_name(self, name: str, table: Mapping[int, int] = TABLE) -> str:
        """The name of a queue with its punctuation replaced, as kombu 5.7 does it."""
        return entity_name(name, table)

    def canonical_queue_name(self, queue_name: str) -> str:
        """The name of a queue at SQS."""
        return sqs_name(self.queue_name_prefix + queue_name)

    def sqs(self, queue: str | None = None) -> Any:
        """The client of boto3 that asks about a queue."""
        backend = self.connection.backend
        return (
            clients(backend.account) if queue is None else backend.queues.clients(queue)
        ).command

    @property
    def conninfo(self) -> Any:
        """The `kombu.Connection`."""
        return self.connection.client

    @property
    def transport_options(self) -> dict[str, Any]:
        """What was given as ``transport_options``."""
        return dict(self.connection.client.transport_options or {})

    @property
    def _options(self) -> SQSOptions:
        options: SQSOptions = self.connection.options
        return options

    @property
    def visibility_timeout(self) -> int:
        """The visibility timeout of queues that are created (seconds)."""
        return self._options.visibility_timeout

    @property
    def wait_time_seconds(self) -> int:
        """For how long the server is asked to wait for a message (seconds)."""
        return self._options.wait_time_seconds

    @property
    def queue_name_prefix(self) -> str:
        """What the names of all queues at SQS begin with."""
        return self._options.queue_name_prefix

    @property
    def predefined_queues(self) -> Mapping[str, Any]:
        """The only queues there are, where that was given."""
        return self._options.predefined_queues or {}

    @property
    def predefined_exchanges(self) -> Mapping[str, Any]:
        """Topics of SNS, which are not used yet."""
        return self._options.predefined_exchanges or {}

    @property
    def region(self) -> str:
        """Amazon's region."""
        region: str = self.connection.backend.account.region
        return region

    @property
    def regioninfo(self) -> Any:
        """The option of this name."""
        return self._options.regioninfo

    @property
    def is_secure(self) -> bool | None:
        """Whether the server that the URL names speaks TLS."""
        return self._options.is_secure

    @property
    def port(self) -> int | None:
        """The option of this name."""
        return self._options.port

    @property
    def endpoint_url(self) -> str | None:
        """Where SQS is, `None` for Amazon's."""
        endpoint: str | None = self.connection.backend.account.endpoint
        return endpoint

    @property
    def sqs_base64_encoding(self) -> bool:
        """Whether messages are base64 as a whole."""
        return self._options.sqs_base64_encoding

    @property
    def fetch_message_attributes(self) -> Any:
        """What is asked for with each message."""
        return self._options.fetch_message_attributes
