"""The scripts that declare, find, empty and delete queues."""

from __future__ import annotations

__all__ = (
    "DECLARE",
    "DELETE",
    "FIND",
    "KEEP",
    "PURGE",
)

# KEYS: expiring, queue, index of the ready.
# ARGV: number of lists, name, declaration, seconds that it lives unused.
# Returns: what stands, number of ready messages, 1 if the queue has expired and is to be deleted.
DECLARE = """
local S, now = tonumber(ARGV[1]), clock()
INDEX = KEYS[S + 6]
local ends = call('ZSCORE', KEYS[1], ARGV[2])
if ends and tonumber(ends) <= now then return {'', 0, 1} end
promote(1, S, now)
local standing = call('GET', KEYS[2])
if not standing or deleted(standing) or string.byte(standing, 1) == 63 then
  call('SET', KEYS[2], ARGV[3])
  standing = ARGV[3]
end
local o = options(standing)
if o and o.expires then call('ZADD', KEYS[1], stamp(now + o.expires), ARGV[2]) end
return {standing, ready(1, S), 0}
"""

# KEYS: expiring, queue, index of the ready.  ARGV: number of lists, name.
# Returns the same as a declaration.
FIND = """
local S, now = tonumber(ARGV[1]), clock()
INDEX = KEYS[S + 6]
local ends = call('ZSCORE', KEYS[1], ARGV[2])
if ends and tonumber(ends) <= now then return {'', 0, 1} end
promote(1, S, now)
local spec, n = call('GET', KEYS[2]), ready(1, S)
if not spec or deleted(spec) then spec = n > 0 and '?|{}' or '' end
return {spec, n, 0}
"""

# KEYS: queue, index of the ready.  ARGV: number of lists.  Returns how many messages there were.
PURGE = """
local S = tonumber(ARGV[1])
local n = ready(0, S)
for s = 1, S do call('DEL', KEYS[4 + s]) end
INDEX = KEYS[5 + S]
unmark(0, S)
return n
"""

# KEYS: expiring, exchanges that it is bound to, queue, index of the ready.
# ARGV: number of lists, name, 1 if only empty, 1 if only expired, milliseconds to remember it.
# Returns: number of messages, or -1 not empty, -2 not expired; then those exchanges.
DELETE = """
local S, now = tonumber(ARGV[1]), clock()
local n = ready(2, S)
if ARGV[3] == '1' and n > 0 then return {-1} end
if ARGV[4] == '1' then
  local ends = call('ZSCORE', KEYS[1], ARGV[2])
  if not ends or tonumber(ends) > now then return {-2} end
end
local out = call('SMEMBERS', KEYS[2])
local spec = call('GET', KEYS[3])
for i = 2, 6 + S do call('DEL', KEYS[i]) end
INDEX = KEYS[7 + S]
unmark(2, S)
if spec or n > 0 then call('SET', KEYS[3], 'D|', 'PX', ARGV[5]) end
call('ZREM', KEYS[1], ARGV[2])
return {n, unpack(out)}
"""

# KEYS: expiring.  ARGV: until when, the name of a queue that is used until then.
KEEP = "return redis.call('ZADD', KEYS[1], 'XX', ARGV[1], ARGV[2])"
