"""Each fault of the network, as a plain client of a trivial server sees it."""

from __future__ import annotations

import gc
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest
from echo import Echo

from kombu.testing.faults import Proxy, sweep
from kombu.testing.kit.broker import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Seconds after which a client takes it that nothing comes.
NOTHING = 0.2


@pytest.fixture
def echo() -> Iterator[Echo]:
    echo = Echo()
    yield echo
    echo.close()


@pytest.fixture
def proxy(echo: Echo) -> Iterator[Proxy]:
    with Proxy(*echo.address) as proxy:
        yield proxy


@pytest.fixture
def connect(proxy: Proxy) -> Iterator[Callable[[], socket.socket]]:
    opened = []

    def connect() -> socket.socket:
        opened.append(socket.create_connection((proxy.host, proxy.port), timeout=5))
        return opened[-1]

    yield connect
    for line in opened:
        line.close()


@pytest.fixture
def line(connect: Callable[[], socket.socket]) -> socket.socket:
    """A connection on which an answer came, before anything went wrong."""
    line = connect()
    assert asked(line, b"hello") == b"hello"
    return line


def asked(line: socket.socket, data: bytes) -> bytes:
    line.sendall(data)
    return received(line, len(data))


def received(line: socket.socket, count: int) -> bytes:
    """What comes, until there is so much, or the end."""
    found = b""
    while len(found) < count and (data := line.recv(65536)):
        found += data
    return found


def nothing_comes(line: socket.socket) -> bool:
    line.settimeout(NOTHING)
    try:
        line.recv(1)
    except TimeoutError:
        return True
    finally:
        line.settimeout(5)
    return False


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 5
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.005)
    return condition()


def test_what_passes_is_not_changed(proxy: Proxy, line: socket.socket, echo: Echo) -> None:
    data = bytes(range(256)) * 8192
    sender = threading.Thread(target=line.sendall, args=(data,))
    sender.start()
    assert received(line, len(data)) == data
    sender.join()
    assert echo.received == b"hello" + data
    assert proxy.passed_up == proxy.passed_down == len(data) + 5
    assert (proxy.accepted, proxy.connections) == (1, 1)


def test_an_end_is_passed_on(proxy: Proxy, line: socket.socket, echo: Echo) -> None:
    line.sendall(b"last")
    line.shutdown(socket.SHUT_WR)
    assert received(line, 100) == b"last"
    assert eventually(lambda: echo.ends == ["finish"])
    assert eventually(lambda: proxy.connections == 0)


def test_a_reset_is_passed_on(line: socket.socket, echo: Echo) -> None:
    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    line.close()
    assert eventually(lambda: echo.ends == ["reset"])


def test_refused_connections_are_refused_and_open_ones_stay(
    proxy: Proxy, line: socket.socket, connect: Callable[[], socket.socket]
) -> None:
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        connect()
    assert asked(line, b"still here") == b"still here"
    proxy.heal()
    assert asked(connect(), b"again") == b"again"


def test_a_silent_host_accepts_and_never_answers(
    proxy: Proxy, line: socket.socket, connect: Callable[[], socket.socket], echo: Echo
) -> None:
    proxy.accept_in_silence()
    silent = connect()
    silent.sendall(b"anybody?")
    assert nothing_comes(silent)
    assert echo.received == b"hello"
    assert asked(line, b"still here") == b"still here"
    proxy.heal()
    assert nothing_comes(silent)
    assert asked(connect(), b"again") == b"again"
    proxy.reset()
    with pytest.raises(ConnectionResetError):
        silent.recv(1)


def test_a_reset_ends_both_sides_at_once(proxy: Proxy, line: socket.socket, echo: Echo) -> None:
    proxy.reset()
    with pytest.raises(ConnectionResetError):
        line.recv(1)
    assert eventually(lambda: echo.ends == ["reset"])
    assert eventually(lambda: proxy.connections == 0)


def test_a_finish_ends_both_sides_in_order(proxy: Proxy, line: socket.socket, echo: Echo) -> None:
    proxy.finish()
    assert line.recv(1) == b""
    assert eventually(lambda: echo.ends == ["finish"])
    assert eventually(lambda: proxy.connections == 0)


def test_what_falls_into_a_blackhole_comes_when_it_is_healed(
    proxy: Proxy, line: socket.socket, echo: Echo
) -> None:
    proxy.blackhole()
    line.sendall(b"lost?")
    assert nothing_comes(line)
    assert echo.received == b"hello"
    proxy.heal()
    assert received(line, 5) == b"lost?"


def test_a_blackhole_swallows_ends_and_new_connections(
    proxy: Proxy, line: socket.socket, connect: Callable[[], socket.socket], echo: Echo
) -> None:
    proxy.blackhole()
    line.close()
    other = connect()
    other.sendall(b"anybody?")
    assert nothing_comes(other)
    assert echo.ends == []
    proxy.heal()
    assert received(other, 8) == b"anybody?"
    assert eventually(lambda: echo.ends == ["finish"])


def test_a_blackhole_can_be_one_way_up(proxy: Proxy, line: socket.socket, echo: Echo) -> None:
    proxy.blackhole(down=False)
    line.sendall(b"request")
    assert nothing_comes(line)
    assert echo.received == b"hello"


def test_a_blackhole_can_be_one_way_down(proxy: Proxy, line: socket.socket, echo: Echo) -> None:
    proxy.blackhole(up=False)
    line.sendall(b"request")
    assert nothing_comes(line)
    assert echo.received == b"hellorequest"


def test_a_full_blackhole_stops_who_sends(proxy: Proxy, line: socket.socket) -> None:
    proxy.blackhole()
    line.settimeout(0.5)
    with pytest.raises(TimeoutError):
        line.sendall(bytes(64_000_000))


def test_connections_in_a_blackhole_can_be_reset(proxy: Proxy, line: socket.socket) -> None:
    proxy.blackhole()
    proxy.reset()
    with pytest.raises(ConnectionResetError):
        line.recv(1)
    assert eventually(lambda: proxy.connections == 0)


def test_latency_delays_each_way_and_costs_no_throughput(proxy: Proxy, line: socket.socket) -> None:
    proxy.slow(0.1)
    began = time.monotonic()
    assert asked(line, b"far") == b"far"
    assert 0.2 <= time.monotonic() - began < 1
    began = time.monotonic()
    data = bytes(2_000_000)
    sender = threading.Thread(target=line.sendall, args=(data,))
    sender.start()
    assert received(line, len(data)) == data
    sender.join()
    # Some thirty pieces: each waiting for the one before would take 6 seconds.
    assert time.monotonic() - began < 3
    proxy.slow(0.2, down=False)
    began = time.monotonic()
    assert asked(line, b"up") == b"up"
    assert 0.2 <= time.monotonic() - began < 0.4


def test_jitter_varies_and_keeps_the_order(proxy: Proxy, line: socket.socket) -> None:
    proxy.slow(0, 0.05)
    took = []
    for number in range(10):
        began = time.monotonic()
        asked(line, b"%d" % number)
        took.append(time.monotonic() - began)
    assert max(took) - min(took) > 0.01
    for number in range(100):
        line.sendall(b"%02d" % number)
        time.sleep(0.001)
    assert received(line, 200) == b"".join(b"%02d" % number for number in range(100))


def test_a_trickle_passes_so_many_bytes_a_second(proxy: Proxy, line: socket.socket) -> None:
    proxy.trickle(1000, down=False)
    began = time.monotonic()
    assert asked(line, bytes(300)) == bytes(300)
    assert 0.25 <= time.monotonic() - began < 1.5


@pytest.mark.parametrize("count", [1, 7, 100_000])
def test_a_connection_is_reset_after_so_many_bytes(
    proxy: Proxy, line: socket.socket, echo: Echo, count: int
) -> None:
    proxy.cut_after(count)
    with pytest.raises((ConnectionResetError, BrokenPipeError)):
        for _ in range(100):
            asked(line, bytes(5000))
    assert proxy.passed_up == 5 + count


def test_a_cut_is_used_up_and_counts_all_connections(
    proxy: Proxy, line: socket.socket, connect: Callable[[], socket.socket]
) -> None:
    proxy.cut_after(10, how="finish")
    assert asked(line, b"12345") == b"12345"
    other = connect()
    other.sendall(b"12345")
    assert other.recv(100) in {b"", b"12345"}
    assert asked(line, b"goes on") == b"goes on"


def test_a_cut_can_come_again_and_again(proxy: Proxy, connect: Callable[[], socket.socket]) -> None:
    proxy.cut_after(3, down=True, how="finish", times=None)
    for _ in range(3):
        line = connect()
        line.sendall(b"12345")
        assert received(line, 5) == b"123"
    proxy.heal()
    assert asked(connect(), b"12345") == b"12345"


def test_a_cut_into_silence_passes_nothing_more_either_way(
    proxy: Proxy, line: socket.socket, echo: Echo, connect: Callable[[], socket.socket]
) -> None:
    proxy.cut_after(3, how="silence")
    line.sendall(b"12345")
    time.sleep(0.1)
    assert echo.received == b"hello123"
    line.settimeout(NOTHING)
    with pytest.raises(TimeoutError):
        while line.recv(100):
            pass
    assert asked(connect(), b"others go on") == b"others go on"
    proxy.reset()
    with pytest.raises(ConnectionResetError):
        line.recv(100)


def test_cutting_after_nothing_is_refused(proxy: Proxy) -> None:
    with pytest.raises(ValueError, match="wanted 1 byte or more, found 0"):
        proxy.cut_after(0)


def test_a_server_that_is_down_is_seen_as_a_reset(
    proxy: Proxy, echo: Echo, connect: Callable[[], socket.socket]
) -> None:
    echo.close()
    with pytest.raises(ConnectionResetError):
        connect().recv(1)


def test_a_url_goes_through_the_proxy(proxy: Proxy) -> None:
    address = f"127.0.0.1:{proxy.port}"
    assert (
        proxy.through("amqp://guest:gu%40est@host:5672//") == f"amqp://guest:gu%40est@{address}//"
    )
    assert proxy.through("redis://host/0?ssl=1") == f"redis://{address}/0?ssl=1"


def test_nothing_is_left_of_a_proxy(echo: Echo) -> None:
    before = threading.active_count()
    with Proxy(*echo.address) as proxy:
        line = socket.create_connection((proxy.host, proxy.port), timeout=5)
        assert asked(line, b"hello") == b"hello"
        proxy.blackhole()
    with pytest.raises(ConnectionResetError):
        line.recv(1)
    line.close()
    assert eventually(lambda: threading.active_count() <= before)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((proxy.host, proxy.port), timeout=5)
    with pytest.raises(RuntimeError, match="not started"):
        proxy.heal()
    proxy.close()


def test_a_sweep_has_all_of_a_few_and_the_edges_of_many() -> None:
    assert list(sweep(5)) == [1, 2, 3, 4, 5]
    many = list(sweep(100_000, points=40, seed=1))
    assert len(many) == len(set(many)) == 40
    assert many == sorted(many)
    assert many[:10] == list(range(1, 11))
    assert many[-10:] == list(range(99_991, 100_001))
    assert many == list(sweep(100_000, points=40, seed=1))
    assert many != list(sweep(100_000, points=40, seed=2))


def test_who_waits_for_the_server_when_it_closes_is_let_go() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        # Nobody accepts: what comes after these waits for an answer.
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(full.getsockname())
        with Proxy(*full.getsockname()) as proxy:
            client = socket.create_connection((proxy.host, proxy.port))
            wait_until(lambda: proxy.accepted == 1, "the proxy accepts")
        with client, pytest.raises(ConnectionResetError):
            client.recv(1)
        for each in waiting:
            each.close()
    # What was left open is told when it is collected.
    gc.collect()


def test_a_connection_that_ended_with_much_to_say_is_closed_with_the_proxy(echo: Echo) -> None:
    with Proxy(*echo.address) as proxy:
        client = socket.create_connection((proxy.host, proxy.port), timeout=5)
        client.setblocking(False)
        # The echo of what is sent is never read: in the end nobody takes any more.
        stuck = time.monotonic() + 0.5
        while time.monotonic() < stuck:
            try:
                client.send(b"x" * 65536)
                stuck = time.monotonic() + 0.5
            except BlockingIOError:
                time.sleep(0.01)
        proxy.finish()
    client.close()
    # What was left open is told when it is collected.
    gc.collect()
