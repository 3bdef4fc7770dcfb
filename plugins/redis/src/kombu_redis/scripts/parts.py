"""What several scripts are made of."""

from __future__ import annotations

__all__ = (
    "BOOK",
    "COMMON",
    "PROMOTE",
    "QUEUES",
    "RING",
    "STORE",
)

#: Wakes one of those who wait for a queue; a cluster has another one.
RING = """local function ring(bell)
  if call('LLEN', bell) == 0 then
    call('LPUSH', bell, '1')
    call('PEXPIRE', bell, 60000)
  end
end
"""

COMMON = (
    """
local call = redis.call
local function clock()
  local t = call('TIME')
  return tonumber(t[1]) + tonumber(t[2]) / 1000000
end
local function stamp(x) return string.format('%.6f', x) end
"""
    + RING
    + """
local function options(spec)
  if not spec then return nil end
  local first = string.byte(spec, 1)
  if first == 124 or first == 63 or first == 68 then return nil end
  local bar = string.find(spec, '|', 1, true)
  return cjson.decode(string.sub(spec, bar + 1))
end
-- The key that tells which lists may have something, where there is one; else nil.
local INDEX
local function name_of(at) return string.sub(KEYS[at + 1], #INDEX + 2) end
local function mark(at, step, now)
  if INDEX then
    call('ZADD', INDEX, 'NX', tonumber(step) * 10000000000 + now, step .. '.' .. name_of(at))
  end
end
local function unmark(at, S)
  if INDEX then
    local name = name_of(at)
    for s = 0, S do call('ZREM', INDEX, s .. '.' .. name) end
  end
end
-- What is delayed stands in the index as list 0, by the time when the first one is due.
local function mark_later(at, due)
  if INDEX then call('ZADD', INDEX, 'LT', due, '0.' .. name_of(at)) end
end
local function deleted(spec) return spec and string.byte(spec, 1) == 68 end
local function ready(at, S)
  local n = 0
  for s = 1, S do n = n + call('LLEN', KEYS[at + 4 + s]) end
  return n
end
"""
)

# Needs COMMON.  The size of a body is that of the text between its quotes, of which base64 has
# four characters for three bytes.
STORE = """
local function size_of(raw)
  local last = string.find(raw, '"', 11, true)
  if not last then return #raw end
  local text = string.sub(raw, 11, last - 1)
  local _, padding = string.gsub(text, '=', '')
  return math.floor(#text * 3 / 4) - padding
end
local function bytes_of(at, S)
  local n = 0
  for s = 1, S do
    for _, raw in ipairs(call('LRANGE', KEYS[at + 4 + s], 0, -1)) do n = n + size_of(raw) end
  end
  return n
end
local function overflows(at, S, o, raw)
  local more = raw and 1 or 0
  if o.max_length and ready(at, S) + more > o.max_length then return true end
  if o.max_length_bytes then
    return bytes_of(at, S) + (raw and size_of(raw) or 0) > o.max_length_bytes
  end
  return false
end
local function bury(at, o, reason, raw)
  if not o or not o.dead_letters then return 0 end
  call('LPUSH', KEYS[at + 4], reason .. '|' .. raw)
  return 1
end
local function store(at, S, spec, step, raw, now)
  local o = options(spec)
  local died = 0
  if o then
    if o.overflow and overflows(at, S, o, raw) then
      if o.overflow == 'reject-publish-dlx' then died = bury(at, o, 'maxlen', raw) end
      return 1, died
    end
    if o.message_ttl then
      raw = string.sub(raw, 1, -3) .. ', "x-kombu-ttl": ' .. stamp(now + o.message_ttl) .. '}}'
    end
  end
  if call('LPUSH', KEYS[at + 4 + step], raw) == 1 then mark(at, step, now) end
  if o and (o.max_length or o.max_length_bytes) then
    while overflows(at, S, o, nil) do
      for s = 1, S do
        local oldest = call('RPOP', KEYS[at + 4 + s])
        if oldest then
          died = died + bury(at, o, 'maxlen', oldest)
          break
        end
      end
    end
  end
  return 0, died
end
"""

# Needs STORE.  Entries of the delayed: n (new) or r (returned), the list, a bar, the message.
PROMOTE = """
local function promote(at, S, now)
  local later = KEYS[at + 3]
  local first = call('ZRANGE', later, 0, 0, 'WITHSCORES')
  if #first == 0 then return nil end
  if tonumber(first[2]) > now then
    mark_later(at, first[2])
    return tonumber(first[2])
  end
  local spec = call('GET', KEYS[at + 1])
  for _, entry in ipairs(call('ZRANGEBYSCORE', later, '-inf', stamp(now), 'LIMIT', 0, 100)) do
    call('ZREM', later, entry)
    local bar = string.find(entry, '|', 1, true)
    local step, raw = tonumber(string.sub(entry, 2, bar - 1)), string.sub(entry, bar + 1)
    if string.sub(entry, 1, 1) == 'n' then
      local refused = store(at, S, spec, step, raw, now)
      local o = refused == 1 and options(spec)
      if o and o.overflow == 'reject-publish' then bury(at, o, 'maxlen', raw) end
    elseif call('LPUSH', KEYS[at + 4 + step], raw) == 1 then
      mark(at, step, now)
    end
    ring(KEYS[at + 2])
  end
  first = call('ZRANGE', later, 0, 0, 'WITHSCORES')
  if INDEX and first[2] then
    call('ZADD', INDEX, first[2], '0.' .. name_of(at))
  elseif INDEX then
    call('ZREM', INDEX, '0.' .. name_of(at))
  end
  return first[2] and tonumber(first[2])
end
"""

# Needs COMMON.
BOOK = """
local function book(tag, value, untl)
  call('HSET', KEYS[1], tag, value)
  call('ZADD', KEYS[2], untl, tag)
  call('ZADD', KEYS[3], untl, tag)
end
"""


#: What works on the lists of queues.
QUEUES = (COMMON, STORE, PROMOTE)
