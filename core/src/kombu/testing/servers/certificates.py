"""Certificates for servers that speak TLS, and for clients that are to be refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

__all__ = ("Certificates", "KeyPair", "in_query")


@dataclass(frozen=True)
class KeyPair:
    """The files of a certificate, with its chain, and of its private key."""

    certificate: Path
    key: Path

    def as_java_reads(self) -> bytes:
        """Both as one file: Java knows a key by PKCS #8 alone."""
        key = load_pem_private_key(self.key.read_bytes(), None)
        plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return plain + self.certificate.read_bytes()


def in_query(authority: Path, client: KeyPair | None = None) -> str:
    """What the query of a URL says of TLS: whom to trust, and who comes."""
    options = {"ssl_ca_certs": authority}
    if client is not None:
        options |= {"ssl_certfile": client.certificate, "ssl_keyfile": client.key}
    return urlencode(options)


class Certificates:
    """An authority of its own, whose certificates nobody trusts who is not told to.

    Args:
        folder: Where the files are written.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._authority = trustme.CA()
        #: The file to trust.
        self.authority = folder / "authority.pem"
        self._authority.cert_pem.write_to_path(str(self.authority))

    def issue(
        self,
        *names: str,
        file: str = "server",
        not_before: datetime | None = None,
        not_after: datetime | None = None,
    ) -> KeyPair:
        """Issue a certificate.

        Args:
            names: Host names and addresses that it is for, by default those of loopback; a wrong
                one makes a certificate to be refused.
            file: The name of its files, without ending.
            not_before: When it begins to hold.
            not_after: When it ends; a time that is past makes one to be refused.
        """
        issued = self._authority.issue_cert(
            *(names or ("localhost", "127.0.0.1")), not_before=not_before, not_after=not_after
        )
        pair = KeyPair(self._folder / f"{file}.pem", self._folder / f"{file}.key")
        pair.certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(str(pair.key))
        return pair
