"""What a cluster does in one step: the scripts of one server, and those that are its own.

They are given the keys of one queue, or of one exchange.  Who waits for a queue is written in a
sorted set in the place of its bell: a channel by the time since when it waits.
"""

from __future__ import annotations

from kombu_redis.connection.greeting import Greeting
from kombu_redis.scripts import PARTS, RING, SCRIPTS, Script
from kombu_redis.scripts.bindings import ENTER

__all__ = ("GREETING", "NOT_TWICE", "OWN", "adapted")

# Whoever listens no more is told by nobody having received it, and forgotten.
_RING = """local function ring(bell)
  while true do
    local waiter = call('ZPOPMIN', bell)[1]
    if not waiter or call('PUBLISH', waiter, bell) > 0 then return end
  end
end
"""

_common, _store, _promote, _book = (part.replace(RING, _RING) for part in PARTS)

# KEYS: unacked, index, claims, expiring, queue.
# ARGV: name, limit, tags begin with, lease, 1 if rung for, number of lists, end of an entry, how
# many lists to pass over at first, 1 to take without claim.
# Returns: time, next time at which something is due or '', 1 if taken without claim, messages.
_TAKE = """
local max, untl = tonumber(ARGV[2]), nil
local S, now = tonumber(ARGV[6]), clock()
untl = stamp(now + tonumber(ARGV[4]))
local due = promote(4, S, now)
local spec = call('GET', KEYS[5])
local o = options(spec)
if o and o.expires then
  call('ZADD', KEYS[4], stamp(now + o.expires), ARGV[1])
  local used = now + o.expires / 3
  if not due or used < due then due = used end
end
local take = ARGV[9] == '1' and not o
local n, out = 0, {stamp(now), due and stamp(due) or '', take and 1 or 0}
for k = 0, S - 1 do
  local s = (tonumber(ARGV[8]) + k) % S + 1
  if n >= max then break end
  local got = call('RPOP', KEYS[8 + s], max - n)
  if got then
    if not spec or deleted(spec) then
      spec = '?|{}'
      call('SET', KEYS[5], spec)
    end
    for i = 1, #got do
      n = n + 1
      if not take then
        book(ARGV[3] .. string.format('%06x', n), '[' .. got[i] .. ARGV[7], untl)
      end
      out[3 + n] = got[i]
    end
  end
end
if n >= max and ARGV[5] == '1' and ready(4, S) > 0 then ring(KEYS[6]) end
return out
"""

# KEYS: expiring, queue.  ARGV: name, number of lists, channel to wait on or ''.
# Returns: number of ready messages, time, next time at which something is due or ''.
_AWAIT = """
local S, now = tonumber(ARGV[2]), clock()
local due = promote(1, S, now)
local o = options(call('GET', KEYS[2]))
if o and o.expires then
  call('ZADD', KEYS[1], stamp(now + o.expires), ARGV[1])
  local used = now + o.expires / 3
  if not due or used < due then due = used end
end
local n = ready(1, S)
if n == 0 and ARGV[3] ~= '' then
  call('ZADD', KEYS[3], stamp(now), ARGV[3])
  call('PEXPIRE', KEYS[3], 60000)
end
return {n, stamp(now), due and stamp(due) or ''}
"""

# Hands a ring on that came to somebody who can't take the message.
# KEYS: queue.  ARGV: number of lists.
_HAND_ON = """
if ready(0, tonumber(ARGV[1])) > 0 then ring(KEYS[2]) end
return 0
"""

# KEYS: unacked, index, claims, expiring, queue.  ARGV: name, number of lists.
# Returns: time, 1 if there is anything of the queue, 1 if claims ran out, 1 if it expired, number
# of dead letters, 1 if it has options, when a claim runs out or a message is due, or ''.
_LOOK = """
local S, now = tonumber(ARGV[2]), clock()
local due = promote(4, S, now)
local spec = call('GET', KEYS[5])
local claim = call('ZRANGE', KEYS[3], 0, 0, 'WITHSCORES')[2]
local ends = call('ZSCORE', KEYS[4], ARGV[1])
local ran = claim and tonumber(claim) <= now
local here = claim or due or ends or (spec and not deleted(spec)) or ready(4, S) > 0
if claim and not ran and (not due or tonumber(claim) < due) then due = tonumber(claim) end
return {
  stamp(now), here and 1 or 0, ran and 1 or 0, ends and tonumber(ends) <= now and 1 or 0,
  call('LLEN', KEYS[8]), options(spec) and 1 or 0, due and stamp(due) or ''
}
"""

# Whoever looks at a queue has it for himself until it is to be looked at again.
# KEYS: a part of the register.  ARGV: how many, least seconds until then.
# Returns: time, the time until which they are put off, names.
_TURN = """
local now = clock()
local again = stamp(now + math.max(tonumber(ARGV[2]), call('ZCARD', KEYS[1]) / 25))
local names = call('ZRANGEBYSCORE', KEYS[1], '-inf', stamp(now), 'LIMIT', 0, ARGV[1])
for _, name in ipairs(names) do call('ZADD', KEYS[1], again, name) end
return {stamp(now), again, unpack(names)}
"""

# KEYS: a part of the register.  ARGV: names.
_ENTER = """
local now = clock()
for i = 1, #ARGV do call('ZADD', KEYS[1], 'NX', stamp(now), ARGV[i]) end
for i = 1, #ARGV do call('ZINCRBY', KEYS[1], '0.000001', ARGV[i]) end
return 0
"""

# A queue that was entered again meanwhile stays.
# KEYS: a part of the register.  ARGV: then for each its score, a new one or '' to leave, its name.
_REVIEW = """
for i = 1, #ARGV, 3 do
  local score = redis.call('ZSCORE', KEYS[1], ARGV[i + 2])
  if score and tonumber(score) == tonumber(ARGV[i]) then
    if ARGV[i + 1] == '' then
      redis.call('ZREM', KEYS[1], ARGV[i + 2])
    else
      redis.call('ZADD', KEYS[1], ARGV[i + 1], ARGV[i + 2])
    end
  end
end
return 0
"""

# KEYS: exchanges of a queue.  ARGV: exchange.
_BOUND = "return redis.call('SADD', KEYS[1], ARGV[1])"

# KEYS: version, three sets of the exchange's bindings.
_VERSION = "return {redis.call('GET', KEYS[1]) or '0', redis.call('SCARD', KEYS[2])}"

_ADAPTED = {
    script: Script(script.text.replace(RING, _RING))
    for script in vars(SCRIPTS).values()
    if isinstance(script, Script)
}


class OWN:
    """The scripts that only a cluster has."""

    take = Script(_common, _store, _promote, _book, _TAKE)
    wait = Script(_common, _store, _promote, _AWAIT)
    hand_on = Script(_common, _HAND_ON)
    look = Script(_common, _store, _promote, _LOOK)
    turn = Script(_common, _TURN)
    enter = Script(_common, _ENTER)
    review = Script(_common, _REVIEW)
    bind = Script(ENTER)
    bound = Script(_BOUND)
    version = Script(_VERSION)


_OWN = [script for script in vars(OWN).values() if isinstance(script, Script)]

#: What has an effect each time: where the answer got lost it is not known whether it was run.
NOT_TWICE = frozenset({SCRIPTS.put, OWN.take})

GREETING = Greeting([*_ADAPTED.values(), *_OWN])


def adapted(script: Script) -> Script:
    """The script as it runs in a cluster."""
    return _ADAPTED.get(script, script)
