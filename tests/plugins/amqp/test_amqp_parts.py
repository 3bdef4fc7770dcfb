"""What needs no broker: errors, options, and the parts without I/O."""

from __future__ import annotations

import pickle
import ssl
import warnings

import amqp
import pytest

from kombu import Connection, exceptions
from kombu.transport.options import UnknownOptionWarning
from kombu_amqp import errors
from kombu_amqp.connection.tls import tls_options
from kombu_amqp.consume.consumers import Declared, Registry
from kombu_amqp.delaying import LONGEST, PREFIX, take_delay, waiting_queue, without_waits
from kombu_amqp.options import AmqpOptions, arguments_of_amqp
from kombu_amqp.publish.confirms import Confirms, Published
from kombu_amqp.publish.outbox import Outbox
from kombu_amqp.publish.window import Window
from kombu_amqp.transport import LibrabbitmqTransport

CODES = [311, 313, 320, 402, 403, 404, 405, 406, 501, 502, 503, 504, 505, 506, 530, 540, 541]


@pytest.mark.parametrize("code", CODES)
def test_an_error_of_the_broker_is_one_of_both_families(code: int) -> None:
    error = errors.for_code(code, "why", (50, 10), amqp.exceptions.ChannelError)
    theirs = type(amqp.exceptions.error_for_code(code, "why", (50, 10), amqp.ChannelError))
    assert isinstance(error, theirs)
    assert isinstance(error, (exceptions.ConnectionError, exceptions.ChannelError))
    assert isinstance(error, exceptions.KombuError)
    assert (error.reply_code, error.reply_text, error.method_name) == (code, "why", "Queue.declare")
    assert str(error) == f"Queue.declare: ({code}) why"
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)


def test_an_error_of_both_families_says_whether_another_try_helps() -> None:
    for theirs, mine in errors._BY_THEIRS.items():
        recoverable = (amqp.RecoverableConnectionError, amqp.RecoverableChannelError)
        ours = (exceptions.RecoverableConnectionError, exceptions.RecoverableChannelError)
        assert issubclass(mine, recoverable) == issubclass(mine, ours), theirs
        assert issubclass(mine, amqp.ConnectionError) == issubclass(
            mine, exceptions.ConnectionError
        )
        assert issubclass(mine, amqp.ChannelError) == issubclass(mine, exceptions.ChannelError)


def test_a_code_that_is_nobodys_is_a_plain_error() -> None:
    error = errors.for_code(599, "why", (50, 10), amqp.exceptions.ChannelError)
    assert type(error) is errors.ChannelError
    assert error.reply_code == 599


@pytest.mark.parametrize(
    ("error", "ours", "theirs"),
    [
        (errors.MessageNacked("", "q"), exceptions.PublishRefused, amqp.exceptions.MessageNacked),
        (errors.MessageReturned("x", "k"), exceptions.UndeliverableError, amqp.ChannelError),
        (errors.ConsumerCancelled("t", "q"), exceptions.ConsumerCancelled, amqp.ConsumerCancelled),
        (errors.Blocked("b"), exceptions.RecoverableConnectionError, amqp.exceptions.Blocked),
    ],
)
def test_what_has_no_code_is_one_of_both_families_too(
    error: Exception, ours: type, theirs: type
) -> None:
    for each in (error, pickle.loads(pickle.dumps(error))):
        assert isinstance(each, ours)
        assert isinstance(each, theirs)
        assert str(each)
        assert str(each) == str(error)


class NoPublisher:
    """Notes what was refused."""

    def __init__(self) -> None:
        self.errors: list[BaseException] = []

    def refused(self, entry: Published, error: BaseException) -> None:
        entry.error = error
        self.errors.append(error)


def published(confirms: Confirms, body: bytes = b"body", *, windowed: bool = True) -> Published:
    entry = Published(NoPublisher(), "x", "k", b"", body, 0.0, windowed)  # type: ignore[arg-type]
    confirms.published(entry)
    return entry


def test_a_confirm_of_many_settles_all_up_to_it() -> None:
    confirms = Confirms()
    first, second, third = (published(confirms) for _ in range(3))
    confirms.settle(2, multiple=True, refused=False)
    assert first.settled
    assert second.settled
    assert not third.known()
    confirms.settle(3, multiple=False, refused=True)
    assert third.settled
    assert isinstance(third.error, errors.MessageNacked)
    assert first.error is None
    assert not confirms


def test_a_confirm_of_number_0_settles_all() -> None:
    confirms = Confirms()
    entries = [published(confirms) for _ in range(3)]
    confirms.settle(0, multiple=True, refused=False)
    assert all(entry.settled for entry in entries)
    confirms.settle(7, multiple=False, refused=False)
    assert not confirms


def test_what_is_not_confirmed_is_counted_and_weighed() -> None:
    confirms = Confirms()
    published(confirms, b"12345")
    published(confirms, b"678")
    assert (len(confirms), confirms.size) == (2, 8)
    confirms.settle(1, multiple=False, refused=False)
    assert (len(confirms), confirms.size) == (1, 3)


def test_a_message_that_was_not_sent_is_not_counted() -> None:
    confirms = Confirms()
    confirms.not_sent(published(confirms))
    assert (len(confirms), confirms.size) == (0, 0)
    assert published(confirms).number == 1


def test_a_lost_channel_tells_those_who_wait_and_keeps_the_others() -> None:
    confirms = Confirms()
    assert confirms.end(OSError("gone")) == ([], False)
    waiting = published(confirms, windowed=False)
    windowed = published(confirms)
    assert confirms.end(OSError("gone")) == ([windowed], True)
    assert isinstance(waiting.error, OSError)
    assert not windowed.known()


def test_a_callback_is_called_once_and_its_failure_harms_nobody() -> None:
    confirms, told = Confirms(), []
    first, second = published(confirms), published(confirms)
    first.then(told.append).then(lambda entry: 1 / 0)
    second.then(told.append, told.append)
    assert second.watched
    assert not first.watched
    confirms.settle(1, multiple=False, refused=False)
    confirms.settle(2, multiple=False, refused=True)
    assert told == [first, second.error]
    first.then(told.append)
    assert told == [first, second.error, first]


def test_a_window_has_room_for_several_or_for_none() -> None:
    confirms, window = Confirms(), Window(count=4, size=100, age=1e9)
    entries = [published(confirms) for _ in range(4)]
    assert not window.has_room(confirms, 1)
    confirms.settle(2, multiple=True, refused=False)
    assert window.has_room(confirms, 1)
    assert not window.has_room(confirms, 100)
    assert not Window(count=4, size=100, age=1.0).has_room(confirms, 1)
    confirms.settle(4, multiple=True, refused=False)
    assert window.has_room(confirms, 1_000)
    assert all(entry.settled for entry in entries)


def test_what_was_not_confirmed_keeps_its_order() -> None:
    outbox = Outbox(None)
    entries = [
        Published(NoPublisher(), "", "q", b"", b"", float(at), True)  # type: ignore[arg-type]
        for at in range(4)
    ]
    outbox.put([entries[1], entries[3]])
    outbox.put([entries[0], entries[2]])
    outbox.withdraw(entries[2])
    assert outbox.take() == [entries[0], entries[1], entries[3]]
    assert not outbox


def test_options_that_can_not_be_are_refused() -> None:
    for wrong in ({"confirm_publish": "maybe"}, {"confirm_window": 0}, {"confirm_window_age": -1}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            AmqpOptions(**wrong)  # type: ignore[arg-type]


def test_a_consumer_is_known_by_all_tags_that_it_had() -> None:
    registry = Registry()
    registry.add(Declared("t", "q", False, False, False, None))
    new = registry.new_tag("t")
    registry.replaced("t", new)
    assert registry.at_broker("t") == new
    assert registry.meant("t") == registry.meant(new) == "t"
    assert registry.is_current(new)
    assert not registry.is_current("t")
    assert registry.queue_of("t") == "q"


def test_a_delay_is_taken_from_the_headers() -> None:
    headers = {"x-delay": "1500", "mine": 1}
    assert take_delay(headers) == 1500
    assert headers == {"mine": 1}
    assert take_delay(headers) == 0
    with pytest.raises(ValueError, match="longer than a queue can keep"):
        take_delay({"x-delay": LONGEST + 1})


def test_messages_that_wait_equally_long_for_one_place_share_a_queue() -> None:
    assert waiting_queue(5, "x", "k") == waiting_queue(5, "x", "k")
    others = [(6, "x", "k"), (5, "y", "k"), (5, "x", "l")]
    names = {waiting_queue(*args).name for args in [(5, "x", "k"), *others]}
    assert len(names) == 4
    assert all(len(waiting_queue(LONGEST, "x" * 255, "k" * 255).name) < 128 for _ in names)


def test_waiting_leaves_no_marks_on_a_copy() -> None:
    mine = {"queue": "mine", "reason": "rejected"}
    waited = {"queue": f"{PREFIX}5.abc", "reason": "expired"}
    assert without_waits({"x-death": [waited, mine], "a": 1}) == {"x-death": [mine], "a": 1}
    assert without_waits({"x-death": [waited], "x-first-death-queue": "q", "a": 1}) == {"a": 1}


def test_tls_checks_certificate_and_host_by_default() -> None:
    assert tls_options(False, "host") is False
    assert tls_options(True, "host") == {
        "cert_reqs": ssl.CERT_REQUIRED,
        "server_hostname": "host",
    }
    given = {"ca_certs": "ca.pem", "server_hostname": "other"}
    assert tls_options(given, "host") == {**given, "cert_reqs": ssl.CERT_REQUIRED}
    assert tls_options({"cert_reqs": ssl.CERT_NONE}, "host") == {"cert_reqs": ssl.CERT_NONE}
    with pytest.raises(TypeError, match="wanted True, or a dictionary"):
        tls_options("ca.pem", "host")


def test_options_of_amqp_are_passed_on_where_they_were_given() -> None:
    options = AmqpOptions(frame_max=4096, heartbeat=3, client_properties={"app": "mine"})
    assert arguments_of_amqp(options) == {"frame_max": 4096, "client_properties": {"app": "mine"}}


def test_an_unknown_option_is_told() -> None:
    connection = Connection("amqp://", transport_options={"confirm_publich": True})
    with pytest.warns(UnknownOptionWarning, match="confirm_publish"):
        _ = connection.transport


@pytest.mark.parametrize(
    ("url", "port"),
    [("amqp://", 5672), ("pyamqp://", 5672), ("amqps://", 5671)],
)
def test_a_scheme_has_its_port(url: str, port: int) -> None:
    connection = Connection(url)
    defaults = connection.transport.default_connection_params
    assert defaults == {
        "userid": "guest",
        "password": "guest",
        "port": port,
        "hostname": "localhost",
        "login_method": "PLAIN",
    }
    assert bool(connection.ssl) == (port == 5671)


def test_librabbitmq_is_an_alias_with_one_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LibrabbitmqTransport, "_told", False)
    with pytest.warns(UserWarning, match="Write amqp:// instead"):
        assert isinstance(Connection("librabbitmq://").transport, LibrabbitmqTransport)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Connection("librabbitmq://").transport.driver_type == "amqp"


def test_the_documented_names_are_where_they_were() -> None:
    import kombu.transport.pyamqp as documented

    assert documented.Transport.Connection is documented.Connection
    assert documented.Connection.Channel is documented.Channel
    assert documented.Channel.Message is documented.Message
    assert issubclass(documented.SSLTransport, documented.Transport)
    assert issubclass(documented.Connection, amqp.Connection)
    assert issubclass(documented.Channel, amqp.Channel)
