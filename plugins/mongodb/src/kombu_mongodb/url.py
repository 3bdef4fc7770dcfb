"""The URL that pymongo gets, and what is not in it.  Pure: no I/O."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from kombu import Connection

    from .options import MongoOptions

__all__ = ("mask_password", "mongo_url", "tls_options")

_SRV = "srv://"
_CREDENTIALS = re.compile(r"(://[^:@/]*):[^@/]*@")

#: Names of `ssl.wrap_socket`, as people have them from other transports.
_TLS_NAMES = {
    "ca_certs": "tlsCAFile",
    "ssl_ca_certs": "tlsCAFile",
    "certfile": "tlsCertificateKeyFile",
    "ssl_certfile": "tlsCertificateKeyFile",
    "keyfile_password": "tlsCertificateKeyFilePassword",
    "ssl_crlfile": "tlsCRLFile",
}


def mongo_url(client: Connection, options: MongoOptions) -> str:
    """The URL as it was given, or made of the parts that a connection was given."""
    given = client.params.url
    if given and given.startswith(_SRV):
        return f"mongodb+{given}"
    if given and "://" in given:
        scheme, _, rest = given.partition("://")
        host = rest.partition("/")[0].rpartition("@")[2]
        if host:
            return given if scheme == "mongodb" else f"mongodb://{rest}"
        default = f"{options.default_hostname}:{options.default_port}"
        credentials, at, path = rest.rpartition("@")
        return f"mongodb://{credentials}{at}{default}{path if path.startswith('/') else ''}"
    host = client.hostname or options.default_hostname
    if ":" not in host and "," not in host:
        host = f"{host}:{client.port or options.default_port}"
    user = ""
    if client.userid:
        password = f":{quote(client.password, safe='')}" if client.password else ""
        user = f"{quote(client.userid, safe='')}{password}@"
    database = (client.virtual_host or "").strip("/")
    return f"mongodb://{user}{host}/{quote(database, safe='')}"


def mask_password(url: str, mask: str = "**") -> str:
    """The URL without its password."""
    return _CREDENTIALS.sub(rf"\1:{mask}@", url)


def tls_options(ssl: Any) -> dict[str, Any]:
    """Pymongo's options for what a connection was told of TLS."""
    if not ssl:
        return {}
    if ssl is True:
        return {"tls": True}
    found: dict[str, Any] = {"tls": True}
    for name, value in dict(ssl).items():
        if name in {"cert_reqs", "ssl_cert_reqs"}:
            # ssl.CERT_NONE, or its name.
            if value in (0, None) or str(value).lower() in {"cert_none", "none"}:
                found["tlsAllowInvalidCertificates"] = True
        else:
            found[_TLS_NAMES.get(str(name), str(name))] = value
    return found
