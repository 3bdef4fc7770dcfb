"""URLs and options of the ZooKeeper transport."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from kombu import Connection
from kombu.exceptions import ChannelError
from kombu.testing.fixtures import server_fixture
from kombu.testing.ports import Port
from kombu.testing.servers import ZooKeeper
from kombu.transport.options import UnknownOptionWarning
from kombu_zookeeper.address import Address, address_of

server = server_fixture(ZooKeeper, scope="module")


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("zookeeper://", Address("localhost:2181")),
        ("zookeeper://h:1/", Address("h:1")),
        ("zookeeper://h/a/b/", Address("h:2181", "/a/b")),
        ("zookeeper://a,b,c/base", Address("a:2181,b:2181,c:2181", "/base")),
        ("zookeeper://a:1;zookeeper://b:2/base", Address("a:1,b:2", "/base")),
        ("zookeeper://a:1/base;zookeeper://b:2", Address("a:1,b:2", "/base")),
        (["zookeeper://a:1/base", "zookeeper://b:2/base"], Address("a:1,b:2", "/base")),
        ("zookeeper://[::1]:1/x", Address("[::1]:1", "/x")),
        ("zookeeper://u:p%2F@h/x", Address("h:2181", "/x", "u", "p/")),
    ],
)
def test_a_url_names_servers_and_a_base(url: Any, wanted: Address) -> None:
    assert address_of(Connection(url)) == wanted


def test_options_of_tls_that_are_not_known_are_refused_and_not_ignored() -> None:
    with pytest.raises(ValueError, match="did you mean 'ca_certs'"):
        Connection("zookeeper://localhost", ssl={"ca_cert": "ca.pem"}).connect()


def test_a_password_is_not_shown() -> None:
    assert "ecret" not in repr(address_of(Connection("zookeeper://me:s%2Fecret@h/")))


def test_nobody_there_is_told_with_host_and_port() -> None:
    port = Port()
    port.close()
    with pytest.raises(OSError, match=f"127.0.0.1:{port.number}"):
        Connection(f"zookeeper://127.0.0.1:{port.number}").connect(timeout=5)


def test_one_of_several_servers_is_enough(server: ZooKeeper) -> None:
    port = Port()
    port.close()
    url = f"zookeeper://127.0.0.1:{port.number};zookeeper://{server.host}:{server.port}/some"
    with Connection(url) as connection:
        connection.connect(timeout=10)
        assert connection.connected


def test_the_user_of_the_url_is_who_the_server_lets_in(server: ZooKeeper) -> None:
    where = f"{server.host}:{server.port}"
    with Connection(f"zookeeper://me:secret@{where}/closed") as connection:
        queue = connection.SimpleQueue("q")
        queue.put("in")
        queue.get(timeout=5).ack()
    for user in ("you:secret@", "me:wrong@", ""):
        with pytest.raises(ChannelError, match="ACL"):
            Connection(f"zookeeper://{user}{where}/closed").connect(timeout=5)


@pytest.mark.parametrize("name", ["body_encoding", "requeue_backoff", "polling_interval"])
def test_what_has_no_effect_is_named(server: ZooKeeper, name: str) -> None:
    with pytest.warns(UnknownOptionWarning, match=name):
        Connection(server.url, transport_options={name: 1}).transport


def test_an_unknown_option_is_named() -> None:
    with pytest.warns(UnknownOptionWarning, match="session_timeout"):
        Connection("zookeeper://", transport_options={"sesion_timeout": 1}).transport


def test_without_the_driver_the_error_names_the_extra() -> None:
    program = """
import sys
sys.modules["kazoo"] = None
from kombu import Connection
Connection("zookeeper://localhost").connect()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 1
    assert "PluginLoadError" in done.stderr
    assert "kombu[zookeeper]" in done.stderr
