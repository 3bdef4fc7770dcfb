"""The options of TLS, as `kombu.Connection` takes them in ``ssl``."""

from __future__ import annotations

import ssl
from typing import Any

__all__ = ("tls_options",)


def tls_options(given: Any, hostname: str) -> Any:
    """What py-amqp wants for ``ssl=given``: certificate and host name are checked by default.

    Args:
        given: False for none, True for the defaults, or a dictionary: ``ca_certs``, ``certfile``,
            ``keyfile``, ``cert_reqs``, ``server_hostname``, ``ciphers``, ``ssl_version``,
            ``tls_minimum_version``, ``tls_maximum_version``; or ``context``, a dictionary for
            `ssl.create_default_context`.
        hostname: The host that the certificate is to be for, where the options name none.

    Raises:
        TypeError: It is something else.
    """
    if not given:
        return False
    if given is True:
        given = {}
    elif not isinstance(given, dict):
        raise TypeError(
            f"ssl is {type(given).__name__}: wanted True, or a dictionary of options such as "
            "{'ca_certs': '/path/ca.pem'}"
        )
    options = dict(given)
    if "context" in options:
        return options
    if options.get("cert_reqs") is None:
        options["cert_reqs"] = ssl.CERT_REQUIRED
    if options["cert_reqs"] != ssl.CERT_NONE and not options.get("server_hostname"):
        options["server_hostname"] = hostname
    return options
