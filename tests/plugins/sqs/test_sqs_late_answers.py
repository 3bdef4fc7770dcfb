"""An answer that was held up brings no claim that others have by then."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from kombu import Queue
from kombu.testing.faults.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Callable

    from kombu.testing.servers import SQS


def test_a_claim_that_ended_on_its_way_is_not_delivered(
    connect: Callable[..., Any], sqs: SQS
) -> None:
    direct = connect()
    with Proxy(sqs.host, sqs.port) as proxy:
        connection = connect(proxy.through(sqs.url), lease=1, lease_limit=0)
        for _ in range(10):
            queue = Queue(f"late-{uuid.uuid4().hex[:8]}")(direct.channel())
            queue.declare()
            got: list[Any] = []
            consumer = connection.Consumer(
                Queue(queue.name, no_declare=True), on_message=got.append
            )
            consumer.consume()
            with pytest.raises(TimeoutError):
                connection.drain_events(timeout=0.2)
            # The question is with the server, its answer does not get through.
            proxy.blackhole(up=False)
            direct.Producer().publish("m", routing_key=queue.name)
            time.sleep(0.3)
            claimed = queue.queue_declare(passive=True).message_count == 0
            if claimed:
                # For longer than the claim, and so long that whole seconds tell it.
                time.sleep(4)
            proxy.heal()
            if not claimed:
                # The server gave up waiting before: another try.
                consumer.cancel()
                continue
            while not got:
                connection.drain_events(timeout=10)
            (message,) = got
            # The first time that it was handed out nobody saw it.
            assert message.delivery_info["redelivered"]
            message.ack()
            return
        pytest.fail("no question was with the server when the message came")
