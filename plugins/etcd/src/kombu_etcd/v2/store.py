"""Requests to etcd's v2 API by python-etcd, each bounded by its deadline."""

from __future__ import annotations

import json
from time import monotonic
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import etcd
import urllib3

from kombu.exceptions import ChannelError, RecoverableConnectionError

if TYPE_CHECKING:
    from kombu_etcd.address import Address

__all__ = ("Store",)

#: The first of the codes that tell of the cluster's own trouble, such as having no leader.
_RAFT = 300


class Store:
    """One client of python-etcd.  One thread at a time.

    Every request raises `TimeoutError`, `RecoverableConnectionError` where the server can't be
    reached, and `ChannelError` where it refuses.
    """

    def __init__(self, address: Address) -> None:
        self.where = address.where
        self._client = etcd.Client(address.host, address.port)
        # A request that is sent again may find its own doing.
        self._client.http.connection_pool_kw["retries"] = urllib3.Retry(0)

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
            if isinstance(cause, urllib3.exceptions.TimeoutError):
                raise self._late() from exc
            raise self._lost(exc) from exc
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

    def _lost(self, exc: Exception) -> Exception:
        return RecoverableConnectionError(
            f"etcd at {self.where} can't be reached, or has no leader ({exc}): see whether it "
            "runs, whether the URL is right, and whether a majority of the cluster is there"
        )
