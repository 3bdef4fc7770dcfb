"""The transport options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kombu.transport.options import LeaseOptions


@dataclass(frozen=True)
class BeanstalkOptions(LeaseOptions):
    """What every transport with leases understands."""

    transport: ClassVar[str] = "beanstalk"

    #: The time to run that messages are published with (whole seconds, at least 1).
    lease: float | None = 60.0
