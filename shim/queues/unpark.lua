-- Puts parked messages back in front of their queue, a part at a time, so that the server is not held up.
--
-- KEYS: the parked list, the list of the queue.
-- ARGV: how many messages to move at most.
-- Returns the number moved; less than asked means that nothing is left.
--
-- Workers take from the end of a list, and what was parked is older than what came since: the newest parked message goes to the
-- end first, the oldest comes to lie at the very end.

local parked = redis.call('LRANGE', KEYS[1], 0, tonumber(ARGV[1]) - 1)
if #parked > 0 then
  redis.call('RPUSH', KEYS[2], unpack(parked))
  redis.call('LTRIM', KEYS[1], #parked, -1)
end
return #parked
