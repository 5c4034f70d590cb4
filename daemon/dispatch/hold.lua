-- Holds all schedules, or lets them go on; counts the change and announces it, in one step.
--
-- KEYS: hold, count.
-- ARGV: channel, why ('' lets them go on), milliseconds until they go on by themselves (0: never).

local channel, why, milliseconds = ARGV[1], ARGV[2], ARGV[3]
if redis.acl_check_cmd then
  for _, command in ipairs({
    { 'SET', KEYS[1], '' }, { 'DEL', KEYS[1] }, { 'INCR', KEYS[2] }, { 'PUBLISH', channel, '' },
  }) do
    if not redis.acl_check_cmd(unpack(command)) then
      return redis.error_reply('NOPERM this user may not run ' .. command[1] .. ' on a key of the call')
    end
  end
end
local before = redis.call('TYPE', KEYS[2]).ok
if before ~= 'none' and (before ~= 'string' or not string.match(redis.call('GET', KEYS[2]), '^%d+$')) then
  return redis.error_reply('WRONGTYPE ' .. KEYS[2] .. ' holds no number')
end
if why == '' then
  redis.call('DEL', KEYS[1])
elseif milliseconds == '0' then
  redis.call('SET', KEYS[1], why)
else
  redis.call('SET', KEYS[1], why, 'PX', milliseconds)
end
local count = redis.call('INCR', KEYS[2])
return redis.call('PUBLISH', channel, '[' .. count .. ',"overrides",[]]')
