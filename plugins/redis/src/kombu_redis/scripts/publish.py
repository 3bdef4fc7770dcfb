"""The script that stores messages."""

from __future__ import annotations

__all__ = ("PUT",)

# KEYS: version of the bindings, the exchange's bindings (or the version again), the queue, index.
# ARGV: number of lists, declaration of a new queue; then list, when they are due or '', how many,
# messages, ...
# Returns: the version and the number of bindings or -1, with a colon between them; or, where
# something else is to be told, both, the number of dead letters, and the places of those refused.
PUT = """
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
