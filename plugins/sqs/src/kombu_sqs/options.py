"""The transport options of the transport for Amazon SQS."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from kombu.transport.options import LeaseOptions, UnknownOptionWarning

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("HYPHENATED", "LONGEST_LEASE", "SQSOptions", "warn_of_those_without_effect")

#: Options of kombu 5.7 that are no names of Python, and what they are called here.
HYPHENATED = {
    "client-config": "client_config",
    "sqs-creation-attributes": "sqs_creation_attributes",
}

#: Options of kombu 5.7 that do nothing here, and why.
NOT_YET = {
    "supports_fanout": (
        "SNS is not used yet; a fanout exchange goes to the queues that this process bound to it"
    ),
    "predefined_exchanges": "topics of SNS are not used yet",
}

#: For how long Amazon lets a message be claimed in all (seconds).
LONGEST_LEASE = 43_200

#: For how long Amazon lets a receiver wait (seconds).
_LONGEST_WAIT = 20


@dataclass(frozen=True)
class SQSOptions(LeaseOptions):
    """What the transport understands.  Durations are in seconds.

    Those of kombu 5.7 keep their names and defaults; the ones of `NOT_YET` are known, do nothing
    and are told so in a warning.
    """

    transport: ClassVar[str] = "sqs"
    spelled: ClassVar[Mapping[str, str]] = HYPHENATED

    #: Seconds that a claim on a message holds, in whole ones.  The connection renews it while it
    #: lives; what a dead consumer held comes back after it.  `None`: as long as
    #: `visibility_timeout`.
    lease: float | None = 30.0
    #: What new queues have as their visibility timeout, for consumers that say nothing of their
    #: own, such as 5.7's.
    visibility_timeout: int = 1800
    #: For how long the server is asked to wait for a message, 20 at most; 0: it does not wait, and
    #: is asked every `polling_interval`.
    wait_time_seconds: int = 10
    #: What the names of all queues at SQS begin with.
    queue_name_prefix: str = ""
    #: Amazon's region; without it, the one that boto3 is configured for, or us-east-1.
    region: str | None = None
    #: An object with the attributes ``name`` and ``endpoint``, which boto 2 knew.
    regioninfo: Any = None
    #: Whether the server that the URL names speaks TLS.
    is_secure: bool | None = None
    #: The port of that server, where the URL has none.
    port: int | None = None
    #: Where SQS is; instead of a host in the URL.
    endpoint_url: str | None = None
    #: The only queues there are, by name: their ``url``, and ``region``, ``access_key_id``,
    #: ``secret_access_key``, ``backoff_policy`` and ``backoff_tasks``.
    predefined_queues: Mapping[str, Mapping[str, Any]] | None = None
    predefined_exchanges: Mapping[str, Any] | None = None
    supports_fanout: bool = False
    #: A role to work as, and for how long its keys are asked for, and renewed before they end.
    sts_role_arn: str | None = None
    sts_token_timeout: int = 900
    sts_token_buffer_time: int = 0
    #: Attributes of queues that are created (``sqs-creation-attributes``), and their tags.
    sqs_creation_attributes: Mapping[str, str] = field(default_factory=dict)
    queue_tags: Mapping[str, str] = field(default_factory=dict)
    #: Arguments of ``botocore.config.Config`` (``client-config``).
    client_config: Mapping[str, Any] = field(default_factory=dict)
    #: What to ask for with each message: ``MessageSystemAttributeNames``,
    #: ``MessageAttributeNames``; or a list of the first.
    fetch_message_attributes: Any = None
    #: Whether messages are base64 as a whole, as 5.7's readers and writers have it.
    sqs_base64_encoding: bool = True
    #: The largest text, and batch of texts, that the server takes, in bytes.  Amazon took 256 KiB
    #: until August 2025 and takes 1 MiB since; a queue that is set to less says so.
    max_message_bytes: int = 1_048_576

    def __post_init__(self) -> None:
        if self.lease is not None and not 1 <= self.lease <= LONGEST_LEASE:
            raise ValueError(
                f"transport_options lease is {self.lease!r}: wanted are seconds from 1 to "
                f"{LONGEST_LEASE}, or None"
            )
        if not 0 <= self.visibility_timeout <= LONGEST_LEASE:
            raise ValueError(
                f"transport_options visibility_timeout is {self.visibility_timeout!r}: wanted are "
                f"seconds from 0 to {LONGEST_LEASE}"
            )
        if not 0 <= self.wait_time_seconds <= _LONGEST_WAIT:
            raise ValueError(
                f"transport_options wait_time_seconds is {self.wait_time_seconds!r}: wanted are "
                f"seconds from 0 to {_LONGEST_WAIT}"
            )
        for name, queue in (self.predefined_queues or {}).items():
            if not queue.get("url"):
                raise ValueError(
                    f"transport_options predefined_queues has {name!r} without 'url': wanted is "
                    "the URL of the queue at SQS"
                )

    @property
    def claim(self) -> float:
        """How long a claim holds (seconds)."""
        return float(self.visibility_timeout or 1) if self.lease is None else self.lease


def warn_of_those_without_effect(given: Mapping[str, Any]) -> None:
    """Name the options in `given` that do nothing here."""
    for name in sorted(NOT_YET.keys() & given.keys()):
        if given[name]:
            warnings.warn(
                f"The sqs transport knows the option {name!r} of kombu 5.7, which has no effect: "
                f"{NOT_YET[name]}",
                UnknownOptionWarning,
                stacklevel=3,
            )
