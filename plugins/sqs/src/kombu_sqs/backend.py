"""Amazon SQS as a `kombu.transport.backend.Backend`."""

from __future__ import annotations

import os
import socket
import urllib.request
from dataclasses import replace
from time import monotonic, time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from kombu.exceptions import ConnectionError as BrokerConnectionError
from kombu.exceptions import RecoverableConnectionError
from kombu.transport.capabilities import UNPROMISED, Capabilities
from kombu.utils.loggers import get_logger

from .calls import start
from .claims import Claims
from .clients import Clients, clients
from .queues import Queues
from .receiving import Receiving
from .sending import LONGEST_DELAY, Sending
from .session import SQSSession
from .store import store
from .wire import largest_body

if TYPE_CHECKING:
    from kombu.transport.backend import Release, Role
    from kombu.virtual.declarations import Declarations

    from .clients import Account
    from .options import SQSOptions

__all__ = ("CAPABILITIES", "SQSBackend")

logger = get_logger(__name__)

CAPABILITIES = Capabilities(
    # What a server keeps that is not Amazon's is up to that; see `SQSBackend`.
    durable=False,
    shared_between_processes=True,
    # FIFO queues keep it within a group, others mostly do.
    ordering=UNPROMISED,
    leases=True,
    # SQS counts each time that it hands a message out.
    uncounted_release=False,
    # SQS keeps none; the process knows what it declared itself.
    queue_specs=UNPROMISED,
    shared_topology=UNPROMISED,
    exact_size=UNPROMISED,
    message_ttl=True,
    delay=True,
    max_delay=float(LONGEST_DELAY),
    dead_letter=True,
    delivery_limit=True,
    concurrent_sessions=True,
    # Workers of Celery run their event loop over it, as with 5.7.
    asynchronous=True,
)


class SQSBackend:
    """One connection to SQS.  Any thread may use it.

    Args:
        account: Who asks, and where.
        options: What the user said.
    """

    def __init__(self, account: Account, options: SQSOptions) -> None:
        self.account = account
        self.options = options
        self.capabilities = replace(
            CAPABILITIES,
            durable=account.endpoint is None,
            max_message_bytes=largest_body(options.max_message_bytes, options.sqs_base64_encoding),
        )
        #: Seconds that a claim holds without renewal.
        self.lease: float | None = options.claim
        self.store = store(
            (
                account.region,
                account.endpoint,
                account.key_id,
                account.role,
                options.queue_name_prefix,
                tuple(sorted(options.predefined_queues or ())),
            )
        )
        self.queues = Queues(account, options, self.store)
        self.claims = Claims(self.queues, self.now)
        self.receiving = Receiving(self.queues, options, self.store, self.claims, self.now)
        self.sending = Sending(self.queues, options, self.store, self.now)
        self._process = os.getpid()

    @property
    def declarations(self) -> Declarations:
        """Exchanges and bindings, shared by the connections of this process to the account."""
        return self.store.declarations

    def open(self, role: Role, deadline: float) -> SQSSession:
        """Open a session, and see that somebody listens where SQS is to be.

        Raises:
            ConnectionError: (kombu's) Nobody does, or the name is unknown.
            TimeoutError: It can't be told by the deadline.
        """
        what = "connecting to Amazon SQS"
        where = self.account.endpoint or f"the region {self.account.region}"
        making = f"{what} at {where}: making boto3's client"
        found = start(lambda: clients(self.account)).wait(deadline, making)
        start(lambda: _knock(found, deadline)).wait(deadline, f"{what} at {found.endpoint}")
        return SQSSession(self)

    def now(self) -> float:
        """The clock of this machine: SQS tells its own in whole seconds only."""
        return time()

    def pause_before(self, release: Release) -> float:
        """After how many seconds a message comes again that is given back."""
        return release.delay or self._policy(release)

    def _policy(self, release: Release) -> float:
        """What the ``backoff_policy`` of a predefined queue says of a message."""
        delivery = release.delivery
        queue = (self.queues.predefined or {}).get(delivery.queue, {})
        policy, tasks = queue.get("backoff_policy"), queue.get("backoff_tasks")
        if (
            not policy
            or not release.count
            or delivery.envelope.headers.get("task") not in (tasks or ())
        ):
            return 0.0
        attempt = delivery.count + 1
        # Beyond the last one that is named, it is that one.
        known = [int(number) for number in policy if int(number) <= attempt]
        if not known:
            return 0.0
        return float(policy.get(max(known), policy.get(str(max(known)), 0)))

    def forked(self) -> None:
        """The claims are the parent's to settle; clients and threads are made anew."""
        self.claims.clear()
        self.receiving.dead.clear()

    def close(self, deadline: float) -> None:
        """Have what was claimed and not settled come again."""
        if os.getpid() != self._process:
            return
        held = [(delivery, 0.0) for delivery in self.claims.take_all()]
        if not held:
            return
        try:
            self.claims.give_back(held, deadline)
        except (OSError, BrokerConnectionError) as error:
            logger.warning(
                "%d message(s) could not be given back, and come again when their claims end: %s",
                len(held),
                error,
            )


def _knock(found: Clients, deadline: float) -> None:
    """Open a line to the server and close it: a client of boto3 opens none before it is used."""
    address = urlsplit(found.endpoint)
    host, secure = address.hostname or "", address.scheme == "https"
    if urllib.request.getproxies().get(address.scheme) and not urllib.request.proxy_bypass(host):
        return  # the proxy's to reach
    port = address.port or (443 if secure else 80)
    try:
        socket.create_connection((host, port), max(deadline - monotonic(), 0.001)).close()
    except OSError as error:
        raise RecoverableConnectionError(
            f"Amazon SQS at {host}:{port} can't be reached: {error}. Is it the right host, port "
            "and region, and does something listen there?"
        ) from error
