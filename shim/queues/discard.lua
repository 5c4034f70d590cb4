-- Throws away what was parked under a token.
--
-- KEYS: the parked lists, then the hash that tells what is parked. ARGV: the token.
-- Returns the number of messages.

local count = 0
for number = 1, #KEYS - 1 do
  if redis.call('TYPE', KEYS[number]).ok == 'list' then
    count = count + redis.call('LLEN', KEYS[number])
    redis.call('UNLINK', KEYS[number])
  end
end
redis.call('HDEL', KEYS[#KEYS], ARGV[1])
return count
