"""The way back to kombu 5.7: what lies where 5.7 does not look goes back into its queues."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple

from kombu.exceptions import ChannelError

from ..connection.talk import pack
from ..scripts import Script
from .settling import Settler

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..backend import RedisBackend
    from ..connection.talk import Talk

__all__ = ("Drained", "drain_to_kombu5")

#: How many claims, keys and messages are handled in one step, which holds up the server for about
#: a millisecond.
_SLICE = 250

# KEYS: queue.  ARGV: how many at most, then of each list the lowest priority that belongs there.
# Returns: how many delayed, and how many dead letters, were put back.
_PUT_BACK = Script(
    """
local call, most, S = redis.call, tonumber(ARGV[1]), #ARGV - 1
local delayed, dead = 0, 0
for _, entry in ipairs(call('ZRANGE', KEYS[3], 0, most - 1)) do
  local bar = string.find(entry, '|', 1, true)
  local place = tonumber(string.sub(entry, 2, bar - 1))
  call('ZREM', KEYS[3], entry)
  call('LPUSH', KEYS[4 + place], string.sub(entry, bar + 1))
  delayed = delayed + 1
end
local function place_of(raw)
  local fine, message = pcall(cjson.decode, raw)
  local properties = fine and type(message) == 'table' and message.properties
  local priority = type(properties) == 'table' and tonumber(properties.priority) or 0
  local found, lowest = nil, 1
  for s = 1, S do
    local step = tonumber(ARGV[1 + s])
    if step < tonumber(ARGV[1 + lowest]) then lowest = s end
    if step <= priority and (not found or step > tonumber(ARGV[1 + found])) then found = s end
  end
  return found or lowest
end
while dead < most do
  -- The newest first: the oldest is in front then.
  local entry = call('LPOP', KEYS[4])
  if not entry then break end
  local raw = string.sub(entry, string.find(entry, '|', 1, true) + 1)
  call('RPUSH', KEYS[4 + place_of(raw)], raw)
  dead = dead + 1
end
return {delayed, dead}
"""
)


class Drained(NamedTuple):
    """How many messages went back into their queues."""

    #: They were to be delivered later: now they are delivered at once.
    delayed: int
    #: They had left their queue by expiry or overflow, and nobody had forwarded them yet.
    dead_letters: int
    #: Consumers held them; they count as delivered once more.
    held: int


def drain_to_kombu5(connection: Any, *, timeout: float | None = None) -> Drained:
    """Put back what kombu 5.7 does not see: delayed messages, dead letters, what consumers held.

    To be called once, before workers of 5.7 take over, when no consumer and no producer of this
    Kombu runs any more; a consumer that does is told `kombu.exceptions.LeaseLost` and handles its
    messages a second time.  Calling it again is harmless.

    Args:
        connection: A `kombu.Connection` with the transport options that the fleet had.
        timeout: Seconds that it may take, by default the ``operation_timeout``.

    Raises:
        TimeoutError: It is not done yet: call it again.
        ChannelError: The connection is to a cluster, which 5.7 does not know, or not to Redis.
        ConnectionError: (kombu's) The server is gone.
    """
    transport = connection.transport
    new_backend = getattr(transport, "new_backend", None)
    backend: Any = new_backend() if new_backend is not None else None
    # That of a cluster is a subclass.
    if type(backend).__name__ != "RedisBackend":
        raise ChannelError(
            f"{connection.as_uri()} has nothing that kombu 5.7 could take over: wanted is a "
            "connection by redis://, rediss://, redis+socket:// or sentinel://"
        )
    if timeout is None:
        timeout = transport.options.operation_timeout
    deadline = monotonic() + timeout
    talk = backend.line()
    talk.role = "drain"
    try:
        held = _end_claims(backend, talk, deadline)
        delayed = dead = 0
        for name in sorted(_queues(backend, talk, deadline)):
            some = _put_back(backend, talk, name, deadline)
            delayed, dead = delayed + some[0], dead + some[1]
        return Drained(delayed, dead, held)
    finally:
        talk.drop()


def _end_claims(backend: RedisBackend, talk: Talk, deadline: float) -> int:
    """Have all claims end, and take back what was claimed; returns how many there were."""
    claims = backend.keys.claims
    settler = Settler(backend, talk)
    count = int(talk.command(deadline, "ZCARD", claims))
    while True:
        start = 0
        while tags := talk.command(deadline, "ZRANGE", claims, start, start + _SLICE - 1):
            # They are the first ones now, and so stay behind.
            talk.each([pack("ZADD", claims, "XX", 0, tag) for tag in tags], deadline)
            start += len(tags)
        if not start:
            return count
        settler.take_back(deadline)
        if monotonic() > deadline:
            raise TimeoutError("claims are being ended still: call drain_to_kombu5 again")


def _queues(backend: RedisBackend, talk: Talk, deadline: float) -> set[str]:
    """The queues that have something delayed or dead letters."""
    names = set()
    for kind in ("later", "dead"):
        begin = f"{backend.keys.prefix}_kombu6.{kind}."
        names |= {key[len(begin) :] for key in _keys(talk, begin, deadline)}
    return names


def _keys(talk: Talk, begin: str, deadline: float) -> Iterator[str]:
    escaped = "".join(f"\\{c}" if c in "*?[]\\" else c for c in begin)
    cursor = b"0"
    while True:
        cursor, found = talk.command(
            deadline, "SCAN", cursor, "MATCH", f"{escaped}*", "COUNT", 1000
        )
        for key in found:
            yield key.decode()
        if cursor == b"0":
            return


def _put_back(backend: RedisBackend, talk: Talk, name: str, deadline: float) -> tuple[int, int]:
    keys = backend.keys
    steps = list(reversed(keys.steps)) if keys.highest_first else keys.steps
    delayed = dead = 0
    while True:
        some = talk.run(deadline, _PUT_BACK, keys.queue(name), _SLICE, *steps)
        if some == [0, 0]:
            return delayed, dead
        delayed, dead = delayed + some[0], dead + some[1]
