"""The transport options of the transports for etcd."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from kombu.transport.options import LeaseOptions, UnknownOptionWarning

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("LEASE", "NO_EFFECT", "Etcd2Options", "EtcdOptions", "warn_of_those_without_effect")

#: How long a claim holds unless told otherwise (seconds).
LEASE = 30.0

#: What is known and does nothing here, and why.
NO_EFFECT = {
    "body_encoding": "bodies are always base64",
    "requeue_backoff": "etcd delays nothing",
    "requeue_backoff_max": "etcd delays nothing",
}


@dataclass(frozen=True)
class EtcdOptions(LeaseOptions):
    """What every virtual transport understands, and how long a claim holds."""

    transport: ClassVar[str] = "etcd"

    #: Seconds that a claim holds, rounded up; the server has a least time of its own, which is 2
    #: unless configured otherwise.
    lease: float | None = LEASE


@dataclass(frozen=True)
class Etcd2Options(EtcdOptions):
    """The same for the v2 API, which is asked again and again."""

    transport: ClassVar[str] = "etcd2"

    #: Seconds between two looks of an idle consumer.
    polling_interval: float = 0.1


def warn_of_those_without_effect(transport: str, given: Mapping[str, Any]) -> None:
    """Name the options in `given` that do nothing here."""
    for name in sorted(NO_EFFECT.keys() & given.keys()):
        warnings.warn(
            f"The option {name!r} has no effect on the {transport} transport: {NO_EFFECT[name]}",
            UnknownOptionWarning,
            stacklevel=3,
        )
