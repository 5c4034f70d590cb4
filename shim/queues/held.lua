-- Reads where the messages that workers hold would go back to, without reading the messages out.
--
-- KEYS: the hash of unacknowledged messages. ARGV: bytes to give of the end of each value.
-- Each value is [message, exchange, routing key]; its end is enough. Returns the ends.

if redis.call('TYPE', KEYS[1]).ok ~= 'hash' then
  return {}
end
local ends = {}
for place, value in ipairs(redis.call('HVALS', KEYS[1])) do
  ends[place] = string.sub(value, -tonumber(ARGV[1]))
end
return ends
