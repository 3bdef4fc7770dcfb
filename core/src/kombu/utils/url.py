"""Broker URLs: taken apart, built, and made fit for logs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlparse, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from ssl import VerifyMode

__all__ = (
    "as_url",
    "maybe_sanitize_url",
    "parse_ssl_cert_reqs",
    "parse_url",
    "sanitize_url",
    "url_to_parts",
    "urlparse",
    "urlparts",
)

_SCHEME = re.compile(r"\s*([A-Za-z][A-Za-z0-9+.-]*)://")
# What would end the path or the URL, or vanish, when it is parsed again.
_UNSAFE_IN_PATH = re.compile(r"[%?#;\x00-\x1f]")
_ALTERNATIVES = re.compile(r";(?=[A-Za-z][A-Za-z0-9+.-]*://)")
_HINT = (
    "wanted scheme://user:password@host:port/virtual_host, such as 'amqp://guest:guest@localhost//'"
)
_CERT_REQS = {
    "required": "CERT_REQUIRED",
    "optional": "CERT_OPTIONAL",
    "none": "CERT_NONE",
}


class urlparts(NamedTuple):  # noqa: N801 - the documented name
    """The parts of a URL, percent-decoded; None where a part is absent or empty."""

    scheme: str
    hostname: str | None
    port: int | None
    username: str | None
    password: str | None
    path: str | None
    query: Mapping[str, str]


def parse_url(url: str) -> dict[str, Any]:
    """Take a URL apart into the arguments of :class:`kombu.Connection`.

    The keys are ``transport``, ``hostname``, ``port``, ``userid``, ``password`` and
    ``virtual_host`` (None where absent) and the parameters of the query string.  Those that begin
    with ``ssl_`` are gathered in a dictionary under ``ssl``, with ``ssl_cert_reqs`` turned into
    the constant of :mod:`ssl` and ``ssl_check_hostname`` into a bool.  A parameter may name a part
    that the URL leaves out, such as ``virtual_host``.  In
    ``redis+socket:///path?virtual_host=3`` the path is the socket's: take it
    from :func:`url_to_parts`.

    Raises:
        ValueError: The URL is malformed, or says the same part twice; the text holds no secret.
    """
    scheme, hostname, port, username, password, path, query = url_to_parts(url)
    parts: dict[str, Any] = {
        "transport": scheme,
        "hostname": hostname,
        "port": port,
        "userid": username,
        "password": password,
        "virtual_host": path,
    }
    ssl: dict[str, Any] = {}
    for key, value in query.items():
        if key.startswith("ssl_"):
            ssl[key] = _ssl_option(key, value)
        elif parts.get(key) is not None and not (key == "virtual_host" and "+socket" in scheme):
            raise ValueError(
                f"the {scheme} URL says {key} twice, as a part and as the parameter "
                f"?{key}=...: leave one out"
            )
        else:
            parts[key] = int(value) if key == "port" and value.isdecimal() else value
    if ssl:
        parts["ssl"] = ssl
    return parts


def _ssl_option(key: str, value: str) -> Any:
    if key == "ssl_cert_reqs":
        return parse_ssl_cert_reqs(value)
    # Only a plain "false" turns the check off.
    return value.lower() != "false" if key == "ssl_check_hostname" else value


def url_to_parts(url: str) -> urlparts:
    """Take a URL apart; the path comes without its first slash.

    Raises:
        ValueError: There is no scheme, the port is not a number from 0 to 65535, or the host is
            malformed.  The text holds no part of the URL but the scheme: what stands where a port
            should may be a password.
    """
    match = _SCHEME.match(url)
    if match is None:
        raise ValueError(f"the broker URL has no scheme followed by '://': {_HINT}")
    scheme = match[1].lower()
    try:
        # Under a scheme that is parsed the same way by every version of Python.
        parsed = urlsplit(f"http://{url[match.end() :]}")
        port = parsed.port
    except ValueError:
        # Without the cause: its text may quote the password.
        raise ValueError(
            f"the {scheme} URL is malformed: its port is not a number from 0 to 65535, or its "
            "host is not a valid name or [IPv6 address]. Characters such as '/', '?' and '#' in a "
            f"user name or a password have to be percent-encoded; {_HINT}"
        ) from None
    path = parsed.path.removeprefix("/")
    return urlparts(
        scheme,
        _decoded(parsed.hostname),
        port,
        _decoded(parsed.username),
        _decoded(parsed.password),
        _decoded(path),
        dict(parse_qsl(parsed.query)),
    )


#: The older name of :func:`url_to_parts`.
_parse_url = url_to_parts


def _decoded(part: str | None) -> str | None:
    return unquote(part) or None if part else None


def as_url(
    scheme: str,
    host: str | None = None,
    port: int | str | None = None,
    user: str | None = None,
    password: str | None = None,
    path: str | None = None,
    query: object = None,  # noqa: ARG001 - the documented signature
    sanitize: bool = False,
    mask: str | None = "**",
) -> str:
    """Build a URL from decoded parts; what is empty is left out, and so is the query.

    Args:
        scheme: The scheme.
        host: The host; an IPv6 address gets its brackets.
        port: The port; 0 counts as none.
        user: The user's name.
        password: The password.
        path: The path, without the slash that divides it from the host.
        query: Not part of the result: taken so that :class:`urlparts` can be passed whole.
        sanitize: Put `mask` in the password's place.
        mask: What stands for the password; None for nothing.
    """
    parts = [f"{scheme}://"]
    if user or password:
        parts.append(_quoted(user))
        if password:
            parts.append(f":{(mask or '') if sanitize else _quoted(password)}")
        parts.append("@")
    if host:
        parts.append(f"[{host}]" if ":" in host else _quoted(host))
    if port:
        parts.append(f":{port}")
    encoded_path = _UNSAFE_IN_PATH.sub(lambda found: quote(found[0], safe=""), path or "")
    parts.append(f"/{encoded_path}")
    return "".join(parts)


def _quoted(part: str | None) -> str:
    return quote(part or "", safe="")


def sanitize_url(url: str, mask: str | None = "**") -> str:
    """Return a URL without its query and with `mask` in the password's place.

    Several URLs divided by ``;`` are each treated so.

    Raises:
        ValueError: The URL is malformed.
    """
    return ";".join(
        as_url(*url_to_parts(one), sanitize=True, mask=mask) for one in _ALTERNATIVES.split(url)
    )


def maybe_sanitize_url(url: Any, mask: str | None = "**") -> Any:
    """Return text that is a URL without its secrets, and anything else as it is.

    It never raises: of a URL that is malformed only the scheme is kept.
    """
    if not isinstance(url, str) or "://" not in url:
        return url
    try:
        return sanitize_url(url, mask)
    except ValueError:
        return f"{url.partition('://')[0]}://{mask or ''}"


def parse_ssl_cert_reqs(query_value: str) -> VerifyMode:
    """Turn ``required``, ``optional``, ``none``, or the name of the constant, into the constant.

    Raises:
        ValueError: It is none of these.
    """
    # 10 ms to import, and most connections are not encrypted.
    import ssl

    name = _CERT_REQS.get(query_value, query_value)
    if name not in _CERT_REQS.values():
        raise ValueError(
            f"ssl_cert_reqs is {query_value!r}: wanted 'required', 'optional' or 'none', or "
            "'CERT_REQUIRED', 'CERT_OPTIONAL' or 'CERT_NONE'"
        )
    return ssl.VerifyMode[name]
