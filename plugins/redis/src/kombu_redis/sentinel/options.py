"""The transport options of ``sentinel://``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from ..options import RedisOptions

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("SentinelOptions",)


@dataclass(frozen=True, eq=False)
class SentinelOptions(RedisOptions):
    """What the transport understands where sentinels name the server."""

    transport: ClassVar[str] = "sentinel"

    #: What the sentinels call the master.
    master_name: str | None = None
    #: Arguments of the connections to the sentinels, such as ``{"password": "..."}``.
    sentinel_kwargs: Mapping[str, Any] | None = None
    #: How many other sentinels one has to know before it is believed who the master is.
    min_other_sentinels: int = 0
    sentinel_fanout_compat: bool = False
