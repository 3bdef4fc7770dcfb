"""Requests and responses over HTTP, whichever client sends them."""

from __future__ import annotations

from http import client
from typing import TYPE_CHECKING, Any, ClassVar

from kombu.exceptions import HttpError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping
    from io import BytesIO
    from types import TracebackType

__all__ = ("BaseClient", "Headers", "Request", "Response", "header_parser", "normalize_header")


def normalize_header(key: str) -> str:
    """The name of a header as it is written: ``Content-Type``."""
    return "-".join(part.capitalize() for part in key.split("-"))


def header_parser(
    keyt: Callable[[str], str] = normalize_header,
) -> Generator[None, tuple[str, Headers], None]:
    """A generator that is sent header lines, each with the headers that it goes into.

    The empty line at the end makes the headers complete.  A line that begins with a space goes on
    with the one before.
    """
    last = ""
    while True:
        line, headers = yield
        if line.startswith("HTTP/"):
            continue
        if not line.strip():
            headers.complete = True
        elif line[0].isspace():
            headers[last] = f"{headers.get(last, '')} {line.strip()}".strip()
        else:
            name, _, value = line.partition(":")
            last = keyt(name.strip())
            headers[last] = value.strip()


class Headers(dict[str, Any]):
    """The headers of a request or of a response."""

    #: Whether all of them are there.
    complete = False


class Ready:
    """Calls back with a response, or with what went wrong."""

    __slots__ = ("_callbacks", "_response", "ready")

    def __init__(self, callback: Callable[[Any], Any] | None = None) -> None:
        self._callbacks: list[tuple[Any, Any]] = [] if callback is None else [(callback, None)]
        self._response: Any = None
        #: Whether there is a response.
        self.ready = False

    def then(self, callback: Callable[[Any], Any] | None, on_error: Any = None) -> Ready:
        """Call `callback` with the response, or `on_error`, if given, with its error."""
        if self.ready:
            self._call(callback, on_error)
        else:
            self._callbacks.append((callback, on_error))
        return self

    def __call__(self, response: Any) -> None:
        """Tell the response, once."""
        if self.ready:
            return
        self.ready = True
        self._response = response
        for callback, on_error in self._callbacks:
            self._call(callback, on_error)
        self._callbacks.clear()

    def _call(self, callback: Any, on_error: Any) -> None:
        error = getattr(self._response, "error", None)
        if error is not None and on_error is not None:
            on_error(error)
        elif callback is not None:
            callback(self._response)


class Request:
    """A request, and who is told of the response.

    Args:
        url: Where to.
        method: The HTTP method.
        on_ready: Called with the `Response`, also where it has an error.
        on_timeout: Called with the request where there was no answer in time.
        on_stream: Called with each part of the body; the response has none then.
        on_prepare: Called with the client's own object, before the request is sent.
        on_header: Called with the headers so far and each header line.
        headers: The headers.
        **kwargs: Any of the attributes; times are in seconds, ``timeout`` is `request_timeout`.

    Raises:
        TypeError: There is no such attribute.
        ValueError: `proxy_host` without `proxy_port`.
    """

    __slots__ = (
        "__dict__",
        "__weakref__",
        "headers",
        "method",
        "on_header",
        "on_prepare",
        "on_ready",
        "on_stream",
        "on_timeout",
        "url",
    )

    body: Any = None
    user_agent: str | None = None
    network_interface: str | None = None
    validate_cert = True
    ca_certs: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    auth_username: str | None = None
    auth_password: str | None = None
    #: ``basic``
    auth_mode: str | None = None
    connect_timeout = 30.0
    request_timeout = 30.0
    follow_redirects = True
    max_redirects = 6
    use_gzip = True
    proxy_host: str | None = None
    proxy_port: int | None = None
    proxy_username: str | None = None
    proxy_password: str | None = None

    _known: ClassVar[frozenset[str]]

    def __init__(
        self,
        url: str,
        method: str = "GET",
        on_ready: Any = None,
        on_timeout: Callable[[Any], Any] | None = None,
        on_stream: Callable[[bytes], Any] | None = None,
        on_prepare: Callable[[Any], Any] | None = None,
        on_header: Callable[[Any, str], Any] | None = None,
        headers: Mapping[str, Any] | Iterable[tuple[str, Any]] | None = None,
        **kwargs: Any,
    ) -> None:
        self.url = url
        self.method = method or "GET"
        # A promise of vine is one already.
        self.on_ready: Any = on_ready if hasattr(on_ready, "then") else Ready(on_ready)
        self.on_timeout = on_timeout
        self.on_stream = on_stream
        self.on_prepare = on_prepare
        self.on_header = on_header
        self.headers = headers if isinstance(headers, Headers) else Headers(headers or {})
        if "timeout" in kwargs:
            kwargs["request_timeout"] = kwargs.pop("timeout")
        for name, value in kwargs.items():
            if name not in self._known:
                raise TypeError(f"a request has no {name!r}, only {sorted(self._known)}")
            vars(self)[name] = value
        if self.proxy_host and not self.proxy_port:
            raise ValueError("A request with proxy_host needs proxy_port, too")

    def then(self, callback: Callable[[Any], Any], errback: Any = None) -> Any:
        """Call `callback` with the response, or `errback` with its error."""
        return self.on_ready.then(callback, errback)

    def __repr__(self) -> str:
        return f"<Request: {self.method} {self.url}>"


Request._known = frozenset(  # noqa: SLF001
    name
    for name in vars(Request)
    if not name.startswith("_") and name != "then" and name not in Request.__slots__
)


class Response:
    """What came back.

    Args:
        request: What it answers.
        code: The HTTP status code; 599 where no answer came.
        headers: The headers.
        buffer: The body, to be read.
        effective_url: Where it came from, after redirects.
        error: What went wrong; made of a `code` that says so.
        status: The code in words.
    """

    __slots__ = (
        "_body",
        "buffer",
        "code",
        "effective_url",
        "error",
        "headers",
        "request",
        "status",
    )

    def __init__(
        self,
        request: Any,
        code: int,
        headers: Any = None,
        buffer: BytesIO | None = None,
        effective_url: str | None = None,
        error: BaseException | None = None,
        status: str | None = None,
    ) -> None:
        self.request = request
        self.code = code
        self.headers = headers if headers is not None else Headers()
        self.buffer = buffer
        self.effective_url = effective_url or request.url
        self.status = status or client.responses.get(code, "Unknown")
        if error is None and not 200 <= code < 300:
            error = HttpError(code, self.status, self)
        self.error = error
        self._body: bytes | None = None

    def raise_for_error(self) -> None:
        """Raise what went wrong, where something did.

        Raises:
            HttpError: The answer was an error, or there was none.
        """
        if self.error is not None:
            raise self.error

    @property
    def body(self) -> bytes | None:
        """The whole body, `None` where there is none."""
        if self._body is None and self.buffer is not None:
            self._body = self.buffer.getvalue()
        return self._body

    @property
    def status_code(self) -> int:
        """The code."""
        return self.code

    @property
    def content(self) -> bytes | None:
        """The body."""
        return self.body


class BaseClient:
    """Sends requests; subclasses say how.

    Args:
        hub: The event loop that calls back.
    """

    Headers = Headers
    Request = Request
    Response = Response

    def __init__(self, hub: Any, **kwargs: Any) -> None:
        self.hub = hub
        self._header_parser = header_parser()
        next(self._header_parser)

    def perform(self, request: Any, **kwargs: Any) -> None:
        """Send a request, a URL, or several of both; what follows is for those of URLs."""
        requests = request if isinstance(request, (list, tuple, set)) else [request]
        for each in requests:
            made = each if isinstance(each, self.Request) else self.Request(each, **kwargs)
            self.add_request(made)

    def add_request(self, request: Any) -> Any:
        """Send a request."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it sends requests")

    def close(self) -> None:
        """Let go of what it holds open."""

    def on_header(self, headers: Any, line: str) -> None:
        """Take a header line."""
        self._header_parser.send((line, headers))

    def __enter__(self) -> Any:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()
