"""URLs and options of the transports for etcd."""

from __future__ import annotations

import json
import subprocess
import sys
from urllib.request import urlopen

import pytest

from kombu import Connection
from kombu.exceptions import RecoverableConnectionError
from kombu.testing.fixtures import server_fixture
from kombu.testing.ports import Port
from kombu.testing.servers import Etcd
from kombu.transport.options import UnknownOptionWarning
from kombu_etcd.address import Address, address_of

server = server_fixture(Etcd, scope="module")


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("etcd://", Address("localhost", 2379)),
        ("etcd://h:1/", Address("h", 1)),
        ("etcd://h/a/b/", Address("h", 2379, "/a/b")),
        ("etcd://[::1]:1/x", Address("::1", 1, "/x")),
    ],
)
def test_a_url_names_a_server_and_a_base(url: str, wanted: Address) -> None:
    assert address_of(Connection(url), "etcd") == wanted


@pytest.mark.parametrize("scheme", ["etcd", "etcd2"])
def test_what_can_not_be_used_is_refused_and_not_ignored(scheme: str) -> None:
    for url in (f"{scheme}://me@localhost", f"{scheme}://:secret@localhost"):
        with pytest.raises(ValueError, match="wants both") as told:
            Connection(url).connect()
        assert "secret" not in str(told.value)
    with pytest.raises(ValueError, match="ca_certs"):
        Connection(f"{scheme}://localhost", ssl={"ca_cert": "ca.pem"}).connect()


def test_a_password_is_not_shown() -> None:
    address = address_of(Connection("etcd://me:s%2Fecret@h/"), "etcd")
    assert (address.user, address.password) == ("me", "s/ecret")
    assert "ecret" not in repr(address)


@pytest.mark.parametrize("scheme", ["etcd", "etcd2"])
def test_nobody_there_is_told_with_host_and_port(scheme: str) -> None:
    port = Port()
    port.close()
    connection = Connection(f"{scheme}://127.0.0.1:{port.number}")
    with pytest.raises(connection.connection_errors, match=f"127.0.0.1:{port.number}"):
        connection.connect(timeout=5)
    # And not as one that is slow.
    with pytest.raises(RecoverableConnectionError):
        connection.connect(timeout=5)


@pytest.mark.parametrize("scheme", ["etcd", "etcd2"])
@pytest.mark.parametrize("name", ["body_encoding", "requeue_backoff"])
def test_what_has_no_effect_is_named(scheme: str, name: str) -> None:
    with pytest.warns(UnknownOptionWarning, match=name):
        Connection(f"{scheme}://", transport_options={name: 1}).transport


@pytest.mark.parametrize(
    ("driver", "scheme"), [("etcd3gw", "etcd"), ("etcd", "etcd2")], ids=["etcd", "etcd2"]
)
def test_without_the_driver_the_error_names_the_extra(driver: str, scheme: str) -> None:
    program = f"""
import sys
sys.modules["{driver}"] = None
from kombu import Connection
Connection("{scheme}://localhost").connect()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 1
    assert "PluginLoadError" in done.stderr
    assert "kombu[etcd]" in done.stderr


def test_etcd2_has_the_keys_of_kombu_5(server: Etcd) -> None:
    with Connection(server.v2_url) as connection:
        connection.SimpleQueue("celery@host.some_queue-1").put({"n": 1})
    url = f"http://{server.host}:{server.port}/v2/keys/kombu/celery@host.some_queue-1"
    with urlopen(url) as answer:
        (node,) = json.load(answer)["node"]["nodes"]
    assert node["key"].rpartition("/")[2].isdigit()
    payload = json.loads(node["value"])
    assert payload["properties"]["delivery_info"]["routing_key"] == "celery@host.some_queue-1"
    assert payload["properties"]["delivery_tag"]


def test_what_kombu_5_put_is_read(server: Etcd) -> None:
    # As kombu 5.7.0 writes it.
    value = json.dumps(
        {
            "body": "eyJuIjogMX0=",
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": {},
            "properties": {
                "delivery_mode": 2,
                "delivery_info": {"exchange": "old", "routing_key": "old"},
                "priority": 0,
                "body_encoding": "base64",
                "delivery_tag": "dad6b972-d057-4284-bf88-a9efc08c5ded",
            },
        }
    )
    url = f"http://{server.host}:{server.port}/v2/keys/kombu/old"
    from urllib.parse import urlencode

    urlopen(url, urlencode({"value": value}).encode()).close()
    with Connection(server.v2_url) as connection:
        message = connection.SimpleQueue("old").get(timeout=5)
        assert message.payload == {"n": 1}
        message.ack()
