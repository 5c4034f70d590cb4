-- Sets the messages of a queue aside: its lists get other names, all in one step.
--
-- KEYS: the lists of the queue, as many names to park them under, then the hash that tells what is parked.
-- ARGV: seconds to keep them (0 throws them away), the token, the name of the queue.
-- Returns the number of messages.
--
-- The hash holds for each token: itself, queue, number of messages, when (seconds), kept until (JSON). What is over is left out.

local half = (#KEYS - 1) / 2
local index = KEYS[#KEYS]
local keep = tonumber(ARGV[1])
for number = 1, half do
  local kind = redis.call('TYPE', KEYS[number]).ok
  if kind ~= 'none' and kind ~= 'list' then
    return redis.error_reply('WRONGTYPE a key of the queue holds something that is not a list')
  end
end
local kind = redis.call('TYPE', index).ok
if keep > 0 and kind ~= 'none' and kind ~= 'hash' then
  return redis.error_reply('WRONGTYPE the key that tells what is parked holds something that is not a hash')
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
if keep > 0 and count > 0 then
  local now = tonumber(redis.call('TIME')[1])
  for _, told in ipairs(redis.call('HVALS', index)) do
    local known, row = pcall(cjson.decode, told)
    if known and type(row) == 'table' and type(row.token) == 'string' and (tonumber(row['until']) or 0) <= now then
      redis.call('HDEL', index, row.token)
    end
  end
  local row = {token = ARGV[2], queue = ARGV[3], count = count, at = now, ['until'] = now + keep}
  redis.call('HSET', index, ARGV[2], cjson.encode(row))
  redis.call('EXPIRE', index, keep)
end
return count
