"""The scripts for who consumes many queues: they ask an index which lists may have something.

The index is a sorted set.  A member is the place of a list, a dot and the name of the queue; its
score is the place times 10^10 plus the time of marking, so that the most urgent lists come first,
and of equally urgent ones the one that was served longest ago.  The place 0 stands for what is
delayed, with the time when the first of it is due.

Whatever of ours fills an empty list marks it in the same step; what kombu 5.7 fills is found by
`SURVEY`.  A list that is marked and empty costs a look, and loses its mark then.

These parts follow those of `kombu_redis.scripts`.  Only here names of keys are made by scripts,
from the parts that the client gives: the index holds names, and a cluster has no index.
"""

from __future__ import annotations

__all__ = ("ENLIST", "GATHER", "PRUNE", "SURVEY")

# Puts the keys of a queue behind those that were given; needs: own, prefix, suffixes.
_GROUP = """
local function group(name)
  local at = #KEYS
  KEYS[at + 1] = own .. 'queue.' .. name
  KEYS[at + 2] = own .. 'bell.' .. name
  KEYS[at + 3] = own .. 'later.' .. name
  KEYS[at + 4] = own .. 'dead.' .. name
  for s = 1, S do KEYS[at + 4 + s] = prefix .. name .. suffixes[s] end
  return at
end
"""

# KEYS: names that a consumer wants.  ARGV: milliseconds to remember them, names.
ENLIST = """
for i = 2, #ARGV, 1000 do
  call('SADD', KEYS[1], unpack(ARGV, i, math.min(i + 999, #ARGV)))
end
call('PEXPIRE', KEYS[1], ARGV[1])
return 1
"""

# KEYS: unacked, index of unacked, claims, expiring, index of the ready, names that are wanted.
# ARGV: limit, tags begin with, lease, 1 after a bell, what our keys and all keys begin with,
# milliseconds to remember the names, limit of a queue and 1 to take without claim unless said
# otherwise, number of lists, how many of them to pass over at first, the ends of their names; then
# for queues of which otherwise is said: name, limit, 1 to take without claim.
# Returns: time, next time at which something is due or '', then queue, taken, message, ...; or '?'
# where the names are forgotten.
GATHER = (
    """
-- Put off in good time only: each time is a write.
local remembered = call('PTTL', KEYS[6])
if remembered == -2 then return '?' end
if remembered < ARGV[7] / 2 then call('PEXPIRE', KEYS[6], ARGV[7]) end
INDEX = KEYS[5]
local WANTED = KEYS[6]
local max, pre, lease, fb = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3]), ARGV[4]
local own, prefix = ARGV[5], ARGV[6]
local S, suffixes = tonumber(ARGV[10]), {}
for s = 1, S do suffixes[s] = ARGV[11 + s] end
"""
    + _GROUP
    + """
local most, taking = tonumber(ARGV[8]), {}
local left = {}
for i = 12 + S, #ARGV, 3 do
  left[ARGV[i]] = tonumber(ARGV[i + 1])
  taking[ARGV[i]] = ARGV[i + 2]
end
local FIRST = 10000000000
local now = clock()
local untl = stamp(now + lease)
local out, n = {stamp(now), ''}, 0
local emptied, served, bells, ats = {}, {}, {}, {}
local function at_of(name)
  local at = ats[name]
  if not at then
    at = group(name)
    ats[name] = at
  end
  return at
end
local function parts(member)
  local dot = string.find(member, '.', 1, true)
  return tonumber(string.sub(member, 1, dot - 1)), string.sub(member, dot + 1)
end

-- What is due is promoted, whoever wants it.
for _, member in ipairs(call('ZRANGEBYSCORE', INDEX, '-inf', stamp(now), 'LIMIT', 0, 100)) do
  local _, name = parts(member)
  if not promote(at_of(name), S, now) then call('ZREM', INDEX, member) end
end

local function visit(s, name, member)
  local room = left[name] or most
  if room <= 0 then return end
  local at = at_of(name)
  if n >= max then
    bells[#bells + 1] = at
    return
  end
  local key = KEYS[at + 4 + s]
  local asked = math.min(room, max - n)
  local got = call('RPOP', key, asked)
  if got then
    local spec = call('GET', KEYS[at + 1])
    if not spec or deleted(spec) then
      spec = '?|{}'
      call('SET', KEYS[at + 1], spec)
    end
    local take = (taking[name] or ARGV[9]) == '1' and not options(spec)
    local ending = ', "", ' .. cjson.encode(name) .. ']'
    for i = 1, #got do
      n = n + 1
      if not take then book(pre .. string.format('%06x', n), '[' .. got[i] .. ending, untl) end
      out[3 * n] = name
      out[3 * n + 1] = take and 1 or 0
      out[3 * n + 2] = got[i]
    end
    left[name] = room - #got
  end
  if not got or #got < asked or call('EXISTS', key) == 0 then
    emptied[#emptied + 1] = member
    -- What was rung for is taken.
    if got and ready(at, S) == 0 then call('DEL', KEYS[at + 2]) end
  else
    served[#served + 1] = stamp(s * FIRST + now)
    served[#served + 1] = member
    bells[#bells + 1] = at
  end
end

-- In slices, in their order.  Where most of what is ready is wanted by others, look by name.
local begin = tonumber(ARGV[11])
local function serve(low, high)
  local start, size = 0, 32
  while true do
    local members = call('ZRANGEBYSCORE', INDEX, low, high, 'LIMIT', start, size)
    if #members > 0 then
      local places, names = {}, {}
      for i = 1, #members do places[i], names[i] = parts(members[i]) end
      local wanted = call('SMISMEMBER', WANTED, unpack(names))
      for i = 1, #members do
        if wanted[i] == 1 then visit(places[i], names[i], members[i]) end
      end
    end
    if #members < size or n >= max then break end
    start = start + size
    if start >= 512 then
      local all = call('SMEMBERS', WANTED)
      for k = 0, S - 1 do
        local s, found = (begin + k) % S + 1, {}
        for i = 1, #all, 1000 do
          local last = math.min(i + 999, #all)
          local slice = {}
          for j = i, last do slice[#slice + 1] = s .. '.' .. all[j] end
          for j, score in ipairs(call('ZMSCORE', INDEX, unpack(slice))) do
            if score then found[#found + 1] = {tonumber(score), all[i + j - 1]} end
          end
        end
        table.sort(found, function(a, b) return a[1] < b[1] end)
        for _, one in ipairs(found) do
          if n >= max then break end
          visit(s, one[2], s .. '.' .. one[2])
        end
      end
      break
    end
  end
end
serve((begin + 1) * FIRST, '+inf')
if begin > 0 and n < max then serve(FIRST, '(' .. (begin + 1) * FIRST) end
for i = 1, #emptied, 1000 do
  call('ZREM', INDEX, unpack(emptied, i, math.min(i + 999, #emptied)))
end
for i = 1, #served, 1000 do
  call('ZADD', INDEX, 'XX', unpack(served, i, math.min(i + 999, #served)))
end
if fb == '1' then
  for _, at in ipairs(bells) do ring(KEYS[at + 2]) end
end
local later = call('ZRANGEBYSCORE', INDEX, '-inf', '(' .. FIRST, 'LIMIT', 0, 1, 'WITHSCORES')
if later[2] then out[2] = later[2] end
return out
"""
)

# KEYS: expiring, index of the ready, queues.  ARGV: number of lists, names of the queues.
# Returns: how many bells it rang, how many lists it marked, when it has to be asked again or ''.
SURVEY = """
local S, now = tonumber(ARGV[1]), clock()
INDEX = KEYS[2]
local rang, marked, due = 0, 0, nil
for q = 2, #ARGV do
  local at = 2 + (q - 2) * (S + 4)
  promote(at, S, now)
  local spec = call('GET', KEYS[at + 1])
  if spec and string.byte(spec, 1) == 101 then
    local o = options(spec)
    call('ZADD', KEYS[1], stamp(now + o.expires), ARGV[q])
    if not due or o.expires / 3 < due then due = o.expires / 3 end
  end
  local some = false
  for s = 1, S do
    if call('EXISTS', KEYS[at + 4 + s]) == 1 then
      some = true
      local score = stamp(s * 10000000000 + now)
      marked = marked + call('ZADD', INDEX, 'NX', score, s .. '.' .. ARGV[q])
    end
  end
  if some and call('EXISTS', KEYS[at + 2]) == 0 then
    rang = rang + 1
    ring(KEYS[at + 2])
  end
end
return {rang, marked, due and stamp(due) or ''}
"""

# KEYS: index of the ready.  ARGV: what our keys and all keys begin with, how many to look at,
# number of lists, the ends of their names.  Returns how many marks were of empty lists.
PRUNE = (
    """
INDEX = KEYS[1]
local own, prefix, S, suffixes = ARGV[1], ARGV[2], tonumber(ARGV[4]), {}
for s = 1, S do suffixes[s] = ARGV[4 + s] end
"""
    + _GROUP
    + """
local stale = {}
for _, member in ipairs(call('ZRANDMEMBER', INDEX, ARGV[3])) do
  local dot = string.find(member, '.', 1, true)
  local s, at = tonumber(string.sub(member, 1, dot - 1)), group(string.sub(member, dot + 1))
  local key = s == 0 and KEYS[at + 3] or KEYS[at + 4 + s]
  if not key or call('EXISTS', key) == 0 then stale[#stale + 1] = member end
end
if #stale > 0 then call('ZREM', INDEX, unpack(stale)) end
return #stale
"""
)
