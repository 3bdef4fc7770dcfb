"""What the server does in one step, in Lua.

Every script is given its keys, none makes a name of its own.  A queue comes as a group of keys
(`kombu_redis.keys.Keys.queue`): its declaration, its bell, its delayed messages, its dead letters,
and its lists, the most urgent first; ``at`` is the place before the first of them.

A declaration is text, flags before a ``|`` and the options as JSON behind it.  It begins with ``|``
where there are no options, with ``?`` where nobody declared the queue, and with ``D`` where the
queue was deleted, which is remembered for a while so that what was held then does not bring it
back.  Messages are opaque, but for their end: ours end with ``}}``, before which a queue's time to
live is written.
"""

from __future__ import annotations

from hashlib import sha1

from .index_scripts import ENLIST, GATHER, PRUNE, SURVEY

__all__ = ("PARTS", "RING", "SCRIPTS", "Script")


class Script:
    """A script, and the name that the server has for it."""

    __slots__ = ("sha", "text")

    def __init__(self, *parts: str) -> None:
        self.text = "".join(parts)
        self.sha = sha1(self.text.encode(), usedforsecurity=False).hexdigest()


#: Wakes one of those who wait for a queue; a cluster has another one.
RING = """local function ring(bell)
  if call('LLEN', bell) == 0 then
    call('LPUSH', bell, '1')
    call('PEXPIRE', bell, 60000)
  end
end
"""

_COMMON = (
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

# Needs _COMMON.  The size of a body is that of the text between its quotes, of which base64 has
# four characters for three bytes.
_STORE = """
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

# Needs _STORE.  Entries of the delayed: n (new) or r (returned), the list, a bar, the message.
_PROMOTE = """
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

# Needs _COMMON.
_BOOK = """
local function book(tag, value, untl)
  call('HSET', KEYS[1], tag, value)
  call('ZADD', KEYS[2], untl, tag)
  call('ZADD', KEYS[3], untl, tag)
end
"""

# KEYS: version of the bindings, the exchange's bindings (or the version again), the queue, index.
# ARGV: number of lists, declaration of a new queue; then list, when they are due or '', how many,
# messages, ...
# Returns: the version and the number of bindings or -1, with a colon between them; or, where
# something else is to be told, both, the number of dead letters, and the places of those refused.
_PUT = """
local S, at = tonumber(ARGV[1]), 2
INDEX = KEYS[at + S + 5]
local spec = call('GET', KEYS[at + 1])
if not spec or deleted(spec) then
  call('SET', KEYS[at + 1], ARGV[2])
  spec = ARGV[2]
end
local plain = not options(spec)
-- Asked for where it is needed only.
local now = plain and 0 or clock()
local refused, died = {}, 0
local i, place = 3, 0
while i < #ARGV do
  local step, due, last = tonumber(ARGV[i]), ARGV[i + 1], i + 2 + tonumber(ARGV[i + 2])
  if now == 0 and due ~= '' then now = clock() end
  if due ~= '' and tonumber(due) > now then
    for m = i + 3, last do
      call('ZADD', KEYS[at + 3], due, 'n' .. step .. '|' .. ARGV[m])
    end
    mark_later(at, due)
  elseif plain then
    local n = call('LPUSH', KEYS[at + 4 + step], unpack(ARGV, i + 3, last))
    if n == last - i - 2 then mark(at, step, now == 0 and clock() or now) end
  else
    for m = i + 3, last do
      local no, dead = store(at, S, spec, step, ARGV[m], now)
      if no == 1 then refused[#refused + 1] = place + m - i - 3 end
      died = died + dead
    end
  end
  place = place + last - i - 2
  i = last + 1
end
ring(KEYS[at + 2])
local version = call('GET', KEYS[1]) or '0'
local bindings = -1
if KEYS[2] ~= KEYS[1] then bindings = call('SCARD', KEYS[2]) end
if died == 0 and #refused == 0 then
  return redis.status_reply(version .. ':' .. bindings)
end
return {version, bindings, died, unpack(refused)}
"""

# KEYS: unacked, index, claims, expiring, queues, index of the ready.
# ARGV: limit, tags begin with, lease, 1 after a bell, number of queues and of lists, who is first
# (and so many times the number of queues more, as lists are passed over at first); then for each
# queue its name, the end of its entry in unacked, its limit, 1 to take without claim.
# Returns: time, next time at which something is due or '', then queue, taken, message, ...
_FETCH = """
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
_ACK = """
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
_RELEASE = """
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

# KEYS: expiring.  ARGV: until when, the name of a queue that is used until then.
_KEEP = "return redis.call('ZADD', KEYS[1], 'XX', ARGV[1], ARGV[2])"

# KEYS: unacked, index, claims.  ARGV: seconds, tags.  Returns: until when, places of the lost.
_RENEW = """
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
_SWEEP = """
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
_ABANDONED = """
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

# KEYS: unacked, index, claims, expiring, queues, index of the ready.
# ARGV: limit, tags begin with, lease, number of queues and of lists, then the ends of the entries.
# Returns: time, when something is due or '', then queue, tag, reason, message, ...
_UPKEEP = """
local max, pre, lease = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
local nq, S = tonumber(ARGV[4]), tonumber(ARGV[5])
INDEX = KEYS[5 + nq * (S + 4)]
local now = clock()
local untl = stamp(now + lease)
local due, n = nil, 0
local out = {stamp(now), ''}
local function sooner(d) if d and (not due or d < due) then due = d end end
local function expiry(raw)
  local fine, message = pcall(cjson.decode, raw)
  if not fine or type(message) ~= 'table' or type(message.properties) ~= 'table' then return nil end
  local ends = message.properties['x-kombu-ttl']
  local ours = message.properties['x-kombu']
  local own = type(ours) == 'table' and ours.expires_at
  if own and (not ends or own < ends) then ends = own end
  return ends
end
for q = 0, nq - 1 do
  local at = 4 + q * (S + 4)
  sooner(promote(at, S, now))
  local spec = call('GET', KEYS[at + 1])
  local o = options(spec)
  if o and (o.message_ttl or o.dead_letters) then
    for s = 1, S do
      local key = KEYS[at + 4 + s]
      for _ = 1, 100 do
        local head = call('LINDEX', key, -1)
        local ends = head and expiry(head)
        if not ends then break end
        if ends > now then
          sooner(ends)
          break
        end
        call('RPOP', key)
        bury(at, o, 'expired', head)
      end
    end
  end
  while n < max do
    local entry = call('RPOP', KEYS[at + 4])
    if not entry then break end
    n = n + 1
    local bar = string.find(entry, '|', 1, true)
    local reason, raw = string.sub(entry, 1, bar - 1), string.sub(entry, bar + 1)
    local tag = pre .. string.format('%06x', n) .. '!' .. reason
    book(tag, '[' .. raw .. ARGV[6 + q], untl)
    out[4 * n - 1] = q
    out[4 * n] = tag
    out[4 * n + 1] = reason
    out[4 * n + 2] = raw
  end
end
if due then out[2] = stamp(due) end
return out
"""

# KEYS: expiring, queue, index of the ready.
# ARGV: number of lists, name, declaration, seconds that it lives unused.
# Returns: what stands, number of ready messages, 1 if the queue has expired and is to be deleted.
_DECLARE = """
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
_FIND = """
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
_PURGE = """
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
_DELETE = """
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

# KEYS: version, three sets of the exchange's bindings, exchanges of the queue.
# ARGV: 1 if 5.7 can read it, member, exchange.  Returns the version.
_BIND = """
local added
if ARGV[1] == '1' then
  added = redis.call('SADD', KEYS[2], ARGV[2])
  redis.call('SADD', KEYS[3], ARGV[2])
else
  added = redis.call('SADD', KEYS[4], ARGV[2])
end
redis.call('SADD', KEYS[5], ARGV[3])
if added == 1 then redis.call('INCR', KEYS[1]) end
return redis.call('GET', KEYS[1]) or '0'
"""

# KEYS: version, three sets of the exchange's bindings.
# ARGV: separator, queue or exchange bound, its key or '' for all (then 1), member among ours.
# Returns the version.
_UNBIND = """
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
_LOAD = """
local theirs = redis.call('SMEMBERS', KEYS[2])
return {redis.call('GET', KEYS[1]) or '0', #theirs, theirs, redis.call('SMEMBERS', KEYS[4])}
"""

_QUEUES = (_COMMON, _STORE, _PROMOTE)
#: What other scripts are made of, too.
PARTS = (*_QUEUES, _BOOK)


class SCRIPTS:
    """All scripts."""

    put = Script(_COMMON, _STORE, _PUT)
    fetch = Script(*_QUEUES, _BOOK, _FETCH)
    ack = Script(_ACK)
    release = Script(_COMMON, _STORE, _RELEASE)
    renew = Script(_COMMON, _RENEW)
    keep = Script(_KEEP)
    sweep = Script(_COMMON, _SWEEP)
    abandoned = Script(_COMMON, _ABANDONED)
    upkeep = Script(*_QUEUES, _BOOK, _UPKEEP)
    declare = Script(*_QUEUES, _DECLARE)
    find = Script(*_QUEUES, _FIND)
    purge = Script(_COMMON, _PURGE)
    delete = Script(_COMMON, _DELETE)
    bind = Script(_BIND)
    unbind = Script(_UNBIND)
    load = Script(_LOAD)
    enlist = Script(_COMMON, ENLIST)
    gather = Script(*_QUEUES, _BOOK, GATHER)
    survey = Script(*_QUEUES, SURVEY)
    prune = Script(_COMMON, PRUNE)
