"""The scripts for the bindings of an exchange."""

from __future__ import annotations

__all__ = ("BIND", "ENTER", "LOAD", "UNBIND")

# KEYS: version, three sets of the exchange's bindings.
# ARGV: 1 if 5.7 can read it, member.  Returns the version.
ENTER = """
local added
if ARGV[1] == '1' then
  added = redis.call('SADD', KEYS[2], ARGV[2])
  redis.call('SADD', KEYS[3], ARGV[2])
else
  added = redis.call('SADD', KEYS[4], ARGV[2])
end
if added == 1 then redis.call('INCR', KEYS[1]) end
return redis.call('GET', KEYS[1]) or '0'
"""

# The same, with the exchange among those that the queue is bound to.
# KEYS: further, exchanges of the queue.  ARGV: further, exchange.
BIND = "redis.call('SADD', KEYS[5], ARGV[3])" + ENTER

# KEYS: version, three sets of the exchange's bindings.
# ARGV: separator, queue or exchange bound, its key or '' for all (then 1), member among ours.
# Returns the version.
UNBIND = """
local sep, queue, key, all, ours = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local gone = 0
if ours ~= '' then gone = gone + redis.call('SREM', KEYS[4], ours) end
local tail, head = sep .. queue, key .. sep
for _, member in ipairs(redis.call('SMEMBERS', KEYS[2])) do
  local whose = string.sub(member, -#tail) == tail
  if whose and (all == '1' or (ours == '' and string.sub(member, 1, #head) == head)) then
    gone = gone + redis.call('SREM', KEYS[2], member)
    redis.call('SREM', KEYS[3], member)
  end
end
if all == '1' then
  for _, member in ipairs(redis.call('SMEMBERS', KEYS[4])) do
    local binding = cjson.decode(member)
    if binding[1] == queue and not binding[4] then
      gone = gone + redis.call('SREM', KEYS[4], member)
    end
  end
end
if gone > 0 then redis.call('INCR', KEYS[1]) end
return redis.call('GET', KEYS[1]) or '0'
"""

# KEYS: version, three sets of bindings.  Returns: version, number and members of 5.7's, ours.
LOAD = """
local theirs = redis.call('SMEMBERS', KEYS[2])
return {redis.call('GET', KEYS[1]) or '0', #theirs, theirs, redis.call('SMEMBERS', KEYS[4])}
"""
