"""One session with ZooKeeper, by kazoo: opened, waited on, and closed within deadlines.

A line that breaks is not repaired: whoever waits on it is told, and the core opens another.  So no
answer is ever missing without anybody knowing.
"""

from __future__ import annotations

import logging
import threading
import weakref
from functools import partial
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, Protocol

from kazoo.client import KazooClient
from kazoo.exceptions import (
    AuthFailedError,
    ConnectionClosedError,
    ConnectionLoss,
    KazooException,
    NoAuthError,
    SessionExpiredError,
)
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.protocol.states import KazooState, KeeperState
from kazoo.retry import KazooRetry
from kazoo.security import CREATOR_ALL_ACL

from kombu.exceptions import ChannelError, RecoverableConnectionError
from kombu.exceptions import ConnectionError as BrokerConnectionError
from kombu.transport.tls import tls_refused

from .handler import Handler, SecureHandler

if TYPE_CHECKING:
    from collections.abc import Callable

    from .address import Address

__all__ = ("Line", "Lost")

#: kazoo tells of each lost line by warnings; we raise an error for each.
_quiet = logging.getLogger("kombu.zookeeper.driver")
_quiet.setLevel(logging.ERROR)

#: How long a lost line is tried again, to end its session in order (seconds).
_RETURNING = 0.5


class Lost(RecoverableConnectionError):
    """The session ended at the server: all its claims are lost."""


class Watching(Protocol):
    """Who keeps lists of znodes."""

    def changed_here(self, path: str) -> None:
        """Called after this line has sent a change to what is below `path`."""


class Line:
    """A client of kazoo, which is started by `open`.

    Args:
        address: Where to connect.
        session_timeout: Seconds, within the server's bounds.

    Every method may be called by any thread.
    """

    def __init__(self, address: Address, session_timeout: float) -> None:
        self.where = address.hosts
        self._handler = handler = Handler() if address.tls is None else SecureHandler(address.tls)
        # kazoo sleeps when it has tried all servers in vain: how else would we hear of it?
        handler.sleep_func = partial(_tried_in_vain, weakref.ref(self))
        self.client = KazooClient(
            address.hosts,
            handler=handler,
            timeout=session_timeout,
            use_ssl=handler.secure,
            auth_data=_credentials(address),
            # What somebody makes who says who he is belongs to him alone.
            default_acl=None if address.user is None else CREATOR_ALL_ACL,
            connection_retry=KazooRetry(
                max_tries=-1, delay=0.05, max_delay=0.2, sleep_func=handler.sleep_func
            ),
            logger=_quiet,
        )
        #: Whether the line was lost, or closed.
        self.broken = False
        #: What is called when it is: by a thread of kazoo's.
        self.told: weakref.WeakSet[Any] = weakref.WeakSet()
        #: Who has lists of what is below some path.
        self.watching: weakref.WeakSet[Watching] = weakref.WeakSet()
        self._changed = threading.Event()
        self._refused = False
        self._ending: threading.Thread | None = None
        # kazoo's threads must not keep alive who drops the line without closing it.
        self.client.add_listener(partial(_heard, weakref.ref(self)))
        self._end = weakref.finalize(self, _end_in_thread, self.client, handler)
        self._end.atexit = False

    def open(self, deadline: float) -> None:
        """Connect.

        Raises:
            OSError: Nobody is there, or nobody answers by the deadline.
            ConnectionError: The user is refused, or TLS can't be agreed on.
        """
        self.client.start_async()
        self._changed.wait(max(deadline - monotonic(), 0))
        if self.client.connected and not self.broken:
            return
        self._give_up()
        if self.client.client_state == KeeperState.AUTH_FAILED:
            raise self._no_access()
        if self._handler.failure is not None:
            raise tls_refused(f"ZooKeeper at {self.where}", self._handler.failure)
        if self._refused:
            # It may end a connection by the wrong protocol without a word.
            tls = "TLS is spoken there" if self._handler.secure else "TLS is wanted"
            raise ConnectionRefusedError(
                f"no ZooKeeper can be reached at {self.where}: see whether it runs, whether the "
                f"URL is right, whether {tls}, and whether a majority of the ensemble is there"
            )
        raise TimeoutError(
            f"ZooKeeper at {self.where} did not open a session in time: see whether it runs and is "
            "reachable from here, or give it more time"
        )

    def changed(self, path: str) -> None:
        """Tell those who watch that a change to what is below `path` was sent."""
        for watching in tuple(self.watching):
            watching.changed_here(path)

    def check(self) -> None:
        """See that the line is whole.

        Raises:
            RecoverableConnectionError: It was lost.
        """
        if self.broken:
            raise self._lost()

    def wait(self, result: Any, deadline: float) -> Any:
        """What the server answered to a request.

        Raises:
            TimeoutError: It did not by the deadline.
            RecoverableConnectionError: The line was lost meanwhile.
            KazooException: It refused.
        """
        try:
            return result.get(timeout=max(deadline - monotonic(), 0))
        except KazooTimeoutError:
            raise TimeoutError(
                f"ZooKeeper at {self.where} did not answer in time: see whether it is overloaded, "
                "or give it more time"
            ) from None
        except SessionExpiredError as exc:
            raise Lost(f"The session with ZooKeeper at {self.where} expired") from exc
        except (ConnectionLoss, ConnectionClosedError) as exc:
            self.broken = True
            raise self._lost() from exc
        except AuthFailedError as exc:
            raise self._no_access() from exc
        except NoAuthError as exc:
            raise ChannelError(
                f"ZooKeeper at {self.where} does not allow this to the user of the URL: its ACL "
                "has to allow to read, write, create and delete below the virtual host",
                reply_code=403,
            ) from exc

    def ask(self, request: Callable[..., Any], *args: Any, deadline: float, **kwargs: Any) -> Any:
        """Send a request by one of the client's methods, and return the answer; see `wait`."""
        self.check()
        return self.wait(request(*args, **kwargs), deadline)

    def commit(self, transaction: Any, deadline: float) -> list[Any]:
        """Commit a transaction; where it was not, some of the results are exceptions."""
        results: list[Any] = self.ask(transaction.commit_async, deadline=deadline)
        return results

    def _lost(self) -> Exception:
        return RecoverableConnectionError(
            f"The line to ZooKeeper at {self.where} was lost: see whether the server runs and is "
            "reachable from here, then connect again"
        )

    def _no_access(self) -> Exception:
        return BrokerConnectionError(
            f"ZooKeeper at {self.where} refuses the user or the password: look at the URL",
            reply_code=403,
        )

    def close(self, deadline: float) -> None:
        """End the session in order, which gives its claims back at once, if that can be.

        Else the server ends it when it has not heard of it for the session's timeout.
        """
        self._give_up()
        if self._ending is not None:
            self._ending.join(max(deadline - monotonic(), 0))

    def _give_up(self) -> None:
        self.broken = True
        # Does something the first time only.
        self._ending = self._end() or self._ending

    def forked(self) -> None:
        """In the child of a fork: leave the session to the parent."""
        self.broken = True
        self._end.detach()
        # Private, but what else closes the child's copy of the descriptor?
        line = self.client._connection  # noqa: SLF001
        for descriptor in (line._socket, line._read_sock, line._write_sock):  # noqa: SLF001
            if descriptor is not None:
                descriptor.close()

    def heard(self, state: str) -> None:
        """Called by kazoo when the state of the session changes."""
        if state == KazooState.CONNECTED:
            self._handler.in_session = True
        else:
            # The session is ended, or its claims would outlive what they are for.
            self._give_up()
            for bell in list(self.told):
                bell.set()
        self._changed.set()

    def tried_in_vain(self) -> None:
        """Called by kazoo when no server could be reached."""
        self._refused = True
        self._changed.set()


def _heard(line: weakref.ref[Line], state: str) -> None:
    found = line()
    if found is not None:
        found.heard(state)


def _tried_in_vain(line: weakref.ref[Line], pause: float) -> None:
    found = line()
    if found is not None:
        found.tried_in_vain()
        del found
    sleep(pause)


def _credentials(address: Address) -> list[tuple[str, str]]:
    if address.user is None:
        return []
    return [("digest", f"{address.user}:{address.password or ''}")]


def _end_in_thread(client: KazooClient, handler: Handler) -> threading.Thread:
    """End a session; in a thread of its own, as kazoo may take its time."""
    thread = threading.Thread(
        target=_end, args=(client, handler), name="kombu-zookeeper-end", daemon=True
    )
    thread.start()
    return thread


def _end(client: KazooClient, handler: Handler) -> None:
    until = monotonic() + (_RETURNING if handler.in_session else 0.0)
    while client.client_state == KeeperState.CONNECTING and monotonic() < until:
        sleep(0.02)
    try:
        if client.client_state == KeeperState.CONNECTING:
            handler.cut()
        client.stop()
        client.close()
    except (KazooException, OSError, AttributeError):
        _quiet.debug("A session with ZooKeeper could not be ended in order", exc_info=True)
