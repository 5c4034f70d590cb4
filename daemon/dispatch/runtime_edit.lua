-- Changes texts of one table, notes when to look at added entries, counts the change and announces it, in one step.
--
-- KEYS: overrides, added, looks, horizons of entries, count.
-- ARGV: channel, number of the table's key (1 or 2), then for each change four: id, what must be there ('=' and the text, '-'
--       nothing, '*' anything), what is put there ('=' and the text, '-' takes it away), instant to look (microseconds).
-- Returns the server's time in microseconds, the count, how many heard it, then the ids that stood otherwise.
--
-- All is read and judged before the first change: what could stop the script half way (a wrong type, a missing right) does so then.

local channel, table_key = ARGV[1], tonumber(ARGV[2])
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])

if redis.acl_check_cmd then
  local needed = {
    { 'HSET', KEYS[table_key], '', '' }, { 'HDEL', KEYS[table_key], '' }, { 'ZADD', KEYS[3], '0', '' },
    { 'ZREM', KEYS[3], '' }, { 'HDEL', KEYS[4], '' }, { 'INCR', KEYS[5] }, { 'PUBLISH', channel, '' },
  }
  for _, command in ipairs(needed) do
    if not redis.acl_check_cmd(unpack(command)) then
      return redis.error_reply('NOPERM this user may not run ' .. command[1] .. ' on a key of the call')
    end
  end
end
for number, kind in ipairs({ 'hash', 'hash', 'zset', 'hash', 'string' }) do
  local found = redis.call('TYPE', KEYS[number]).ok
  if found ~= 'none' and found ~= kind then
    return redis.error_reply('WRONGTYPE ' .. KEYS[number] .. ' holds a ' .. found)
  end
end
local before = redis.call('GET', KEYS[5])
if before and not string.match(before, '^%d+$') then
  return redis.error_reply('WRONGTYPE ' .. KEYS[5] .. ' holds no number')
end

local lost, ids, changes = {}, {}, {}
for place = 3, #ARGV, 4 do
  local id, expected = ARGV[place], ARGV[place + 1]
  local found = redis.call('HGET', KEYS[table_key], id)
  local wanted = string.sub(expected, 1, 1)
  if wanted == '*' or (wanted == '-' and not found) or (wanted == '=' and found == string.sub(expected, 2)) then
    ids[#ids + 1] = id
    changes[#changes + 1] = { place, found }
  else
    lost[#lost + 1] = id
  end
end

local heard, count = 0, tonumber(before or '0')
if #changes > 0 then
  count = redis.call('INCR', KEYS[5])
  -- The last digits tell this change from any other shortly before, so that whoever read the one does not take it for the other.
  local mark = count % 1000
  for _, change in ipairs(changes) do
    local place, found = change[1], change[2]
    local id, text, look = ARGV[place], ARGV[place + 2], tonumber(ARGV[place + 3])
    local is_kept = string.sub(text, 1, 1) == '='
    if is_kept then
      redis.call('HSET', KEYS[table_key], id, string.sub(text, 2))
    else
      redis.call('HDEL', KEYS[table_key], id)
    end
    if table_key == 2 then
      if is_kept then
        redis.call('ZADD', KEYS[3], string.format('%.0f', look - look % 1000 - 1000 + mark), id)
      else
        redis.call('ZREM', KEYS[3], id)
        redis.call('HDEL', KEYS[1], id)
      end
      if not (is_kept and found) then
        redis.call('HDEL', KEYS[4], id) -- one that is added anew owes nothing to another of its name
      end
    elseif redis.call('HEXISTS', KEYS[2], id) == 1 then
      redis.call('ZADD', KEYS[3], string.format('%.0f', now - now % 1000 - 1000 + mark), id)
    end
  end
  local name = table_key == 1 and 'overrides' or 'added'
  heard = redis.call('PUBLISH', channel, cjson.encode({ count, name, ids }))
end
return { string.format('%.0f', now), count, heard, unpack(lost) }
