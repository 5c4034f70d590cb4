-- Gives a task a state of its caller's choice, and tells whoever waits for its result.
--
-- KEYS: the key of the task's result, which is also the channel. ARGV: the result, seconds to keep it (0: for ever).
-- Returns 0 if the task has succeeded, which stands; else 1.

local found = redis.call('GET', KEYS[1])
if found then
  local known, meta = pcall(cjson.decode, found)
  if known and type(meta) == 'table' and meta.status == 'SUCCESS' then
    return 0
  end
end
if tonumber(ARGV[2]) > 0 then
  redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
else
  redis.call('SET', KEYS[1], ARGV[1])
end
redis.call('PUBLISH', KEYS[1], ARGV[1])
return 1
