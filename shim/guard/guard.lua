-- What guards look at: places, rates and the hold. Comes before claim.lua, which calls it in this order: look (for each
-- guard), read, refusal and take (for each write), compose (before the first change), apply.
--
-- A guard is {holder, number of the hash of holders or 0, number of the hold or 0,
--             {{number of the set, scope, limit, microseconds until stale, {holder whose place is taken away, ...}}, ...},
--             {{number of the rate, microseconds that one uses up, microseconds it may run ahead}, ...}},
-- a record {number of the stream, entries kept, text}. Instants are microseconds of the server's clock.

local THOUSAND = 1000 -- Lua's stack is bounded
local TOLD = 100
local HOLD_BYTES = 4096
local KEPT_MS = 86400000 -- how long a set outlives its last place, for whoever looks then what went stale

local kinds = {
  running = { 'hash', { 'HMGET', '' }, { 'HSET', '', '' }, { 'HDEL', '' } },
  hold = { 'string', { 'GET' } },
  slots = {
    'zset',
    { 'ZRANGEBYSCORE', '0', '0' },
    { 'ZCOUNT', '0', '0' },
    { 'ZMSCORE', '' },
    { 'ZRANGE', '-1', '-1' },
    { 'ZADD', '0', '' },
    { 'ZREM', '' },
    { 'PEXPIRE', '1' },
  },
  rate = { 'string', { 'GET' }, { 'SET', '' } },
  records = { 'stream', { 'XADD', '*', '', '' } },
}

local guards = { holds = {}, scopes = {}, rates = {}, moves = {}, records = {} }

local function whole(number)
  return string.format('%.0f', number)
end

local function in_pieces(list, each, write)
  for first = 1, #list, THOUSAND * each do
    write(unpack(list, first, math.min(first + THOUSAND * each - 1, #list)))
  end
end

function guards.type(kind)
  return kinds[kind][1]
end

-- Gives the commands that may be run on a key, as the server is asked whether they are allowed.
function guards.rights(kind, key)
  local needed = {}
  for place = 2, #kinds[kind] do
    local command = { unpack(kinds[kind][place]) }
    table.insert(command, 2, key)
    needed[#needed + 1] = command
  end
  return needed
end

-- Gives the number of a key that holds something else than it should, if there is one.
function guards.wrong_key(guard, records, wrong)
  if guard then
    local _, running, hold, slots, rates = unpack(guard)
    for _, list in ipairs({ { { running }, { hold } }, slots, rates }) do
      for _, part in ipairs(list) do
        if wrong[part[1]] then
          return part[1]
        end
      end
    end
  end
  for _, record in ipairs(records) do
    if wrong[record[1]] then
      return record[1]
    end
  end
end

-- Notes that a holder has a place in a scope from now on, or has none any more.
function guards.move(running, holder, scope, has)
  guards.moves[running] = guards.moves[running] or {}
  local moved = guards.moves[running][holder] or { scopes = {}, has = {} }
  guards.moves[running][holder] = moved
  if moved.has[scope] == nil then
    moved.scopes[#moved.scopes + 1] = scope
  end
  moved.has[scope] = has
end

function guards.put(scope, holder, score)
  if not scope.members[holder] then
    scope.order[#scope.order + 1] = holder
    scope.live = scope.live + 1
  end
  scope.members[holder] = score
  scope.told = nil
end

-- Notes whom to ask for in a scope.
local function ask(scope, holder)
  if not scope.asked[holder] then
    scope.asked[holder] = true
    scope.names[#scope.names + 1] = holder
  end
end

function guards.look(guard, wrong)
  local holder, running, hold, slots, rates = unpack(guard)
  if hold > 0 and not wrong[hold] and guards.holds[hold] == nil then
    guards.holds[hold] = redis.call('GET', KEYS[hold])
  end
  for _, slot in ipairs(slots) do
    local number, name, _, _, evict = unpack(slot)
    if not wrong[number] and not wrong[running] then
      local scope = guards.scopes[number]
        or { name = name, running = running, asked = {}, names = {}, before = {}, members = {}, order = {} }
      guards.scopes[number] = scope
      ask(scope, holder)
      for _, evicted in ipairs(evict) do
        ask(scope, evicted)
      end
    end
  end
  for _, rate in ipairs(rates) do
    local number = rate[1]
    if not wrong[number] and not guards.rates[number] then
      local used = tonumber(redis.call('GET', KEYS[number]) or '0')
      if not used or used ~= used then -- anyone may have written there
        used = 0
      end
      guards.rates[number] = { used = used }
    end
  end
end

-- Reads of each scope that was noted how many have a place, who of those asked for, and whose place is stale.
function guards.read(now)
  for number, scope in pairs(guards.scopes) do
    local key = KEYS[number]
    scope.live = redis.call('ZCOUNT', key, '(' .. whole(now), '+inf')
    for _, holder in ipairs(redis.call('ZRANGEBYSCORE', key, '-inf', whole(now), 'LIMIT', 0, THOUSAND)) do
      scope.before[holder] = 0
      guards.move(scope.running, holder, scope.name, false)
    end
    local place = 0
    in_pieces(scope.names, 1, function(...)
      for _, found in ipairs(redis.call('ZMSCORE', key, ...)) do
        place = place + 1
        local score = tonumber(found or '')
        if score then
          scope.before[scope.names[place]] = score
          scope.members[scope.names[place]] = score > now and score or nil
        end
      end
    end)
  end
end

-- Lists a scope and who has a place in it, the oldest first; names that are bounded.
local function full(number, now)
  local scope = guards.scopes[number]
  if not scope.told then
    local lines, had = { scope.name }, {}
    local function tell(holder)
      if #lines <= TOLD and not had[holder] then
        lines[#lines + 1], had[holder] = holder, true
      end
    end
    local most = TOLD + #scope.names
    for _, holder in ipairs(redis.call('ZRANGEBYSCORE', KEYS[number], '(' .. whole(now), '+inf', 'LIMIT', 0, most)) do
      if scope.members[holder] or not scope.before[holder] then -- else it was evicted by an earlier write
        tell(holder)
      end
    end
    for _, holder in ipairs(scope.order) do
      if scope.members[holder] then
        tell(holder)
      end
    end
    scope.told = table.concat(lines, '\n')
  end
  return scope.told
end

-- Says why a write may not be done: a letter of the answer and what was found; nothing if it may.
function guards.refusal(guard, now)
  local holder, _, hold, slots, rates = unpack(guard)
  if hold > 0 and guards.holds[hold] then
    return 'h', string.sub(guards.holds[hold], 1, HOLD_BYTES)
  end
  for _, rate in ipairs(rates) do
    local number, interval, slack = unpack(rate)
    local found = guards.rates[number]
    if found.used > now + slack + interval then -- the clock went back, or the rate was another one
      found.used, found.is_changed = now + slack + interval, true
    end
    if found.used - slack > now then
      return 't', whole(found.used - slack)
    end
  end
  for _, slot in ipairs(slots) do
    local number, _, limit, _, evict = unpack(slot)
    local scope = guards.scopes[number]
    if not scope.members[holder] then
      local others = scope.live
      for _, evicted in ipairs(evict) do
        others = scope.members[evicted] and others - 1 or others
      end
      if others >= limit then
        return 'f', full(number, now)
      end
    end
  end
end

local function take_places(guard, now)
  local holder, running, _, slots, rates = unpack(guard)
  for _, rate in ipairs(rates) do
    local found = guards.rates[rate[1]]
    found.used, found.is_changed = math.max(math.floor(found.used), now) + rate[2], true
  end
  for _, slot in ipairs(slots) do
    local number, name, _, stale, evict = unpack(slot)
    local scope = guards.scopes[number]
    for _, evicted in ipairs(evict) do
      if scope.members[evicted] then
        scope.members[evicted], scope.told = nil, nil
        scope.live = scope.live - 1
        guards.move(running, evicted, name, false)
      end
    end
    guards.put(scope, holder, now + stale)
    guards.move(running, holder, name, true)
  end
end

function guards.take(guard, records, now)
  if guard then
    take_places(guard, now)
  end
  for _, record in ipairs(records) do
    guards.records[#guards.records + 1] = record
  end
end

local function lines_after(before, moved)
  local lines, had = {}, {}
  for line in string.gmatch(before or '', '[^\n]+') do
    if moved.has[line] ~= false and not had[line] then
      lines[#lines + 1], had[line] = line, true
    end
  end
  for _, scope in ipairs(moved.scopes) do
    if moved.has[scope] and not had[scope] then
      lines[#lines + 1] = scope
    end
  end
  return table.concat(lines, '\n')
end

-- Reads what holders hold now and composes what they hold afterwards.
function guards.compose()
  for running, moved in pairs(guards.moves) do
    local holders = {}
    for holder in pairs(moved) do
      holders[#holders + 1] = holder
    end
    local gone, kept = {}, {}
    in_pieces(holders, 1, function(...)
      local some = { ... }
      for place, before in ipairs(redis.call('HMGET', KEYS[running], ...)) do
        local after = lines_after(before, moved[some[place]])
        if after == '' then
          gone[#gone + 1] = before and some[place] or nil
        elseif after ~= before then
          kept[#kept + 1] = some[place]
          kept[#kept + 1] = after
        end
      end
    end)
    guards.moves[running] = { gone = gone, kept = kept }
  end
end

local function apply_scope(key, scope, now)
  local gone, kept = {}, {}
  for holder in pairs(scope.before) do
    if not scope.members[holder] then
      gone[#gone + 1] = holder
    end
  end
  for holder, score in pairs(scope.members) do
    if scope.before[holder] ~= score then
      kept[#kept + 1] = whole(score)
      kept[#kept + 1] = holder
    end
  end
  in_pieces(gone, 1, function(...)
    redis.call('ZREM', key, ...)
  end)
  if #kept > 0 then
    in_pieces(kept, 2, function(...)
      redis.call('ZADD', key, ...)
    end)
    local last = tonumber(redis.call('ZRANGE', key, -1, -1, 'WITHSCORES')[2])
    redis.call('PEXPIRE', key, whole(math.min(math.ceil((last - now) / 1000) + KEPT_MS, 2 ^ 43)))
  end
end

function guards.apply(now)
  for number, scope in pairs(guards.scopes) do
    apply_scope(KEYS[number], scope, now)
  end
  for running, after in pairs(guards.moves) do
    in_pieces(after.gone, 1, function(...)
      redis.call('HDEL', KEYS[running], ...)
    end)
    in_pieces(after.kept, 2, function(...)
      redis.call('HSET', KEYS[running], ...)
    end)
  end
  for number, rate in pairs(guards.rates) do
    if rate.is_changed then
      redis.call('SET', KEYS[number], whole(rate.used), 'PX', whole(math.ceil((rate.used - now) / 1000)))
    end
  end
  for _, record in ipairs(guards.records) do
    -- A stream whose ids are used up refuses; nothing that was pushed may depend on it.
    redis.pcall('XADD', KEYS[record[1]], 'MAXLEN', '~', whole(record[2]), '*', 'record', record[3])
  end
end

