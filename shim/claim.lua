-- Checks claims and pushes messages, many in one call.
--
-- Lua isolates but does not roll back, so the order for each write is: check the types of its keys, compare, push, and
-- only then advance the claim. An error in the middle (OOM, READONLY) leaves each earlier write whole and this one and
-- the later ones undone; sending the same call again is safe, because a done write answers "a". A right that is missing
-- would not stop at that order (a message pushed, and no right to advance its claim: pushed again for ever), so rights are
-- checked before anything is done, on servers that can say (Redis 7, Valkey).
--
-- KEYS: claim hashes, then queue lists, each once.
-- ARGV: a plan in JSON, then the payloads of all messages in order. The plan is
--       {tolerance in microseconds, {time to live in seconds of each claim hash, 0: none}, {write, write, ...}}, a write
--       {number of the claim hash or 0: no claim, field, expected value or false: must be absent, value to advance to,
--        earliest server time in microseconds or 0: any, {number of the queue key of each message}}.
-- Returns the server's time in microseconds, then a text with one letter for each write, then what was found, in order, for
-- each letter that says so:
--       w written · a already there · l another value, which follows · m missing · e too early
--       x a key of a wrong type, whose number follows

local plan = cjson.decode(ARGV[1])
local tolerance, ttls, writes = plan[1], plan[2], plan[3]
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])

if redis.acl_check_cmd then
  for number, key in ipairs(KEYS) do
    local needed
    if number > #ttls then
      needed = { { 'LPUSH', key, '' } }
    elseif ttls[number] > 0 then
      needed = { { 'HSET', key, '', '' }, { 'EXPIRE', key, '1' } }
    else
      needed = { { 'HSET', key, '', '' } }
    end
    for _, command in ipairs(needed) do
      if not redis.acl_check_cmd(unpack(command)) then
        return redis.error_reply('NOPERM this user may not run ' .. command[1] .. ' on a key of the call')
      end
    end
  end
end

local wrong = {}
for number, key in ipairs(KEYS) do
  local kind = redis.call('TYPE', key).ok
  wrong[number] = kind ~= 'none' and kind ~= (number <= #ttls and 'hash' or 'list')
end

local letters, found_instead = {}, {}
local touched = {}
local payload = 1
for place, write in ipairs(writes) do
  local claim, field, expected, advance, earliest, queues = unpack(write)
  local letter, instead = 'w', nil
  if claim > 0 and wrong[claim] then
    letter, instead = 'x', claim
  end
  for _, queue in ipairs(queues) do
    if wrong[queue] then
      letter, instead = 'x', queue
    end
  end
  if letter == 'w' and claim > 0 then
    local found = redis.call('HGET', KEYS[claim], field)
    if found == advance then
      letter = 'a'
    elseif found and found ~= expected then
      letter, instead = 'l', found
    elseif not found and expected then
      letter = 'm'
    elseif earliest > now + tolerance then
      letter = 'e'
    end
  end
  if letter == 'w' then
    for number, queue in ipairs(queues) do
      redis.call('LPUSH', KEYS[queue], ARGV[payload + number])
    end
    if claim > 0 then
      redis.call('HSET', KEYS[claim], field, advance)
      touched[claim] = true
    end
  end
  payload = payload + #queues
  letters[place] = letter
  if instead then
    found_instead[#found_instead + 1] = tostring(instead)
  end
end

for claim in pairs(touched) do
  if ttls[claim] > 0 then
    redis.call('EXPIRE', KEYS[claim], ttls[claim])
  end
end
return { string.format('%.0f', now), table.concat(letters), unpack(found_instead) }
