"""The scripts that claim messages, settle and renew claims, and take back what ran out."""

from __future__ import annotations

__all__ = (
    "ABANDONED",
    "ACK",
    "FETCH",
    "RELEASE",
    "RENEW",
    "SWEEP",
)

# KEYS: unacked, index, claims, expiring, queues, index of the ready.
# ARGV: limit, tags begin with, lease, 1 after a bell, number of queues and of lists, who is first
# (and so many times the number of queues more, as lists are passed over at first); then for each
# queue its name, the end of its entry in unacked, its limit, 1 to take without claim.
# Returns: time, next time at which something is due or '', then queue, taken, message, ...
FETCH = """
local max, pre, lease, fb = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3]), ARGV[4]
local nq, S, first = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
-- Who is first, and the list to begin with, in one number.
local begin = math.floor(first / nq)
first = first % nq
local W = S + 4
INDEX = KEYS[5 + nq * W]
local now = clock()
local untl = stamp(now + lease)
local due, n = nil, 0
local emptied = {}
local specs, left, out = {}, {}, {stamp(now), ''}
for q = 0, nq - 1 do
  local at = 4 + q * W
  left[q] = tonumber(ARGV[8 + 2 * nq + q])
  local d = promote(at, S, now)
  if d and (not due or d < due) then due = d end
  local spec = call('GET', KEYS[at + 1])
  specs[q] = spec
  if spec and string.byte(spec, 1) == 101 then
    local o = options(spec)
    call('ZADD', KEYS[4], stamp(now + o.expires), ARGV[8 + q])
    -- Who waits comes back in time to say that the queue is used.
    d = now + o.expires / 3
    if not due or d < due then due = d end
  end
end
for k = 0, S - 1 do
  local s = (begin + k) % S + 1
  for j = 0, nq - 1 do
    local q = (first + j) % nq
    if n >= max then break end
    if left[q] > 0 then
      local at = 4 + q * W
      local most = math.min(left[q], max - n)
      local got = call('RPOP', KEYS[at + 4 + s], most)
      if INDEX and #(got or {}) < most then emptied[#emptied + 1] = s .. '.' .. name_of(at) end
      if got then
        local spec = specs[q]
        if not spec or deleted(spec) then
          call('SET', KEYS[at + 1], '?|{}')
          specs[q] = '?|{}'
        end
        local take = ARGV[8 + 3 * nq + q] == '1' and not options(spec)
        for i = 1, #got do
          n = n + 1
          left[q] = left[q] - 1
          if not take then
            book(pre .. string.format('%06x', n), '[' .. got[i] .. ARGV[8 + nq + q], untl)
          end
          out[3 * n] = q
          out[3 * n + 1] = take and 1 or 0
          out[3 * n + 2] = got[i]
        end
      end
    end
  end
end
if fb == '1' then
  for q = 0, nq - 1 do
    if tonumber(ARGV[8 + 2 * nq + q]) > 0 and (n >= max or left[q] <= 0) then
      local at = 4 + q * W
      if ready(at, S) > 0 then ring(KEYS[at + 2]) end
    end
  end
end
if #emptied > 0 then call('ZREM', INDEX, unpack(emptied)) end
if due then out[2] = stamp(due) end
return out
"""

# KEYS: unacked, index, claims.  ARGV: tags.  Returns the places of those that were lost.
ACK = """
local lost = {}
for i = 1, #ARGV do
  if redis.call('HDEL', KEYS[1], ARGV[i]) == 0 then lost[#lost + 1] = i end
end
redis.call('ZREM', KEYS[2], unpack(ARGV))
redis.call('ZREM', KEYS[3], unpack(ARGV))
return lost
"""

# KEYS: unacked, index, claims, queue, index of the ready.
# ARGV: number of lists, then for each: tag, message, where to (f front, b back, d delayed, x among
# the dead letters), list, time or reason, count, and the end of the lease that must still stand.
# Returns: number of dead letters, then the places of those that were lost.
RELEASE = """
local S, at = tonumber(ARGV[1]), 3
INDEX = KEYS[at + S + 5]
local out = {0}
local spec = call('GET', KEYS[4])
local o = options(spec)
local gone = deleted(spec)
local function back(i)
  local base = 2 + i * 7
  local tag, raw, where = ARGV[base], ARGV[base + 1], ARGV[base + 2]
  local step, arg, count, expected = ARGV[base + 3], ARGV[base + 4], ARGV[base + 5], ARGV[base + 6]
  if expected ~= '' and call('ZSCORE', KEYS[3], tag) ~= expected then
    out[#out + 1] = i
    return
  end
  call('ZREM', KEYS[2], tag)
  call('ZREM', KEYS[3], tag)
  if call('HDEL', KEYS[1], tag) == 0 then
    out[#out + 1] = i
    return
  end
  if gone then return end
  if where == 'x' then
    call('RPUSH', KEYS[at + 4], arg .. '|' .. raw)
    out[1] = out[1] + 1
  elseif o and o.delivery_limit and tonumber(count) > o.delivery_limit then
    out[1] = out[1] + bury(at, o, 'delivery_limit', raw)
  elseif where == 'd' then
    call('ZADD', KEYS[at + 3], arg, 'r' .. step .. '|' .. raw)
    mark_later(at, arg)
    ring(KEYS[at + 2])
  else
    local push = where == 'f' and 'RPUSH' or 'LPUSH'
    if call(push, KEYS[at + 4 + tonumber(step)], raw) == 1 then mark(at, step, clock()) end
    ring(KEYS[at + 2])
  end
end
local n = (#ARGV - 1) / 7
for i = n - 1, 0, -1 do
  if ARGV[4 + i * 7] == 'f' then back(i) end
end
for i = 0, n - 1 do
  if ARGV[4 + i * 7] ~= 'f' then back(i) end
end
return out
"""

# KEYS: unacked, index, claims.  ARGV: seconds, tags.  Returns: until when, places of the lost.
RENEW = """
local untl = stamp(clock() + tonumber(ARGV[1]))
local out = {untl}
for i = 2, #ARGV do
  if call('ZSCORE', KEYS[3], ARGV[i]) and call('HEXISTS', KEYS[1], ARGV[i]) == 1 then
    call('ZADD', KEYS[2], untl, ARGV[i])
    call('ZADD', KEYS[3], untl, ARGV[i])
  else
    out[#out + 1] = i - 2
  end
end
return out
"""

# What ran out is put off by some seconds for whoever was told of it: nobody else looks meanwhile.
# KEYS: unacked, index, claims.  ARGV: how many at most, seconds of the putting off, bytes at most.
# Returns: time, when the next one runs out or '', then tag, its new end, entry, ...
SWEEP = """
local now = clock()
local out = {stamp(now), ''}
local untl = stamp(now + tonumber(ARGV[2]))
local room = tonumber(ARGV[3])
for _, tag in ipairs(call('ZRANGEBYSCORE', KEYS[3], '-inf', stamp(now), 'LIMIT', 0, ARGV[1])) do
  if room <= 0 then break end
  local entry = call('HGET', KEYS[1], tag)
  if entry then
    call('ZADD', KEYS[3], untl, tag)
    room = room - #entry
    out[#out + 1] = tag
    out[#out + 1] = call('ZSCORE', KEYS[3], tag)
    out[#out + 1] = entry
  else
    call('ZREM', KEYS[3], tag)
    call('ZREM', KEYS[2], tag)
  end
end
local next = call('ZRANGE', KEYS[3], 0, 0, 'WITHSCORES')
if next[2] then out[2] = next[2] end
return out
"""

# What a worker of 5.7 took too long ago is none of our claims.
# KEYS: unacked, index, claims.  ARGV: how old in seconds, from which place on, how many at most.
# Returns: how many there were, ours included, then tag, entry, ...
ABANDONED = """
local last = stamp(clock() - tonumber(ARGV[1]))
local tags = call('ZRANGEBYSCORE', KEYS[2], '-inf', last, 'LIMIT', ARGV[2], ARGV[3])
local out = {#tags}
for _, tag in ipairs(tags) do
  if not call('ZSCORE', KEYS[3], tag) then
    local entry = call('HGET', KEYS[1], tag)
    if entry then
      out[#out + 1] = tag
      out[#out + 1] = entry
    else
      call('ZREM', KEYS[2], tag)
    end
  end
end
return out
"""
