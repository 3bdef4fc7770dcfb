"""Clients of boto3: which region, which server, whose keys, how patient.

They are shared by all connections of the process that want the same, as making one takes longer
than most calls.  They hold no connection that could be lost: each call takes one of a pool.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from datetime import datetime, timezone
from time import time
from typing import TYPE_CHECKING, Any

# Importing boto3 itself takes twice as long as all that is needed of it, most of it for S3.
import botocore.session
from botocore.config import Config
from botocore.credentials import RefreshableCredentials

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("DEFAULT_REGION", "Account", "Clients", "clients", "configured_region", "frozen")

DEFAULT_REGION = "us-east-1"

#: How long a call may take at most before its thread gives up (seconds): who made it has left by
#: its own deadline.
_CONNECT_TIMEOUT = 5.0
_READ_TIMEOUT = 20.0
#: How much longer than the server is asked to wait its answer may take (seconds).
_SLACK = 10.0
#: How long before their end the keys of a role are renewed (seconds).
_EARLY = 60
#: How many calls may be under way on lines that are kept for the next ones.
_LINES = 50


@dataclass(frozen=True)
class Account:
    """Who asks, and where.

    Attributes:
        region: Amazon's region.
        endpoint: The URL of the server, `None` for Amazon's in the region.
        key_id: The access key, `None` for what boto3 finds.
        secret: What goes with it.
        role: The role to work as (``sts_role_arn``), `None` for none.
        role_seconds: For how long its keys are asked for.
        role_buffer: How long before their end they are renewed (seconds).
        wait: For how long the server is asked to wait for messages, at most (seconds).
        config: Arguments of ``botocore.config.Config``.
    """

    region: str
    endpoint: str | None = None
    key_id: str | None = None
    secret: str | None = None
    role: str | None = None
    role_seconds: int = 900
    role_buffer: int = 0
    wait: int = 20
    config: tuple[tuple[str, Any], ...] = ()

    def __repr__(self) -> str:
        return f"<{self.region}, {self.endpoint or 'Amazon'}, key {self.key_id}>"


class Clients:
    """The clients of one account: one that waits for messages, and one for all else."""

    def __init__(self, account: Account) -> None:
        session = _session(account)
        self.command = _client(session, account, _READ_TIMEOUT)
        self.waiting = _client(session, account, account.wait + _SLACK)
        self.endpoint: str = self.command.meta.endpoint_url
        #: The id of the access key, where it was given.
        self.key_id = account.key_id


def _session(account: Account) -> Any:
    session = botocore.session.Session()
    if account.role is not None:
        # What botocore asks for keys: it renews them by itself, in whichever thread needs them.
        session._credentials = _of_role(account)  # noqa: SLF001  there is no other way in
    elif account.key_id:
        session.set_credentials(account.key_id, account.secret)
    return session


def _of_role(account: Account) -> RefreshableCredentials:
    asking = botocore.session.Session()
    if account.key_id:
        asking.set_credentials(account.key_id, account.secret)
    sts = asking.create_client("sts", region_name=account.region)

    def keys() -> dict[str, Any]:
        given = sts.assume_role(
            RoleArn=account.role,
            RoleSessionName="kombu",
            DurationSeconds=account.role_seconds,
        )["Credentials"]
        return {
            "access_key": given["AccessKeyId"],
            "secret_key": given["SecretAccessKey"],
            "token": given["SessionToken"],
            "expiry_time": given["Expiration"].isoformat(),
        }

    # Not asked for now: a connection is made without I/O.
    return RefreshableCredentials(
        access_key="",
        secret_key="",
        token="",
        expiry_time=datetime.fromtimestamp(time() - 1, timezone.utc),
        refresh_using=keys,
        method="sts-assume-role",
        advisory_timeout=account.role_buffer or _EARLY,
        mandatory_timeout=account.role_buffer or _EARLY,
    )


def _client(session: Any, account: Account, patience: float) -> Any:
    ours = Config(
        connect_timeout=_CONNECT_TIMEOUT,
        read_timeout=patience,
        # Once: who made the call decides whether it is worth another, and has the time for it.
        retries={"mode": "standard", "total_max_attempts": 1},
        max_pool_connections=_LINES,
    )
    theirs = dict(account.config)
    if theirs:
        ours = ours.merge(Config(**theirs))
    if ours.read_timeout < patience and patience > _READ_TIMEOUT:
        # A wait that the server was asked for is no silence.
        ours = ours.merge(Config(read_timeout=patience))
    return session.create_client(
        "sqs", region_name=account.region, endpoint_url=account.endpoint, config=ours
    )


def configured_region() -> str | None:
    """The region that boto3 is configured for, by the environment or its files."""
    region: str | None = botocore.session.Session().get_config_variable("region")
    return region


_lock = threading.Lock()
_made: dict[Account, Clients] = {}


def clients(account: Account) -> Clients:
    """The clients of an account; making them needs no network."""
    try:
        found = _made.get(account)
    except TypeError:
        # The configuration has something in it that can't be compared.
        return Clients(account)
    if found is None:
        with _lock:
            found = _made.get(account)
            if found is None:
                found = _made[account] = Clients(account)
    return found


def frozen(config: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Arguments of a configuration as part of an `Account`."""
    return tuple(sorted(config.items()))


def _forked() -> None:
    # Lines and locks are the parent's.
    global _lock
    _lock = threading.Lock()
    _made.clear()


os.register_at_fork(after_in_child=_forked)
