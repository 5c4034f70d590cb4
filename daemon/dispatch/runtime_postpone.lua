-- Notes when to look next at added entries, of those that nobody has changed since they were read.
--
-- KEYS: overrides, added, looks.
-- ARGV: for each entry three: id, instant that was read, next instant ('-' never again, 'x' remove the entry).
-- Returns the ids of those that were changed.

local changed = {}
for place = 1, #ARGV, 3 do
  local id, seen, following = ARGV[place], ARGV[place + 1], ARGV[place + 2]
  local found = redis.call('ZSCORE', KEYS[3], id)
  if not found or tonumber(found) ~= tonumber(seen) then
    changed[#changed + 1] = id
  elseif following == '-' then
    redis.call('ZREM', KEYS[3], id)
  elseif following == 'x' then
    redis.call('ZREM', KEYS[3], id)
    redis.call('HDEL', KEYS[2], id)
    redis.call('HDEL', KEYS[1], id)
  else
    redis.call('ZADD', KEYS[3], following, id)
  end
end
return changed
