"""HTTP for callbacks of an event loop."""

from __future__ import annotations

import base64
import contextlib
import gzip
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest

from kombu.asynchronous import Hub, set_event_loop
from kombu.asynchronous import http as package
from kombu.asynchronous.http import BaseClient, Client, Headers, Request, Response, get_client
from kombu.asynchronous.http.base import header_parser, normalize_header
from kombu.exceptions import HttpError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/slow":
            time.sleep(1)
        if path.startswith("/hop"):
            number = int(path[4:])
            self.send_response(302)
            self.send_header("Location", f"/hop{number - 1}" if number else "/done")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = f"{self.command} {self.path} {self.headers.get('Authorization')}".encode()
        length = int(self.headers.get("Content-Length") or 0)
        body += b" " + self.rfile.read(length) if length else b""
        zipped = path == "/zipped" and "gzip" in self.headers.get("Accept-Encoding", "")
        if zipped:
            body = gzip.compress(body)
        self.send_response(404 if path == "/missing" else 200)
        if zipped:
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("x-agent", self.headers.get("User-Agent", ""))
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            # Nobody waits for the slow one.
            self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def hub() -> Iterator[Hub]:
    hub = Hub()
    yield hub
    hub.close()


@pytest.fixture
def client(hub: Hub) -> Iterator[BaseClient]:
    with Client(hub) as client:
        yield client


@pytest.fixture
def fetch(hub: Hub, client: BaseClient) -> Callable[..., Response]:
    def fetch(url: str, **options: Any) -> Response:
        responses: list[Response] = []
        client.perform(Request(url, on_ready=responses.append, **options))
        until(hub, lambda: responses)
        return responses[0]

    return fetch


def until(hub: Hub, happened: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 10
    while not happened():
        assert time.monotonic() < deadline
        hub.run_once()


class TestClient:
    def test_a_response_comes_to_the_loops_thread(
        self, hub: Hub, client: BaseClient, url: str
    ) -> None:
        seen: list[Any] = []
        client.perform(
            [f"{url}/a", f"{url}/b"],
            on_ready=lambda response: seen.append((threading.current_thread(), response)),
        )
        until(hub, lambda: len(seen) == 2)
        assert {thread for thread, _ in seen} == {threading.current_thread()}
        assert {r.body for _, r in seen} == {b"GET /a None", b"GET /b None"}

    def test_what_is_sent(self, fetch: Any, url: str) -> None:
        response = fetch(f"{url}/x?y=1", method="POST", body=b"data", user_agent="me")
        assert response.code == response.status_code == 200
        assert response.status == "OK"
        assert response.body == response.content == b"POST /x?y=1 None data"
        assert response.headers["X-Agent"] == "me"
        assert response.headers.complete
        response.raise_for_error()

    def test_a_name_and_a_password(self, fetch: Any, url: str) -> None:
        token = base64.b64encode(b"me:secret").decode()
        body = fetch(url, auth_username="me", auth_password="secret").body
        assert body.endswith(f"Basic {token}".encode())
        assert "digest" in str(fetch(url, auth_username="me", auth_mode="digest").error)

    def test_what_is_compressed_is_expanded(self, fetch: Any, url: str) -> None:
        assert fetch(f"{url}/zipped").body == b"GET /zipped None"

    def test_redirects_are_followed_so_many_times(self, fetch: Any, url: str) -> None:
        response = fetch(f"{url}/hop3")
        assert response.body == b"GET /done None"
        assert response.effective_url == f"{url}/done" or response.effective_url == "/done"
        assert fetch(f"{url}/hop9").code == 302
        assert fetch(f"{url}/hop0", follow_redirects=False).code == 302

    def test_an_error_is_a_response(self, fetch: Any, url: str) -> None:
        response = fetch(f"{url}/missing")
        assert response.code == 404
        with pytest.raises(HttpError, match="404"):
            response.raise_for_error()

    def test_nobody_there_is_a_response(self, fetch: Any) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        response = fetch(f"http://127.0.0.1:{port}/")
        assert response.code == 599
        assert response.body is None
        assert isinstance(response.error, HttpError)

    def test_no_answer_in_time_is_told(self, fetch: Any, url: str) -> None:
        told: list[Request] = []
        response = fetch(f"{url}/slow", timeout=0.1, on_timeout=told.append)
        assert response.code == 599
        assert told == [response.request]

    def test_a_body_can_be_had_in_parts(self, fetch: Any, url: str) -> None:
        parts: list[bytes] = []
        lines: list[str] = []
        response = fetch(
            url,
            on_stream=parts.append,
            on_header=lambda _, line: lines.append(line),
            on_prepare=lambda pool: lines.append(type(pool).__name__),
        )
        assert b"".join(parts) == b"GET / None"
        assert response.body is None
        assert lines[0] == "PoolManager"
        assert any(line.startswith("Content-Length: ") for line in lines)

    def test_a_proxy_is_asked(self, fetch: Any, url: str) -> None:
        host, port = url.removeprefix("http://").split(":")
        response = fetch("http://nowhere.invalid/p", proxy_host=host, proxy_port=int(port))
        assert response.body == b"GET http://nowhere.invalid/p None"

    def test_who_closes_it_hears_nothing_more(self, hub: Hub, client: BaseClient, url: str) -> None:
        told: list[Any] = []
        client.perform(
            Request(f"{url}/slow", on_ready=told.append, on_stream=told.append, timeout=5)
        )
        time.sleep(0.1)
        client.close()
        end = time.monotonic() + 1.5
        until(hub, lambda: time.monotonic() > end)
        assert not told

    def test_a_loop_has_one(self, hub: Hub) -> None:
        client = get_client(hub)
        assert get_client(hub) is client
        client.close()
        set_event_loop(hub)
        assert get_client() is client
        set_event_loop(None)
        with pytest.raises(ValueError, match="event loop"):
            Client()

    def test_without_urllib3_the_extra_is_named(
        self, hub: Hub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delitem(sys.modules, "kombu.asynchronous.http.urllib3_client", raising=False)
        monkeypatch.delattr(package, "urllib3_client", raising=False)
        monkeypatch.setitem(sys.modules, "urllib3", None)
        with pytest.raises(ImportError, match=r'kombu\[http\]>=6"'):
            Client(hub)


class TestParts:
    def test_headers_are_parsed(self) -> None:
        parser, headers = header_parser(), Headers()
        next(parser)
        for line in ("HTTP/1.1 200 OK", "content-TYPE: text/html", "X-a: b", " folded"):
            parser.send((line, headers))
        assert not headers.complete
        parser.send(("", headers))
        assert headers == {"Content-Type": "text/html", "X-A": "b folded"}
        assert headers.complete
        assert normalize_header("x-amz-ID") == "X-Amz-Id"

    def test_a_request_knows_its_options(self) -> None:
        request = Request("http://x", max_redirects=1, headers={"a": "b"}, timeout=5)
        assert (request.method, request.max_redirects, request.request_timeout) == ("GET", 1, 5)
        assert request.headers == {"a": "b"}
        assert repr(request) == "<Request: GET http://x>"
        with pytest.raises(TypeError, match="max_redirect"):
            Request("http://x", max_redirect=1)
        with pytest.raises(ValueError, match="proxy_port"):
            Request("http://x", proxy_host="x")

    def test_several_can_be_told(self) -> None:
        seen: list[Any] = []
        request = Request("http://x", on_ready=seen.append)
        request.then(seen.append)
        request.then(seen.append, lambda error: seen.append("error"))
        response = Response(request, 500, buffer=BytesIO(b"x"))
        request.on_ready(response)
        request.on_ready(response)
        assert seen == [response, response, "error"]
        request.then(seen.append)
        assert len(seen) == 4
        assert response.status == "Internal Server Error"
        assert response.effective_url == "http://x"

    def test_a_client_of_ones_own(self, hub: Hub) -> None:
        with BaseClient(hub) as client:
            headers = client.Headers()
            client.on_header(headers, "a: b")
            assert headers == {"A": "b"}
            with pytest.raises(NotImplementedError):
                client.perform("http://x")
