-- Says whose messages are, and makes those nobody has the asker's, in one step.
--
-- KEYS: one for each message.
-- ARGV: milliseconds each is remembered; then for each key the asker and its answer ('' if not known).
-- Returns for each key "OWNER\nANSWER".

local found = {}
for place, key in ipairs(KEYS) do
  local owner, answer = ARGV[2 * place], ARGV[2 * place + 1]
  local held = redis.call('GET', key)
  if not held or (held == owner .. '\n' and answer ~= '') then
    held = owner .. '\n' .. answer
    redis.call('SET', key, held, 'PX', ARGV[1])
  end
  found[place] = held
end
return found
