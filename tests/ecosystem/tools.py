"""Has a tool that measures follow a message; prints what it saw as a line of JSON.

Arguments: the name of the tool.  Nothing is sent to anybody.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path


def exchange_a_message():
    """Publish a message and consume it: its body and its headers."""
    from kombu import Connection, Consumer, Exchange, Queue

    got = []

    def take(body, message):
        got.append([body, message.headers])
        message.ack()

    queue = Queue("orders", Exchange("shop"), routing_key="new")
    with Connection("memory://") as connection:
        producer = connection.Producer()
        options = {"exchange": "shop", "routing_key": "new", "declare": [queue]}
        producer.publish({"order": 1}, headers={"mine": "kept"}, **options)
        with Consumer(connection.channel(), [queue], callbacks=[take]):
            connection.drain_events(timeout=5)
    return got


def ddtrace():
    """Spans of publishing and receiving, joined by headers."""
    import ddtrace
    from ddtrace.trace import TraceFilter, tracer

    spans = []

    class Collect(TraceFilter):
        def process_trace(self, trace):
            spans.extend([s.name, s.resource, s.trace_id, s.span_id, s.parent_id] for s in trace)

    ddtrace.patch(kombu=True)
    tracer.configure(trace_processors=[Collect()])
    got = exchange_a_message()
    tracer.flush()
    return {"got": got, "spans": spans}


def newrelic():
    """Headers that join what was published to what is received."""
    from newrelic import agent

    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder, "newrelic.ini")
        settings.write_text(
            "[newrelic]\nlicense_key=x\ndeveloper_mode=true\napp_name=shop\n"
            f"log_file={folder}/log\n"
        )
        agent.initialize(str(settings))
        agent.register_application(timeout=5)
        return {"got": agent.background_task(name="shop")(exchange_a_message)()}


def sentry():
    """Spans of publishing in a transaction."""
    import sentry_sdk
    from sentry_sdk.integrations.celery import CeleryIntegration
    from sentry_sdk.transport import Transport

    events = []

    class Collect(Transport):
        def capture_envelope(self, envelope):
            events.extend(item.payload.json for item in envelope.items)

    sentry_sdk.init(
        dsn="http://key@localhost/1",
        traces_sample_rate=1.0,
        transport=Collect,
        integrations=[CeleryIntegration()],
        default_integrations=False,
    )
    with sentry_sdk.start_transaction(name="shop", op="test"):
        got = exchange_a_message()
        from shop import add

        add.delay(1, 2)
    sentry_sdk.flush()
    spans = [
        [span["op"], span["data"].get("messaging.system")]
        for event in events
        if event and event.get("type") == "transaction"
        for span in event["spans"]
    ]
    return {"got": got, "spans": spans}


if __name__ == "__main__":
    print(json.dumps({"ddtrace": ddtrace, "newrelic": newrelic, "sentry": sentry}[sys.argv[1]]()))
