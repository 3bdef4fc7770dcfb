"""URLs and options of the MongoDB transport; no server is asked."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import time
from typing import Any

import pytest
from pymongo import errors

from kombu import Connection
from kombu.exceptions import ConnectionError as BrokerConnectionError
from kombu.testing.ports import Port
from kombu.transport.options import UnknownOptionWarning
from kombu_mongodb.errors import MongoConnectionLost
from kombu_mongodb.options import MongoOptions
from kombu_mongodb.transport import Transport
from kombu_mongodb.url import mask_password, mongo_url, tls_options


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("mongodb://", "mongodb://127.0.0.1:27017"),
        ("mongodb:///tasks", "mongodb://127.0.0.1:27017/tasks"),
        ("mongodb://u:p@/tasks", "mongodb://u:p@127.0.0.1:27017/tasks"),
        ("mongodb://h", "mongodb://h"),
        ("mongodb://u:p%2F@h:1/db", "mongodb://u:p%2F@h:1/db"),
        (
            "mongodb://u:p@h1:1,h2:2/db?replicaSet=rs&w=majority",
            "mongodb://u:p@h1:1,h2:2/db?replicaSet=rs&w=majority",
        ),
        ("mongodb://h1:1,h2/db", "mongodb://h1:1,h2/db"),
        ("mongodb://h/db?authSource=admin&tls=true", "mongodb://h/db?authSource=admin&tls=true"),
        ("mongodb+srv://u:p@c.example.net/db", "mongodb+srv://u:p@c.example.net/db"),
    ],
)
def test_the_driver_gets_the_url(given: str, wanted: str) -> None:
    connection = Connection(given)
    assert connection.transport_cls == "mongodb"
    assert mongo_url(connection, MongoOptions()) == wanted


def test_the_url_is_made_of_the_parts() -> None:
    connection = Connection(
        "h", transport="mongodb", userid="a@b", password="p/w", port=5, virtual_host="db"
    )
    assert mongo_url(connection, MongoOptions()) == "mongodb://a%40b:p%2Fw@h:5/db"
    options = MongoOptions(default_hostname="elsewhere", default_port=7)
    assert mongo_url(Connection("mongodb://"), options) == "mongodb://elsewhere:7"
    bare = Connection(hostname=None, transport="mongodb")
    assert mongo_url(bare, options) == "mongodb://elsewhere:7/"


@pytest.mark.parametrize(
    "url", ["mongodb://u:secret@h1:1,h2:2/db?replicaSet=x", "mongodb+srv://u:secret@c.net/db"]
)
def test_a_password_is_not_shown(url: str) -> None:
    assert "secret" not in mask_password(url)
    connection = Connection(url)
    connection.transport
    assert "secret" not in connection.as_uri()
    assert "u:**@" in connection.as_uri()
    assert connection.as_uri(include_password=True) == url


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (False, {}),
        (True, {"tls": True}),
        ({"ca_certs": "/ca.pem"}, {"tls": True, "tlsCAFile": "/ca.pem"}),
        (
            {"ssl_certfile": "/c.pem", "cert_reqs": "CERT_NONE"},
            {
                "tls": True,
                "tlsCertificateKeyFile": "/c.pem",
                "tlsAllowInvalidCertificates": True,
            },
        ),
        ({"tlsCAFile": "/ca.pem", "cert_reqs": 2}, {"tls": True, "tlsCAFile": "/ca.pem"}),
    ],
)
def test_tls_is_told_in_the_drivers_words(given: Any, wanted: dict[str, Any]) -> None:
    assert tls_options(given) == wanted


@pytest.mark.parametrize("name", ["broadcast_collection", "capped_queue_size", "readpreference"])
def test_options_without_effect_are_named(name: str) -> None:
    with pytest.warns(UnknownOptionWarning, match=name):
        Connection("mongodb://", transport_options={name: "x"}).transport


def test_every_option_of_5_7_is_known() -> None:
    names = {
        *("broadcast_collection", "calc_queue_size", "capped_queue_size", "connect_timeout"),
        *("default_database", "default_hostname", "default_port", "messages_collection"),
        *("queues_collection", "readpreference", "routing_collection", "ssl", "ttl"),
    }
    assert names <= {field.name for field in dataclasses.fields(MongoOptions)}
    assert all(hasattr(Transport.Channel, name) for name in names - {"readpreference"})


@pytest.mark.parametrize("lease", [0, -1, None])
def test_a_claim_that_never_ends_is_refused(lease: Any) -> None:
    with pytest.raises(ValueError, match="lease"):
        MongoOptions(lease=lease)


def test_a_server_that_is_not_there_is_named_in_time() -> None:
    port = Port()
    connection = Connection(f"mongodb://u:secret@127.0.0.1:{port.number}/db")
    began = time.monotonic()
    with pytest.raises(MongoConnectionLost, match=rf"127\.0\.0\.1:{port.number}") as caught:
        connection.connect(timeout=1)
    assert time.monotonic() - began < 1.5
    assert "secret" not in str(caught.value)
    assert isinstance(caught.value, BrokerConnectionError)
    assert isinstance(caught.value, errors.ConnectionFailure)
    assert isinstance(caught.value, connection.recoverable_connection_errors)


def test_a_wrong_option_in_the_url_is_told() -> None:
    with pytest.raises(BrokerConnectionError, match="URL or the options"):
        Connection("mongodb://h/db?w=majority&tls=perhaps").connect(timeout=1)


def test_the_documented_names_are_there() -> None:
    import kombu.transport.mongodb

    assert kombu.transport.mongodb.Transport is Transport
    assert (Transport.driver_type, Transport.driver_name) == ("mongodb", "pymongo")
    assert Transport.can_parse_url
    assert Transport.default_port == 27017
    assert errors.ConnectionFailure in Transport.connection_errors


def test_a_missing_driver_is_told_with_the_extra() -> None:
    program = (
        "import sys; sys.modules['pymongo'] = None; from kombu import Connection; "
        "from kombu.plugins.errors import PluginLoadError\n"
        "try: Connection('mongodb://a').connect()\n"
        "except PluginLoadError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "pymongo" in done.stdout
    assert "kombu[mongodb]" in done.stdout


def test_the_plugin_is_found_without_its_driver() -> None:
    program = (
        "import sys; from kombu import Connection; from kombu.plugins import find_transport; "
        "find_transport('mongodb'); Connection('mongodb://a,b/db'); "
        "print('pymongo' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
