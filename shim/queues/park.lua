-- Sets the messages of a queue aside: its lists get other names, all in one step.
--
-- KEYS: the lists of the queue, then as many names to park them under.
-- ARGV: seconds to keep them; 0 throws them away.
-- Returns the number of messages.

local half = #KEYS / 2
local keep = tonumber(ARGV[1])
for number = 1, half do
  local kind = redis.call('TYPE', KEYS[number]).ok
  if kind ~= 'none' and kind ~= 'list' then
    return redis.error_reply('WRONGTYPE a key of the queue holds something that is not a list')
  end
end
local count = 0
for number = 1, half do
  local length = redis.call('LLEN', KEYS[number])
  if length > 0 then
    count = count + length
    if keep > 0 then
      redis.call('RENAME', KEYS[number], KEYS[half + number])
      redis.call('EXPIRE', KEYS[half + number], keep)
    else
      redis.call('UNLINK', KEYS[number])
    end
  end
end
return count
