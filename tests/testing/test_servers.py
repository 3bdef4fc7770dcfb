"""Private servers start, die, freeze and come back, and leave nothing behind."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import sys
import textwrap
import time
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import amqp
import pytest

from kombu.testing.fixtures import need, server_fixture
from kombu.testing.ports import Port
from kombu.testing.servers import (
    SQS,
    Beanstalkd,
    Certificates,
    Etcd,
    RabbitMQ,
    Redis,
    Server,
    ServerError,
    ServerMissing,
    Valkey,
    ZooKeeper,
)
from kombu.testing.servers.base import ask
from kombu.testing.servers.http import send_json
from kombu.testing.servers.owner import this_process
from kombu.testing.servers.watcher import Family, find

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

ALL = [Redis, Valkey, Beanstalkd, SQS]


@pytest.fixture(params=ALL, ids=lambda kind: kind.__name__)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    need(request.param)
    with request.param() as running:
        yield running


def test_a_server_survives_all_that_can_be_done_to_it(server: Server) -> None:
    _do_all_that_can_be_done(server)


def _do_all_that_can_be_done(server: Server, after_start: Callable[[], None] = bool) -> None:
    port, url = server.port, server.url
    assert server.running
    assert server.ready
    assert str(port) in url

    server.pause()
    assert server.running
    assert not server.ready
    with socket.create_connection((server.host, port), timeout=1):
        pass  # the system accepts, as that of a hung host does
    server.resume()
    assert server.ready

    server.pause()
    server.kill9()
    assert not server.running
    assert not server.ready
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((server.host, port), timeout=1)
    server.start()
    assert server.ready
    after_start()

    server.restart()
    assert server.ready
    after_start()
    assert (server.port, server.url) == (port, url)

    server.stop()
    assert not server.running
    assert not server.ready


def processes(server: Server) -> set[int]:
    return find(server._processes._family)


def test_a_closed_server_leaves_no_process_no_folder_and_no_port() -> None:
    before = len(list(Path("/proc/self/fd").iterdir())) if this_process() else 0
    with Beanstalkd() as server:
        assert len(processes(server)) == 1
        assert processes(server) <= find(Family(this_process().folder))
    assert not processes(server)
    assert not server.folder.exists()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    server.close()


def test_starting_what_runs_does_nothing() -> None:
    with Beanstalkd() as server:
        found = processes(server)
        server.start()
        assert processes(server) == found


@pytest.mark.parametrize("kind", [Redis, Valkey], ids=lambda kind: kind.__name__)
def test_redis_keeps_what_was_answered(kind: type[Redis]) -> None:
    need(kind)
    with kind() as server:
        address = (server.host, server.port)
        assert ask(address, b"SET key value\r\n") == b"+OK\r\n"
        server.kill9()
        server.start()
        assert ask(address, b"GET key\r\n") == b"$5\r\nvalue\r\n"


def test_redis_offers_tls_users_and_a_unix_socket() -> None:
    with Redis(tls=True, users={"alice": "p/w"}) as server:
        assert server.url == f"redis://alice:p%2Fw@127.0.0.1:{server.port}/0"
        assert server.tls_url.startswith(f"rediss://alice:p%2Fw@127.0.0.1:{server.tls_port}/0?")
        assert server.socket_url == f"redis+socket://alice:p%2Fw@{server.socket}"
        assert ask(str(server.socket), b"GET key\r\n").startswith(b"-NOAUTH")
        login = b"AUTH alice p/w\r\n"
        assert ask(str(server.socket), login).startswith(b"+OK")
        trusting = ssl.create_default_context(cafile=str(server.certificates.authority))
        with (
            socket.create_connection((server.host, server.tls_port), timeout=5) as line,
            trusting.wrap_socket(line, server_hostname="localhost") as safe,
        ):
            safe.sendall(login)
            assert safe.recv(100) == b"+OK\r\n"
        with (
            socket.create_connection((server.host, server.tls_port), timeout=5) as line,
            pytest.raises(ssl.SSLCertVerificationError),
        ):
            ssl.create_default_context().wrap_socket(line, server_hostname="localhost")


@pytest.mark.parametrize("kind", [Redis, RabbitMQ, Etcd, ZooKeeper], ids=lambda kind: kind.__name__)
def test_who_did_not_ask_for_tls_is_told(kind: type[Redis | RabbitMQ | Etcd | ZooKeeper]) -> None:
    with pytest.raises(ValueError, match="tls=True"):
        _ = kind().tls_url


@pytest.mark.parametrize("kind", [Etcd, ZooKeeper], ids=lambda kind: kind.__name__)
def test_a_server_asks_for_certificates_and_has_one(kind: type[Etcd | ZooKeeper]) -> None:
    need(kind)
    with kind(tls=True, client_certificates=True) as server:
        assert server.tls_port is not None
        assert f":{server.tls_port}/?ssl_ca_certs=" in server.tls_url
        assert "ssl_certfile=" in server.tls_url
        question = b"GET /health HTTP/1.0\r\n\r\n" if kind is Etcd else b"srvr"
        context = ssl.create_default_context(cafile=str(server.certificates.authority))

        def asked() -> bytes:
            with (
                socket.create_connection((server.host, server.tls_port), timeout=5) as line,
                context.wrap_socket(line, server_hostname="localhost") as safe,
            ):
                safe.sendall(question)
                return safe.recv(100)

        with pytest.raises(OSError, match=r"certificate|reset|pipe"):
            asked()
        context.load_cert_chain(server.client.certificate, server.client.key)
        assert asked()
        server.restart()
        assert asked()


def test_etcd_has_users_and_keeps_them() -> None:
    need(Etcd)
    with Etcd(users={"alice": "p/w"}, options={"bcrypt-cost": "4"}) as server:
        assert server.url == f"etcd://alice:p%2Fw@127.0.0.1:{server.port}"
        assert server.v2_url == f"etcd2://alice:p%2Fw@127.0.0.1:{server.port}"
        where = f"http://{server.host}:{server.port}"
        for _ in range(2):
            alice = {"name": "alice", "password": "p/w"}
            assert b"token" in send_json("POST", f"{where}/v3/auth/authenticate", alice)
            with pytest.raises(OSError, match="400"):
                send_json("POST", f"{where}/v3/kv/range", {"key": "eA=="})
            with pytest.raises(OSError, match="401"):
                send_json("PUT", f"{where}/v2/keys/kombu?value=1", {})
            assert send_json("PUT", f"{where}/v2/keys/kombu?value=1", {}, ("alice", "p/w"))
            server.kill9()
            server.start()


def test_rabbitmq_does_the_same_keeps_durable_queues_and_offers_tls_and_its_management() -> None:
    need(RabbitMQ)
    with RabbitMQ(tls=True, plugins=["rabbitmq_management"]) as server:
        trust = {"ca_certs": str(server.certificates.authority), "server_hostname": "localhost"}
        with amqp.Connection(f"127.0.0.1:{server.tls_port}", ssl=trust) as connection:
            connection.channel().queue_declare("kept", durable=True, auto_delete=False)
        page = ask((server.host, server.management_port), b"GET / HTTP/1.0\r\n\r\n")
        assert page.startswith(b"HTTP/1.1 200")
        assert "kept" in server.control("list_queues", "name")
        with pytest.raises(RuntimeError, match="rabbitmqctl no_such_command"):
            server.control("no_such_command")

        def is_kept() -> None:
            with amqp.Connection(f"127.0.0.1:{server.port}") as connection:
                connection.channel().queue_declare("kept", passive=True)

        _do_all_that_can_be_done(server, is_kept)


def test_sqs_forgets_when_it_is_told_to() -> None:
    need(SQS)
    with SQS() as server:
        assert b"<QueueUrl>" in _sqs(server, "Action=CreateQueue&QueueName=q")
        assert b"<QueueUrl>" in _sqs(server, "Action=ListQueues")
        server.reset()
        assert b"<QueueUrl>" not in _sqs(server, "Action=ListQueues")


def _sqs(server: SQS, query: str) -> bytes:
    key = "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/sqs/aws4_request"
    headers = {"Authorization": key, "Content-Type": "application/x-www-form-urlencoded"}
    with closing(HTTPConnection(server.host, server.port, timeout=10)) as line:
        line.request("POST", "/", f"{query}&Version=2012-11-05", headers)
        return line.getresponse().read()


class _Shell(Server):
    """A server that is a line of the shell."""

    name = "the shell"
    program = "sh"
    source = "there is none"
    boot = 2.0
    script = "exit 3"
    answer = False

    def command(self, program: Path) -> Sequence[str]:
        return [str(program), "-c", self.script]

    def answers(self) -> bool:
        return self.answer

    @property
    def url(self) -> str:
        return ""


def test_the_error_of_a_server_that_ends_has_what_it_wrote() -> None:
    class Broken(_Shell):
        script = "echo 'no such file' >&2; exit 3"

    with pytest.raises(ServerError, match=r"(?s)the shell does not start.*no such file"), Broken():
        pass


def test_a_server_that_never_answers_is_killed_with_its_children() -> None:
    class Silent(_Shell):
        boot = 0.3
        script = "sleep 60 & sleep 60"

    server = Silent()
    with pytest.raises(ServerError, match="was not ready after"), server:
        pass
    assert not processes(server)


def test_daemons_that_a_server_leaves_are_killed() -> None:
    class Forking(_Shell):
        script = "setsid sleep 60 & exec sleep 60"
        answer = True

    server = Forking()
    server.start()
    deadline = time.monotonic() + 5
    while len(processes(server)) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(processes(server)) == 2
    server.stop()
    assert not processes(server)
    server.close()


class _Absent(_Shell):
    name = "Absent"
    program = "no-such-server"
    source = "install it by `apt-get install absent`"


SENTENCE = r"Absent is not installed \(no-such-server was not found\): install it by `apt-get .*`"


def test_a_missing_server_says_how_to_get_it() -> None:
    with pytest.raises(ServerMissing, match=SENTENCE):
        _Absent().start()


@pytest.mark.parametrize("ci", [True, False])
def test_a_missing_server_skips_locally_and_fails_under_ci(
    ci: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true" if ci else "")
    wanted: Any = pytest.fail.Exception if ci else pytest.skip.Exception
    with pytest.raises(wanted, match=SENTENCE):
        need(_Absent)


shelled = server_fixture(Beanstalkd, lambda: Beanstalkd(max_job=10), scope="function")


def test_a_fixture_is_a_running_server(shelled: Beanstalkd) -> None:
    address = (shelled.host, shelled.port)
    assert ask(address, b"put 0 0 1 11\r\nhello world\r\n").startswith(b"JOB_TOO_BIG")


def test_programs_are_looked_for_in_named_folders_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "beanstalkd"
    program.write_text("#!/bin/sh\necho beanstalkd 99\n")
    program.chmod(0o755)
    monkeypatch.setenv("KOMBU_TESTING_PATH", str(tmp_path))
    assert Beanstalkd.find() == program
    assert Beanstalkd.version(program) == "99"


def test_a_stand_in_for_what_is_not_installed_is_not_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shim = tmp_path / "shims" / "no-such-server"
    shim.parent.mkdir()
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    monkeypatch.setenv("KOMBU_TESTING_PATH", str(shim.parent))
    assert _Absent.find() is None


def test_the_data_of_a_given_folder_stays(tmp_path: Path) -> None:
    with Beanstalkd(folder=tmp_path / "jobs") as server:
        put = b"put 0 0 1 2\r\nhi\r\n"
        assert ask((server.host, server.port), put).startswith(b"INSERTED")
    with Beanstalkd(folder=tmp_path / "jobs") as server:
        assert b"current-jobs-ready: 1" in ask((server.host, server.port), b"stats\r\n")


def test_ports_are_kept_for_who_has_them_and_not_given_to_clients() -> None:
    first, second = Port(), Port()
    low = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert first.number != second.number
    assert max(first.number, second.number) < low
    with socket.socket() as listener:  # by its owner
        listener.bind(("127.0.0.1", first.number))
    with pytest.raises(OSError), socket.socket(type=socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", first.number))
    first.close()
    second.close()


def test_wrong_and_expired_certificates_can_be_made(tmp_path: Path) -> None:
    import datetime

    made = Certificates(tmp_path)
    long_ago = datetime.datetime(2001, 1, 1)
    pairs = [
        made.issue(),
        made.issue("elsewhere.example", file="wrong"),
        made.issue(file="expired", not_before=long_ago, not_after=long_ago),
    ]
    assert [pair.certificate.name for pair in pairs] == ["server.pem", "wrong.pem", "expired.pem"]
    for pair in pairs:
        ssl.create_default_context().load_cert_chain(pair.certificate, pair.key)


_INSIDE = """
    import os, sys, time
    import pytest
    from kombu.testing.servers import {kind}
    from kombu.testing.servers.owner import this_process

    @pytest.fixture(scope="session")
    def server():
        with {kind}() as running:
            sys.__stderr__.write(f"{{this_process().folder}}\\n")
            sys.__stderr__.flush()
            yield running

    def test(server):
        {body}
    """


def _inner_pytest(folder: Path, kind: str, body: str) -> subprocess.Popen[str]:
    test = folder / "test_inside.py"
    test.write_text(textwrap.dedent(_INSIDE.format(kind=kind, body=body)))
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", str(test)]
    return subprocess.Popen(
        command,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def _gone(folder: Path) -> bool:
    deadline = time.monotonic() + 10
    while find(Family(folder)) or folder.exists():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        ("RabbitMQ", signal.SIGTERM),  # Erlang's daemons
        ("Redis", signal.SIGTERM),  # writes over its environment
        ("Beanstalkd", signal.SIGKILL),
    ],
)
def test_servers_die_with_a_pytest_that_is_killed(
    tmp_path: Path, kind: str, number: signal.Signals
) -> None:
    need({"RabbitMQ": RabbitMQ, "Redis": Redis, "Beanstalkd": Beanstalkd}[kind])
    with _inner_pytest(tmp_path, kind, "time.sleep(60)") as inner:
        assert inner.stderr is not None
        folder = Path(inner.stderr.readline().strip())
        assert find(Family(folder))
        os.killpg(inner.pid, number)
        inner.wait(10)
    assert _gone(folder)


@pytest.mark.parametrize("body", ["raise SystemError", "os._exit(1)", "pass"])
def test_servers_die_with_a_pytest_that_ends(tmp_path: Path, body: str) -> None:
    with _inner_pytest(tmp_path, "Beanstalkd", body) as inner:
        assert inner.stderr is not None
        folder = Path(inner.stderr.readline().strip())
        inner.wait(30)
    assert _gone(folder)


def test_a_child_of_a_fork_leaves_the_servers_of_its_parent_alone(tmp_path: Path) -> None:
    program = """
        import gc, os, sys
        from kombu.testing.servers import Beanstalkd
        server = Beanstalkd()
        server.start()
        child = os.fork()
        if child == 0:
            del server
            gc.collect()
            sys.exit()
        os.waitpid(child, 0)
        assert server.ready
        server.close()
        """
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
