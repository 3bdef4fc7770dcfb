"""The script for what becomes due: delayed messages, times to live, dead letters."""

from __future__ import annotations

__all__ = ("UPKEEP",)

# KEYS: unacked, index, claims, expiring, queues, index of the ready.
# ARGV: limit, tags begin with, lease, number of queues and of lists, then the ends of the entries.
# Returns: time, when something is due or '', then queue, tag, reason, message, ...
UPKEEP = """
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
