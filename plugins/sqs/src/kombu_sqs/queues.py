"""Queues at SQS: where they are, making and deleting them."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from .api import ask
from .clients import Account, clients
from .errors import DoesNotExistQueueException, undefined
from .names import is_fifo, sqs_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .clients import Clients
    from .options import SQSOptions
    from .store import Store

__all__ = ("Queues",)

_READY = "ApproximateNumberOfMessages"
_LARGEST = "MaximumMessageSize"
_REDRIVE = "RedrivePolicy"


class Queues:
    """The queues of one connection.  Any thread may use it.

    Deadlines are in seconds of `time.monotonic`.

    Args:
        account: Who asks, and where.
        options: What the user said.
        store: What the process knows.
    """

    def __init__(self, account: Account, options: SQSOptions, store: Store) -> None:
        self._account = account
        self._options = options
        self._store = store
        #: The queues that the user named; `None` where all may be used.
        self.predefined: Mapping[str, Mapping[str, Any]] | None = options.predefined_queues or None

    def clients(self, name: str) -> Clients:
        """The clients that ask about a queue: a predefined one may have keys of its own."""
        mine = (self.predefined or {}).get(name)
        if not mine:
            return clients(self._account)
        base = self._account
        return clients(
            Account(
                region=mine.get("region") or base.region,
                endpoint=base.endpoint,
                key_id=mine.get("access_key_id") or base.key_id,
                secret=mine.get("secret_access_key") or base.secret,
                role=mine.get("sts_role_arn") or base.role,
                role_seconds=base.role_seconds,
                role_buffer=base.role_buffer,
                wait=base.wait,
                config=base.config,
            )
        )

    def url(self, name: str, deadline: float) -> str | None:
        """Where a queue is, `None` where there is none.

        Raises:
            UndefinedQueueException: It is not predefined, and others are.
        """
        if self.predefined is not None:
            try:
                return str(self.predefined[name]["url"])
            except KeyError:
                raise undefined(name, self.predefined) from None
        found = self._store.urls.get(name)
        if found is None:
            wanted = sqs_name(self._options.queue_name_prefix + name)
            try:
                answer = self._ask(name, "get_queue_url", deadline, QueueName=wanted)
            except DoesNotExistQueueException:
                self._store.urls.pop(name, None)
                return None
            found = self._store.urls[name] = answer["QueueUrl"]
        return found

    def make(self, name: str, deadline: float) -> str:
        """Create a queue and return where it is."""
        options = self._options
        attributes = {"VisibilityTimeout": str(int(options.visibility_timeout))}
        if is_fifo(name):
            attributes["FifoQueue"] = "true"
        attributes.update(
            {key: str(value) for key, value in options.sqs_creation_attributes.items()}
        )
        arguments: dict[str, Any] = {
            "QueueName": sqs_name(options.queue_name_prefix + name),
            "Attributes": attributes,
        }
        if options.queue_tags:
            arguments["tags"] = dict(options.queue_tags)
        answer = self._ask(name, "create_queue", deadline, **arguments)
        url = self._store.urls[name] = str(answer["QueueUrl"])
        return url

    def ask(
        self, name: str, operation: str, deadline: float, *, create: bool = False, **arguments: Any
    ) -> dict[str, Any] | None:
        """Ask something of a queue; `None` where there is none, unless it is to be created."""
        for _ in range(2):
            url = self.url(name, deadline)
            if url is None:
                if not create:
                    return None
                url = self.make(name, deadline)
            try:
                return self._ask(name, operation, deadline, QueueUrl=url, **arguments)
            except DoesNotExistQueueException:
                if self.predefined is not None:
                    raise
                # Somebody deleted it since we learned where it is.
                self._store.urls.pop(name, None)
        return None

    def ready(self, name: str, deadline: float) -> int | None:
        """About how many messages are ready, `None` where there is no such queue."""
        answer = self.ask(name, "get_queue_attributes", deadline, AttributeNames=[_READY, _LARGEST])
        if answer is None:
            return None
        attributes = answer["Attributes"]
        if _LARGEST in attributes:
            self._store.limits[name] = int(attributes[_LARGEST])
        return int(attributes[_READY])

    def redrives(self, name: str, deadline: float, lasting: float) -> bool:
        """Whether SQS moves what a queue handed out too often; asked again after some seconds."""
        known, at = self._store.redriven.get(name, (False, -lasting))
        if monotonic() - at < lasting:
            return known
        answer = self.ask(name, "get_queue_attributes", deadline, AttributeNames=[_REDRIVE])
        found = bool((answer or {}).get("Attributes", {}).get(_REDRIVE))
        self._store.redriven[name] = found, monotonic()
        return found

    def delete(self, name: str, deadline: float) -> None:
        """Delete a queue; one that is predefined stays, as it is somebody else's."""
        if self.predefined is None:
            self.ask(name, "delete_queue", deadline)
            self._store.forget(name)

    def _ask(self, name: str, operation: str, deadline: float, **arguments: Any) -> dict[str, Any]:
        return ask(self.clients(name), self._store.clock, operation, deadline, **arguments)
