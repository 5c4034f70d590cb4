-- Moves messages to another queue. Each is named by its exact bytes: one that a worker has taken meanwhile stays taken.
--
-- KEYS: the list they lie in, the list they go to.
-- ARGV: message as it lies there, message as it is to lie there, and so on; the next to be served first.
-- Returns the number moved.

local kind = redis.call('TYPE', KEYS[2]).ok
if kind ~= 'none' and kind ~= 'list' then
  return redis.error_reply('WRONGTYPE the queue to move to holds something that is not a list')
end
local moved = 0
for place = 1, #ARGV, 2 do
  if redis.call('LREM', KEYS[1], -1, ARGV[place]) == 1 then
    redis.call('LPUSH', KEYS[2], ARGV[place + 1])
    moved = moved + 1
  end
end
return moved
