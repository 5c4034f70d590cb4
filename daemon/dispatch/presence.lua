-- Leaves a daemon's sign of life, unless there is none to leave, and reads those of all.
--
-- KEYS: the hash. ARGV: the daemon, its facts as JSON or an empty text, microseconds after which a sign is thrown away.
-- A value is the instant on the server's clock in microseconds, a space, and the facts.
-- Returns the server's time in microseconds, then names and values by turns.

local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
if ARGV[2] ~= '' then
  redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f %s', now, ARGV[2]))
end
local all = redis.call('HGETALL', KEYS[1])
local found = { string.format('%.0f', now) }
for place = 1, #all, 2 do
  local seen = tonumber(string.match(all[place + 1], '^%d+') or '0')
  if now - seen > tonumber(ARGV[3]) then
    redis.call('HDEL', KEYS[1], all[place])
  else
    found[#found + 1] = all[place]
    found[#found + 1] = string.format('%.0f', seen)
  end
end
return found
