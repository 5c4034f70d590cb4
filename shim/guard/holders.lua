-- Lists who holds places.
--
-- KEYS: the hash of holders.
-- ARGV: what the keys of the sets begin with, before the scope; where to go on, 0 at first; how many to look at.
-- Returns where to go on, 0 at the end; then for each holder its name, its scopes, one each line, and the server time in
-- microseconds when the last of its places is let go by itself, 0 if it has none any more.

local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local found = redis.call('HSCAN', KEYS[1], ARGV[2], 'COUNT', ARGV[3])
local answer = { found[1] }
for place = 1, #found[2], 2 do
  local last = 0
  for scope in string.gmatch(found[2][place + 1], '[^\n]+') do
    local key = ARGV[1] .. scope
    if redis.call('TYPE', key).ok == 'zset' then
      last = math.max(last, tonumber(redis.call('ZSCORE', key, found[2][place]) or '0'))
    end
  end
  answer[#answer + 1] = found[2][place]
  answer[#answer + 1] = found[2][place + 1]
  answer[#answer + 1] = last > now and string.format('%.0f', math.min(last, 2 ^ 53)) or '0'
end
return answer
