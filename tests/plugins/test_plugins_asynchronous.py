"""What each transport tells Celery, which chooses its loop by it."""

from __future__ import annotations

import pytest

from kombu import Connection
from kombu.plugins.known import KNOWN

#: As in 5.7, where other fleets' workers run so today.
YES = {"amqp", "amqps", "pyamqp", "librabbitmq", "redis", "rediss", "sentinel", "sqs", "SQS"}
#: New, and as the others of Redis.
YES |= {"rediscluster", "redisclusters"}
NO = {"memory", "mongodb", "zookeeper", "etcd", "etcd2", "filesystem"}


def said(scheme: str, **options: object) -> bool:
    transport = Connection(f"{scheme}://", transport_options=options).transport
    assert transport.implements["asynchronous"] is transport.implements.asynchronous
    assert transport.supports_ev is transport.implements.asynchronous
    return bool(transport.implements.asynchronous)


def test_each_is_here() -> None:
    written = {scheme for scheme, known in KNOWN.items() if known.written}
    assert written == YES | NO


@pytest.mark.filterwarnings("ignore:librabbitmq")
@pytest.mark.parametrize("scheme", sorted(YES | NO))
def test_it_says_what_5_7_says(scheme: str) -> None:
    assert said(scheme) is (scheme in YES)


@pytest.mark.parametrize("scheme", sorted(YES | NO))
@pytest.mark.parametrize("wanted", [True, False])
def test_there_is_a_switch_where_a_thread_can_fetch(scheme: str, wanted: bool) -> None:
    if scheme in ("amqp", "amqps", "pyamqp", "librabbitmq"):
        pytest.skip("AMQP has a socket to watch, and is watched where its user registers it")
    assert said(scheme, asynchronous=wanted) is wanted
    # That of one connection says nothing of the others.
    assert said(scheme) is (scheme in YES)
