"""The contract suites: what a transport promises, a class for each promise.

They use a transport as everybody does, by `kombu.Connection`, so any that is installed can be
judged: ``pytest -p kombu.testing.plugin --kombu-url URL``.  The author of one has its tests import
them, and overrides the fixture ``broker_url`` of `kombu.testing.plugin`.
"""

from __future__ import annotations

from .bodies import TestBodies, TestEncodings, TestNames
from .dead_letters import TestDeadLetters, TestDeliveryLimit, TestMaxLength
from .deadlines import TestDeadlines
from .declarations import TestDeclarations, TestSizes
from .delivery import TestDelivery
from .eventloop import TestEventLoop
from .exchanges import TestDirect, TestExchangeBindings, TestFanout, TestHeaders, TestTopic
from .faults import TestFaultsUnderLoad
from .imports import TestImports
from .leases import TestLeases
from .ordering import TestOrdering
from .outages import TestConnectionLoss, TestRestart
from .prefetch import TestPrefetch
from .priorities import TestPriorities
from .processes import TestKilledProcesses, TestProcesses
from .settling import TestMultiple, TestReturnOnClose, TestSettling
from .threads import TestFork, TestThreads
from .times import TestDelay, TestMessageTTL, TestQueueTTL
from .windows import TestPublishWindow

__all__ = (
    "TestBodies",
    "TestConnectionLoss",
    "TestDeadLetters",
    "TestDeadlines",
    "TestDeclarations",
    "TestDelay",
    "TestDelivery",
    "TestDeliveryLimit",
    "TestDirect",
    "TestEncodings",
    "TestEventLoop",
    "TestExchangeBindings",
    "TestFanout",
    "TestFaultsUnderLoad",
    "TestFork",
    "TestHeaders",
    "TestImports",
    "TestKilledProcesses",
    "TestLeases",
    "TestMaxLength",
    "TestMessageTTL",
    "TestMultiple",
    "TestNames",
    "TestOrdering",
    "TestPrefetch",
    "TestPriorities",
    "TestProcesses",
    "TestPublishWindow",
    "TestQueueTTL",
    "TestRestart",
    "TestReturnOnClose",
    "TestSettling",
    "TestSizes",
    "TestThreads",
    "TestTopic",
)
