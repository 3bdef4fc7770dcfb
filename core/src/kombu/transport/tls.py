"""``ssl`` of `kombu.Connection`, for transports whose drivers take a context; and what went wrong.

What a driver has no words for of its own is read here once, so that the same names mean the same
with each of them.
"""

from __future__ import annotations

import difflib
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kombu.exceptions import ConnectionError as BrokerConnectionError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ("Tls", "read_tls", "tls_failure", "tls_refused")

_NAMES = (
    "ca_certs",
    "cert_reqs",
    "certfile",
    "check_hostname",
    "ciphers",
    "keyfile",
    "keyfile_password",
    "server_hostname",
)
_MODES = {
    "required": ssl.CERT_REQUIRED,
    "optional": ssl.CERT_OPTIONAL,
    "none": ssl.CERT_NONE,
}
#: Parts of the alerts by which a server refuses the certificate of a client, or that it has none.
_OURS = (
    "ACCESS_DENIED",
    "BAD_CERTIFICATE",
    "CERTIFICATE_EXPIRED",
    "CERTIFICATE_REQUIRED",
    "CERTIFICATE_REVOKED",
    "CERTIFICATE_UNKNOWN",
    "HANDSHAKE_FAILURE",
    "UNKNOWN_CA",
    "UNSUPPORTED_CERTIFICATE",
)
#: What is said of an answer that is not TLS.
_NO_TLS = ("HTTP_REQUEST", "RECORD_LAYER_FAILURE", "WRONG_VERSION_NUMBER")
#: What is said where the two have no version or cipher in common.
_NOTHING_COMMON = ("NO_SHARED_CIPHER", "PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL")
#: OpenSSL's numbers: the certificate is for another host, or another address.
_OTHER_HOST = (62, 64)
#: It does not hold yet, or no longer.
_OTHER_TIME = (9, 10)


@dataclass(frozen=True)
class Tls:
    """How to speak TLS.

    Attributes:
        context: What is trusted, and the certificate of this side if it has one.
        server_hostname: The name that the server's certificate is to have, where it is not the
            host's of the URL.
    """

    context: ssl.SSLContext
    server_hostname: str | None = None


def read_tls(given: Any, transport: str) -> Tls | None:
    """Read ``ssl``: certificate and host name of the server are checked unless it says otherwise.

    Args:
        given: Nothing for none, True for the authorities of the system, or a dictionary:
            ``ca_certs`` (file or folder), ``certfile``, ``keyfile``, ``keyfile_password``,
            ``cert_reqs`` (a constant of `ssl`, or ``"required"``, ``"none"``), ``check_hostname``,
            ``server_hostname``, ``ciphers``.  Each may begin with ``ssl_``, as in the query of a
            URL.
        transport: Whose it is, for messages.

    Raises:
        TypeError: It is something else.
        ValueError: A name or value is unknown, or a file can't be read.
    """
    if not given:
        return None
    if given is True:
        given = {}
    elif not isinstance(given, dict):
        raise TypeError(
            f"ssl of the {transport} transport is {type(given).__name__}: wanted True, or a "
            "dictionary of options such as {'ca_certs': '/path/ca.pem'}"
        )
    options = {str(name).removeprefix("ssl_"): value for name, value in given.items()}
    for name in options:
        if name not in _NAMES:
            near = difflib.get_close_matches(name, _NAMES, 1)
            raise ValueError(
                f"ssl of the {transport} transport has an unknown option {name!r}"
                + (f", did you mean {near[0]!r}?" if near else "")
                + f" It knows {', '.join(_NAMES)}"
            )
    context = _context(options.get("ca_certs"), transport)
    _verify(context, options)
    _identify(context, options, transport)
    if options.get("ciphers"):
        context.set_ciphers(options["ciphers"])
    return Tls(context, options.get("server_hostname") or None)


def _context(authorities: Any, transport: str) -> ssl.SSLContext:
    if not authorities:
        return ssl.create_default_context()
    try:
        if Path(authorities).is_dir():
            return ssl.create_default_context(capath=authorities)
        return ssl.create_default_context(cafile=authorities)
    except OSError as exc:
        raise _unreadable(transport, "ca_certs", authorities, exc) from exc


def _verify(context: ssl.SSLContext, options: dict[str, Any]) -> None:
    mode = options.get("cert_reqs")
    if isinstance(mode, str):
        if (word := mode.lower().removeprefix("cert_")) not in _MODES:
            raise ValueError(f"cert_reqs of ssl is {mode!r}: wanted 'required' or 'none'")
        mode = _MODES[word]
    wanted = ssl.CERT_REQUIRED if mode is None else ssl.VerifyMode(mode)
    # In this order: a context that checks names must verify.
    context.check_hostname = wanted != ssl.CERT_NONE and options.get("check_hostname") is not False
    context.verify_mode = wanted


def _identify(context: ssl.SSLContext, options: dict[str, Any], transport: str) -> None:
    certificate, key = options.get("certfile"), options.get("keyfile")
    if key and not certificate:
        raise ValueError("ssl has a keyfile and no certfile: name the certificate, too")
    if not certificate:
        return
    # OpenSSL asks the terminal for the password of a key, and waits, unless one is given.
    password = options.get("keyfile_password") or ""
    try:
        context.load_cert_chain(certificate, key or None, password)
    except OSError as exc:
        files = certificate if not key else f"{certificate}, {key}"
        raise _unreadable(transport, "certfile and keyfile", files, exc) from exc


def _unreadable(transport: str, name: str, value: Any, exc: OSError) -> ValueError:
    return ValueError(
        f"ssl of the {transport} transport: {name} ({value}) can't be read ({exc}): wanted are "
        "files in the PEM format, a certificate and the key that fits it"
    )


def tls_failure(exc: BaseException) -> ssl.SSLError | None:
    """The error of TLS behind what a driver raised, if another try would end in the same way.

    `None` where there is none, and where the line just broke: a server that dies while it shakes
    hands is no question of certificates.
    """
    for found in _behind(exc, set()):
        if isinstance(found, ssl.SSLError) and _why(found) is not None:
            return found
    return None


def tls_refused(server: str, failure: ssl.SSLError) -> BrokerConnectionError:
    """The error to raise for a `tls_failure`.

    Args:
        server: What to call the server, such as "etcd at host:port".
        failure: What `tls_failure` found.
    """
    return BrokerConnectionError(f"TLS with {server} failed ({failure}): {_why(failure)}")


def _behind(exc: BaseException, seen: set[int]) -> Iterator[BaseException]:
    """An error and what it is about; drivers keep that in their arguments, too."""
    if id(exc) in seen:
        return
    seen.add(id(exc))
    yield exc
    attributes = (getattr(exc, name, None) for name in ("reason", "cause"))
    for inner in (exc.__cause__, exc.__context__, *attributes, *exc.args):
        if isinstance(inner, BaseException):
            yield from _behind(inner, seen)


def _why(failure: ssl.SSLError) -> str | None:
    """What to do, `None` where nothing is wrong with what either side was told."""
    if isinstance(failure, ssl.SSLCertVerificationError):
        if failure.verify_code in _OTHER_HOST:
            return (
                "its certificate is for another name. Use that in the URL, or say which name it "
                "is to have: ssl={'server_hostname': ...}"
            )
        if failure.verify_code in _OTHER_TIME:
            return "see the clocks of both machines, and have its certificate renewed"
        return (
            "the authority that signed its certificate is not known here. Name the authority's "
            "file: ssl={'ca_certs': '/path/ca.pem'}"
        )
    # The names of reasons changed between versions of OpenSSL, these words did not.
    said = f"{getattr(failure, 'reason', '')} {failure}".upper().replace(" ", "_")
    if any(word in said for word in _NO_TLS):
        return "what answers there does not speak TLS. See the port, or leave ssl out"
    if any(word in said for word in _NOTHING_COMMON):
        return "the two have no version of TLS, or no cipher, in common"
    if any(word in said for word in _OURS):
        return (
            "it wants a certificate of the client, from an authority that it knows. Name one: "
            "ssl={'certfile': '/path/client.pem', 'keyfile': '/path/client.key', ...}"
        )
    return None
