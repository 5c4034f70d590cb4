-- Looks at queues, without taking anything, at one instant.
--
-- KEYS: the lists of all queues, then the hash of unacknowledged messages. ARGV: bytes to give of the end of an element.
-- Returns {length and last element of each list (false: none; a list of another type: -1), ..., length of the hash}.

local found = {}
for number = 1, #KEYS - 1 do
  local kind = redis.call('TYPE', KEYS[number]).ok
  if kind == 'list' then
    found[#found + 1] = redis.call('LLEN', KEYS[number])
    found[#found + 1] = string.sub(redis.call('LINDEX', KEYS[number], -1), -tonumber(ARGV[1]))
  else
    found[#found + 1] = kind == 'none' and 0 or -1
    found[#found + 1] = false
  end
end
local held = KEYS[#KEYS]
found[#found + 1] = redis.call('TYPE', held).ok == 'hash' and redis.call('HLEN', held) or 0
return found
