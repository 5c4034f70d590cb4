-- Checks claims and pushes messages, many in one call.
--
-- All claims and what guards look at (guard.lua) are read first, every write is decided on in order, and only then something is changed: each queue gets its
-- messages in one push, each hash its claims in one step. A call of a hundred messages costs the server a handful of
-- commands, and as many in its log and on its replicas.
--
-- Lua isolates but does not roll back. Whatever could stop the script half way is therefore met before the first change:
-- keys of a wrong type are asked for, rights are checked on servers that can say (Redis 7, Valkey), and what makes a server
-- refuse writes (OOM, READONLY, NOREPLICAS, MISCONF) it looks at before a script's first write only.
--
-- KEYS: claim hashes, then what guards and records need, then queue lists, each once.
-- ARGV: a plan in JSON, then the payloads of all messages in order. The plan is
--       {tolerance in microseconds, {time to live in seconds of each claim hash, 0: none}, {write, write, ...},
--        {number of a queue key, as text: {milliseconds the queue lives on, number of each key that then expires}},
--        {channel, channel, ...}, {what each key of guards and records is, as guard.lua names it}}, of which the last
--       three may be missing, a write
--       {number of the claim hash or 0: no claim, field, expected value or false: must be absent, value to advance to,
--        earliest server time in microseconds or 0: any, {number of the queue key of each message, or minus that of its
--        channel}, guard or false: none, {record, ...}}, of which the last two may be missing.
-- Returns the server's time in microseconds, then a text with one letter for each write, then what was found, in order, for
-- each letter that says so:
--       w written · a already there · l another value, which follows · m missing · e too early
--       x a key of a wrong type, whose number follows · h held, what the hold says follows
--       t a rate is used up, the instant when it is not any more follows
--       f no place is left, the scope follows and, each on a line, who holds one

local plan = cjson.decode(ARGV[1])
local tolerance, ttls, writes = plan[1], plan[2], plan[3]
local expiries, channels, extra = plan[4] or {}, plan[5] or {}, plan[6] or {}
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])

if redis.acl_check_cmd then
  local expiring = {}
  for _, expiry in pairs(expiries) do
    for place = 2, #expiry do
      expiring[expiry[place]] = true
    end
  end
  for _, channel in ipairs(channels) do
    if not redis.acl_check_cmd('PUBLISH', channel, '') then
      return redis.error_reply('NOPERM this user may not run PUBLISH on a channel of the call')
    end
  end
  for number, key in ipairs(KEYS) do
    local needed
    if expiring[number] then
      needed = { { 'LPUSH', key, '' }, { 'PEXPIRE', key, '1' } }
    elseif number > #ttls + #extra then
      needed = { { 'LPUSH', key, '' } }
    elseif number > #ttls then
      needed = guards.rights(extra[number - #ttls], key)
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
  local wanted = number <= #ttls and 'hash' or extra[number - #ttls] and guards.type(extra[number - #ttls]) or 'list'
  wrong[number] = kind ~= 'none' and kind ~= wanted
end

local fields, held, changed = {}, {}, {}
for _, write in ipairs(writes) do
  local claim, field = write[1], write[2]
  if claim > 0 and not wrong[claim] then
    if not held[claim] then
      fields[claim], held[claim], changed[claim] = {}, {}, {}
    end
    if held[claim][field] == nil then
      held[claim][field] = false
      table.insert(fields[claim], field)
    end
  end
  if write[7] then
    guards.look(write[7], wrong)
  end
end
guards.read(now)
for claim, names in pairs(fields) do
  for place, value in ipairs(redis.call('HMGET', KEYS[claim], unpack(names))) do
    held[claim][names[place]] = value
  end
end

local letters, found_instead = {}, {}
local pushes, published = {}, {}
local payload = 1
for place, write in ipairs(writes) do
  local claim, field, expected, advance, earliest, queues, guard, records = unpack(write)
  local letter, instead = 'w', nil
  if claim > 0 and wrong[claim] then
    letter, instead = 'x', claim
  end
  for _, queue in ipairs(queues) do
    if wrong[queue] then
      letter, instead = 'x', queue
    end
  end
  if records then
    local key = guards.wrong_key(guard, records, wrong)
    if key then
      letter, instead = 'x', key
    end
  end
  if letter == 'w' and claim > 0 then
    local found = held[claim][field]
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
  if letter == 'w' and guard then
    local refused, why = guards.refusal(guard, now)
    if refused then
      letter, instead = refused, why
    end
  end
  if letter == 'w' then
    if records then
      guards.take(guard, records, now)
    end
    for number, queue in ipairs(queues) do
      if queue < 0 then
        published[#published + 1] = { channels[-queue], ARGV[payload + number] }
      else
        pushes[queue] = pushes[queue] or {}
        table.insert(pushes[queue], ARGV[payload + number])
      end
    end
    if claim > 0 then
      held[claim][field] = advance
      changed[claim][field] = advance
    end
  end
  payload = payload + #queues
  letters[place] = letter
  if instead then
    found_instead[#found_instead + 1] = tostring(instead)
  end
end

guards.compose()

for queue, payloads in pairs(pushes) do
  for first = 1, #payloads, 1000 do -- Lua's stack is bounded
    redis.call('LPUSH', KEYS[queue], unpack(payloads, first, math.min(first + 999, #payloads)))
  end
  local expiry = expiries[tostring(queue)]
  if expiry then
    for place = 2, #expiry do
      redis.call('PEXPIRE', KEYS[expiry[place]], expiry[1])
    end
  end
end
for _, message in ipairs(published) do
  redis.call('PUBLISH', message[1], message[2])
end
guards.apply(now)
for claim, values in pairs(changed) do
  local pairs_of = {}
  for field, value in pairs(values) do
    pairs_of[#pairs_of + 1] = field
    pairs_of[#pairs_of + 1] = value
  end
  if #pairs_of > 0 then
    redis.call('HSET', KEYS[claim], unpack(pairs_of))
    if ttls[claim] > 0 then
      redis.call('EXPIRE', KEYS[claim], ttls[claim])
    end
  end
end
return { string.format('%.0f', now), table.concat(letters), unpack(found_instead) }
