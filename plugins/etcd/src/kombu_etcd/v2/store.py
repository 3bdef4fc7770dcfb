"""Requests to etcd's v2 API by python-etcd, each bounded by its deadline."""

from __future__ import annotations

import json
from time import monotonic
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import etcd
import urllib3

from kombu.exceptions import ChannelError
from kombu.exceptions import ConnectionError as BrokerConnectionError
from kombu.transport.tls import tls_failure, tls_refused
from kombu_etcd.address import lost

if TYPE_CHECKING:
    from kombu_etcd.address import Address

__all__ = ("Store",)

#: The first of the codes that tell of the cluster's own trouble, such as having no leader.
_RAFT = 300


class Store:
    """One client of python-etcd.  One thread at a time.

    Every request raises `TimeoutError`, `RecoverableConnectionError` where the server can't be
    reached, and `ChannelError` where it refuses; a `kombu.exceptions.ConnectionError` that is not
    recoverable where it refuses who asks, or TLS can't be agreed on.
    """

    def __init__(self, address: Address) -> None:
        self.where = address.where
        self._user = address.user
        self._tls = address.tls
        self._client = etcd.Client(
            address.host,
            address.port,
            protocol=address.protocol,
            username=_as_latin_1(address.user),
            password=_as_latin_1(address.password),
        )
        pool = self._client.http.connection_pool_kw
        # A request that is sent again may find its own doing.
        pool["retries"] = urllib3.Retry(0)
        if self._tls is not None:
            # The driver itself verifies only by a file that is named, and never the host alone.
            pool["ssl_context"] = self._tls.context
            if self._tls.server_hostname:
                pool["server_hostname"] = self._tls.server_hostname
            if not self._tls.context.check_hostname:
                # urllib3 would check it then.
                pool["assert_hostname"] = False

    def read(self, key: str, deadline: float, **what: Any) -> dict[str, Any] | None:
        """A key, or a folder with what is in it, in order; `None` where there is none."""
        return self._ask("GET", key, deadline, sorted="true", **what)

    def write(self, key: str, deadline: float, **what: Any) -> dict[str, Any] | None:
        """Write a key; `None` where a condition among `what` does not hold."""
        return self._ask("PUT", key, deadline, **what)

    def append(self, folder: str, value: bytes, deadline: float) -> None:
        """Add a key behind all others of a folder, which is made if it is not there."""
        self._ask("POST", folder, deadline, value=value.decode("ascii"))

    def delete(self, key: str, deadline: float, **what: Any) -> bool:
        """Delete a key; False where there is none, or a condition does not hold."""
        return self._ask("DELETE", key, deadline, **what) is not None

    def _ask(self, method: str, key: str, deadline: float, **params: Any) -> dict[str, Any] | None:
        left = deadline - monotonic()
        if left <= 0:
            raise self._late()
        path = f"/v2/keys{quote(key, safe='/')}"
        try:
            response = self._client.api_execute(path, method, params=params, timeout=left)
            node: dict[str, Any] = json.loads(response.data)["node"]
        except (etcd.EtcdKeyNotFound, etcd.EtcdAlreadyExist, etcd.EtcdCompareFailed):
            return None
        except (etcd.EtcdNotFile, etcd.EtcdDirNotEmpty):
            return None
        except etcd.EtcdConnectionFailed as exc:
            cause = getattr(exc.cause, "reason", exc.cause)
            new = isinstance(cause, urllib3.exceptions.NewConnectionError)
            # Which is a kind of a timeout, whatever became of the new connection.
            if isinstance(cause, urllib3.exceptions.TimeoutError) and not new:
                raise self._late() from exc
            raise self._lost(exc) from exc
        except etcd.EtcdInsufficientPermissions as exc:
            raise self._no_access() from exc
        except (etcd.EtcdWatcherCleared, etcd.EtcdLeaderElectionInProgress) as exc:
            raise self._lost(exc) from exc
        except etcd.EtcdException as exc:
            if (exc.payload or {}).get("errorCode", 0) >= _RAFT:
                raise self._lost(exc) from exc
            if "Not Found" in str(exc) or "404" in str(exc):
                raise ChannelError(
                    f"etcd at {self.where} has no v2 API: start it with --enable-v2, which 3.6 no "
                    "longer knows, or use etcd:// instead",
                    reply_code=540,
                ) from exc
            raise ChannelError(
                f"etcd at {self.where} refused a request ({exc})", reply_code=541
            ) from exc
        except (OSError, ValueError, KeyError, urllib3.exceptions.HTTPError) as exc:
            raise self._lost(exc) from exc
        return node

    def close(self) -> None:
        """Close its connections."""
        self._client.http.clear()

    def _late(self) -> Exception:
        return TimeoutError(
            f"etcd at {self.where} did not answer in time: see whether it runs and is reachable "
            "from here, or give it more time"
        )

    def _no_access(self) -> Exception:
        # That API tells nothing more.
        asked = f"the user {self._user!r}, or the password" if self._user else "requests of nobody"
        return BrokerConnectionError(
            f"etcd at {self.where} refuses {asked}, or does not allow this: name user and password "
            "in the URL, etcd2://user:password@host, and grant a role that reads and writes "
            "/kombu/*",
            reply_code=403,
        )

    def _lost(self, exc: Exception) -> Exception:
        failure = None if self._tls is None else tls_failure(exc)
        if failure is not None:
            return tls_refused(f"etcd at {self.where}", failure)
        return lost(self.where, exc, self._tls is not None)


def _as_latin_1(text: str) -> str | None:
    """A name or password of which the driver, which knows Latin-1, makes UTF-8."""
    return text.encode().decode("latin-1") or None
