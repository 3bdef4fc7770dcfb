"""Options, names of errors, and what is particular to SQS; moto stands in for Amazon."""

from __future__ import annotations

import importlib
import json
import pickle
import subprocess
import sys
import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from kombu import Connection, Exchange, Queue
from kombu.exceptions import ChannelError, LeaseLost
from kombu.exceptions import ConnectionError as BrokerConnectionError
from kombu.testing.checks import returns_within
from kombu.transport.options import UnknownOptionWarning
from kombu_sqs.errors import MessageTooLarge, UndefinedQueueException

if TYPE_CHECKING:
    from collections.abc import Callable

    from kombu.testing.servers import SQS


def name(ending: str = "") -> str:
    return f"o{uuid.uuid4().hex[:10]}{ending}"


def declared(connection: Any, called: str) -> Any:
    queue = Queue(called)(connection.channel())
    queue.declare()
    return queue


def url_of(connection: Any, at_sqs: str) -> str:
    found: str = connection.default_channel.sqs().get_queue_url(QueueName=at_sqs)["QueueUrl"]
    return found


def attributes_of(connection: Any, at_sqs: str) -> dict[str, str]:
    answer = connection.default_channel.sqs().get_queue_attributes(
        QueueUrl=url_of(connection, at_sqs), AttributeNames=["All"]
    )
    found: dict[str, str] = answer["Attributes"]
    return found


def test_the_documented_module_is_the_transport() -> None:
    module = importlib.import_module("kombu.transport.SQS")
    assert module.Transport.driver_type == "sqs"
    assert module.Channel.default_visibility_timeout == 1800
    assert module.Channel.default_region == "us-east-1"
    assert issubclass(module.UndefinedQueueException, ChannelError)


@pytest.mark.parametrize("scheme", ["sqs", "SQS"])
def test_both_schemes_lead_there(sqs: SQS, scheme: str) -> None:
    with Connection(f"{scheme}://a:b@{sqs.host}:{sqs.port}") as connection:
        connection.connect()
        assert connection.transport.driver_name == "sqs"
        assert connection.transport.driver_version()
        assert connection.default_channel.endpoint_url == sqs.endpoint


@pytest.mark.parametrize(
    ("url", "options", "endpoint"),
    [
        ("sqs://a:b@", {}, None),
        ("sqs://", {"region": "eu-west-1"}, None),
        ("sqs://a:b@localhost:4566", {}, "http://localhost:4566"),
        ("sqs://a:b@sqs.example", {"is_secure": True}, "https://sqs.example"),
        ("sqs://a:b@sqs.example", {"is_secure": True, "port": 99}, "https://sqs.example:99"),
        ("sqs://a:b@", {"endpoint_url": "https://other:1"}, "https://other:1"),
    ],
)
def test_urls_say_where_it_is(url: str, options: dict[str, Any], endpoint: str | None) -> None:
    account = Connection(url, transport_options=options).transport.new_backend().account
    assert account.endpoint == endpoint
    assert account.region == options.get("region", "us-east-1")
    assert account.key_id == ("a" if "a:b" in url else None)
    assert "b" not in repr(account).partition("key")[2].replace("None", "")


def test_a_new_queue_has_what_the_options_say(connect: Callable[..., Any]) -> None:
    called = name()
    connection = connect(
        queue_name_prefix="pre.",
        visibility_timeout=77,
        queue_tags={"team": "a"},
        **{"sqs-creation-attributes": {"MessageRetentionPeriod": 120}},
    )
    declared(connection, called)
    attributes = attributes_of(connection, f"pre-{called}")
    assert attributes["VisibilityTimeout"] == "77"
    assert attributes["MessageRetentionPeriod"] == "120"
    tags = connection.default_channel.sqs().list_queue_tags(
        QueueUrl=url_of(connection, f"pre-{called}")
    )
    assert tags["Tags"] == {"team": "a"}


def test_a_fifo_queue_keeps_the_order_of_a_group_and_drops_duplicates(
    connect: Callable[..., Any],
) -> None:
    called = name(".fifo")
    connection = connect()
    queue = declared(connection, called)
    assert attributes_of(connection, called)["FifoQueue"] == "true"
    producer = connection.Producer()
    for number in range(5):
        producer.publish(number, routing_key=called)
    for _ in range(2):
        producer.publish("once", routing_key=called, MessageGroupId="g", MessageDeduplicationId="d")
    got = []
    while (message := queue.get()) is not None:
        got.append(message.payload)
        message.ack()
    assert [body for body in got if body != "once"] == list(range(5))
    assert got.count("once") == 1


def test_a_delay_of_a_fifo_queue_is_kept_by_who_receives(connect: Callable[..., Any]) -> None:
    called = name(".fifo")
    connection = connect()
    queue = declared(connection, called)
    began = time.monotonic()
    connection.Producer().publish("later", routing_key=called, delay=2)
    while (message := queue.get()) is None:
        assert time.monotonic() - began < 8
        time.sleep(0.1)
    assert time.monotonic() - began >= 1.9
    message.ack()


def test_what_5_7_takes_as_properties_is_told_to_sqs(connect: Callable[..., Any]) -> None:
    called = name()
    connection = connect(fetch_message_attributes={"MessageAttributeNames": ["All"]})
    queue = declared(connection, called)
    attributes = {"kind": {"StringValue": "v", "DataType": "String"}}
    began = time.monotonic()
    connection.Producer().publish(
        "m", routing_key=called, DelaySeconds=1, message_attributes=attributes
    )
    while (message := queue.get()) is None:
        time.sleep(0.05)
    assert time.monotonic() - began > 0.8
    assert message.properties["message_attributes"]["kind"]["StringValue"] == "v"
    message.ack()


def test_predefined_queues_are_the_only_ones(connect: Callable[..., Any], sqs: SQS) -> None:
    called, other = name(), name()
    maker = connect()
    declared(maker, called)
    connection = connect(
        predefined_queues={
            called: {"url": url_of(maker, called), "access_key_id": "x", "secret_access_key": "y"}
        }
    )
    queue = declared(connection, called)
    connection.Producer().publish("m", routing_key=called)
    message = queue.get()
    assert message is not None
    message.ack()
    with pytest.raises(UndefinedQueueException, match=called):
        declared(connection, other)
    # Somebody else's: it is not ours to delete.
    queue.delete()
    assert url_of(maker, called)


def test_a_backoff_policy_says_when_a_task_comes_again(connect: Callable[..., Any]) -> None:
    called = name()
    maker = connect()
    declared(maker, called)
    connection = connect(
        predefined_queues={
            called: {
                "url": url_of(maker, called),
                "backoff_policy": {1: 2, 2: 40},
                "backoff_tasks": ["slow"],
            }
        }
    )
    queue = declared(connection, called)
    producer = connection.Producer()
    producer.publish("slow", routing_key=called, headers={"task": "slow"})
    message = queue.get()
    began = time.monotonic()
    message.requeue()
    assert queue.get() is None
    producer.publish("other", routing_key=called, headers={"task": "quick"})
    message = queue.get()
    assert message.payload == "other"
    message.requeue()
    message = queue.get()
    assert message.payload == "other"
    message.ack()
    while (message := queue.get()) is None:
        assert time.monotonic() - began < 8
        time.sleep(0.1)
    assert time.monotonic() - began > 1.5
    assert message.payload == "slow"
    message.ack()


def test_a_role_is_assumed_for_its_keys(
    connect: Callable[..., Any],
    sqs: SQS,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sqs.endpoint)
    connection = connect(
        sts_role_arn="arn:aws:iam::123456789012:role/worker", sts_token_timeout=901
    )
    queue = declared(connection, name())
    assert queue.get() is None
    keys = connection.default_channel.sqs()._request_signer._credentials.get_frozen_credentials()
    assert keys.token
    assert keys.access_key != "testing"


def test_what_is_not_written_yet_is_named(connect: Callable[..., Any]) -> None:
    with pytest.warns(UnknownOptionWarning, match="'supports_fanout'.*SNS"):
        connect(supports_fanout=True).transport
    with pytest.warns(UnknownOptionWarning, match="'predefined_exchanges'"):
        connect(predefined_exchanges={"e": {"arn": "x"}}).transport
    with pytest.warns(UnknownOptionWarning, match="did you mean 'visibility_timeout'"):
        connect(visibilty_timeout=3).transport


def test_every_documented_option_is_known(connect: Callable[..., Any], recwarn: Any) -> None:
    connect(
        **{
            "client-config": {"max_pool_connections": 5},
            "fetch_message_attributes": None,
            "is_secure": False,
            "port": None,
            "predefined_exchanges": {},
            "predefined_queues": {},
            "queue_name_prefix": "",
            "queue_tags": {},
            "region": None,
            "regioninfo": None,
            "sqs-creation-attributes": {},
            "sqs_base64_encoding": True,
            "sts_role_arn": None,
            "sts_token_buffer_time": 0,
            "sts_token_timeout": 900,
            "supports_fanout": False,
            "visibility_timeout": 1800,
            "wait_time_seconds": 10,
            "polling_interval": 1,
        }
    ).transport.new_backend()
    assert [str(warning.message) for warning in recwarn] == []


@pytest.mark.parametrize(
    "options",
    [
        {"lease": 0},
        {"visibility_timeout": 50_000},
        {"wait_time_seconds": 30},
        {"predefined_queues": {"q": {}}},
    ],
)
def test_what_can_not_be_is_refused(connect: Callable[..., Any], options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        connect(**options).transport


def test_without_long_polls_messages_come_too(connect: Callable[..., Any]) -> None:
    called = name()
    connection = connect(wait_time_seconds=0, polling_interval=0.2)
    queue = declared(connection, called)
    got: list[Any] = []
    with connection.Consumer(queue, on_message=got.append):
        with pytest.raises(TimeoutError):
            connection.drain_events(timeout=0.5)
        connection.Producer().publish("m", routing_key=called)
        connection.drain_events(timeout=3)
    assert got[0].payload == "m"
    got[0].ack()


def test_a_message_that_is_too_large_is_told_before_it_is_sent(connect: Callable[..., Any]) -> None:
    called = name()
    connection = connect(max_message_bytes=1024)
    queue = declared(connection, called)
    with pytest.raises(MessageTooLarge, match="max_message_bytes") as caught:
        connection.Producer().publish("x" * 1000, routing_key=called)
    assert (caught.value.queue, caught.value.limit) == (called, 1024)
    assert pickle.loads(pickle.dumps(caught.value)).size == caught.value.size
    assert queue.get() is None


def test_fanout_goes_to_the_queues_bound_in_this_process(connect: Callable[..., Any]) -> None:
    exchange = Exchange(name(), type="fanout")
    here, there = connect(), connect()
    queues = [Queue(name(), exchange)(c.channel()) for c in (here, there)]
    for queue in queues:
        queue.declare()
    connect().Producer().publish("all", exchange=exchange)
    for queue in queues:
        message = queue.get()
        assert message is not None
        assert message.payload == "all"
        message.ack()


def test_nobody_there_is_told_with_host_and_port(connect: Callable[..., Any]) -> None:
    connection = connect("sqs://a:b@127.0.0.1:1")
    with pytest.raises(connection.connection_errors, match=r"127\.0\.0\.1:1") as caught:
        connection.connect(timeout=3)
    assert isinstance(caught.value, (OSError, BrokerConnectionError))


def test_a_silent_server_holds_nobody_up(connect: Callable[..., Any], sqs: SQS) -> None:
    called = name()
    connection = connect(operation_timeout=1)
    queue = declared(connection, called)
    got: list[Any] = []
    consumer = connection.Consumer(queue, on_message=got.append)
    consumer.consume()
    connection.Producer().publish("m", routing_key=called)
    connection.drain_events(timeout=5)
    sqs.pause()
    try:
        returns_within(2.5, got[0].ack)
        with pytest.raises((TimeoutError, BrokerConnectionError)):
            returns_within(1.5, lambda: connection.Producer().publish("n", routing_key=called))
        with pytest.raises(TimeoutError):
            returns_within(1, lambda: connection.drain_events(timeout=0.5))
        returns_within(1, lambda: connection.close(timeout=0.5))
    finally:
        sqs.resume()


def test_a_claim_that_ran_out_unseen_is_not_acknowledged(connect: Callable[..., Any]) -> None:
    called = name()
    connection = connect(lease=1, lease_limit=0)
    queue = declared(connection, called)
    connection.Producer().publish("m", routing_key=called)
    late = queue.get()
    time.sleep(1.05)
    # Amazon would take the receipt still, and so delete what another consumer has by now.
    with pytest.raises(LeaseLost):
        late.ack()
    while (again := queue.get()) is None:
        time.sleep(0.05)
    again.ack()


def test_a_batch_is_sent_ten_at_once(connect: Callable[..., Any]) -> None:
    called = name()
    connection = connect()
    queue = declared(connection, called)
    asked: list[str] = []
    events = connection.default_channel.sqs().meta.events
    events.register(
        "before-call.sqs", lambda model, **_: asked.append(model.name), unique_id="counting"
    )
    try:
        producer = connection.Producer()
        assert producer.supports_batch_publish
        with producer.batch():
            for number in range(25):
                producer.publish(number, routing_key=called)
    finally:
        events.unregister("before-call.sqs", unique_id="counting")
    assert asked.count("SendMessageBatch") == 3
    assert queue.queue_declare(passive=True).message_count == 25
    assert queue.purge() == 25


def test_a_queue_that_is_set_to_less_takes_less(connect: Callable[..., Any]) -> None:
    called = name()
    connection = connect(**{"sqs-creation-attributes": {"MaximumMessageSize": 2048}})
    queue = declared(connection, called)
    # The first declaration has created it, this one has asked it.
    queue.declare()
    with pytest.raises(MessageTooLarge, match="takes 2048"):
        connection.Producer().publish("x" * 2000, routing_key=called)
    connection.Producer().publish("x" * 500, routing_key=called)
    queue.get().ack()


def test_without_its_driver_the_error_names_the_extra() -> None:
    program = """if True:
        import sys
        sys.modules["botocore"] = sys.modules["boto3"] = None
        from kombu import Connection
        try:
            Connection("sqs://a:b@127.0.0.1:1").connect()
        except ImportError as error:
            print(type(error).__name__, error)
    """
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.startswith("PluginLoadError"), done.stdout + done.stderr
    assert "kombu[sqs]" in done.stdout
    assert "botocore" in done.stdout


def test_what_is_rejected_is_left_to_a_redrive_policy(connect: Callable[..., Any]) -> None:
    called, graves = name(), name()
    connection = connect(lease=1)
    dead = declared(connection, graves)
    queue = declared(connection, called)
    connection.default_channel.sqs().set_queue_attributes(
        QueueUrl=url_of(connection, called),
        Attributes={
            "RedrivePolicy": json.dumps(
                {
                    "deadLetterTargetArn": attributes_of(connection, graves)["QueueArn"],
                    "maxReceiveCount": 1,
                }
            )
        },
    )
    connection.Producer().publish("m", routing_key=called)
    queue.get().reject()
    began = time.monotonic()
    while (message := dead.get()) is None:
        assert queue.get() is None
        assert time.monotonic() - began < 10
        time.sleep(0.1)
    assert message.payload == "m"
    message.ack()
