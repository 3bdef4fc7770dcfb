"""Who a connection is for the server: its user, the token that stands for him, and refusals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kombu.exceptions import ChannelError
from kombu.exceptions import ConnectionError as BrokerConnectionError

if TYPE_CHECKING:
    from etcd3gw.exceptions import Etcd3Exception

    from .address import Address

__all__ = ("Access",)

#: What the server says of a token: it is too old, of before a change of users, or missing.
_STALE = ("invalid auth token", "revision in header is old", "user name is empty")


class Access:
    """The user of a connection.  Any thread may use it.

    A server takes its time to check a password (a tenth of a second), so all sessions share what it
    gave for it.  Tokens end: after five minutes without use, when the server starts, and when users
    are changed.

    Args:
        address: The server, and the user.
    """

    def __init__(self, address: Address) -> None:
        self._user = address.user
        self._password = address.password
        #: What to send with requests; empty for nothing, `None` where it has to be asked for.
        self.token: str | None = None if address.user else ""

    @property
    def credentials(self) -> dict[str, str]:
        """What to ask for a token with."""
        return {"name": self._user, "password": self._password}

    def forget(self, token: str) -> None:
        """Ask for another token, unless another session has done so."""
        if self._user and self.token == token:
            self.token = None

    def is_refused(self, exc: Etcd3Exception) -> bool:
        """Whether a request was refused that another token may be taken for."""
        return bool(self._user) and any(words in str(exc.detail_text) for words in _STALE)

    def refusal(self, where: str, exc: Etcd3Exception) -> Exception | None:
        """The error for a request that was refused for whose it was, `None` for other reasons."""
        told = str(exc.detail_text)
        if "authentication failed" in told:
            return BrokerConnectionError(
                f"etcd at {where} refuses the user {self._user!r} or the password: look at the URL",
                reply_code=403,
            )
        if "permission denied" in told:
            return ChannelError(
                f"etcd at {where} does not allow this to the user {self._user!r}: grant a role "
                "that reads and writes the keys below the path of the URL, and kombu/",
                reply_code=403,
            )
        if any(words in told for words in _STALE):
            asked = "its token" if self._user else "requests of nobody"
            return BrokerConnectionError(
                f"etcd at {where} refuses {asked}: name a user and a password in the URL, "
                "etcd://user:password@host",
                reply_code=403,
            )
        return None
