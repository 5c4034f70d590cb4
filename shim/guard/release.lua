-- Lets go of places. Whatever stops it half way, doing it again does the rest.
--
-- KEYS: the hash of holders. ARGV: what the keys of the sets begin with, before the scope; then the holders.
-- Returns the scopes in which a place became free.

local freed, had = {}, {}
for place = 2, #ARGV do
  local holder = ARGV[place]
  local scopes = redis.call('HGET', KEYS[1], holder)
  for scope in string.gmatch(scopes or '', '[^\n]+') do
    local key = ARGV[1] .. scope
    if redis.call('TYPE', key).ok == 'zset' and redis.call('ZREM', key, holder) == 1 and not had[scope] then
      freed[#freed + 1], had[scope] = scope, true
    end
  end
  if scopes then
    redis.call('HDEL', KEYS[1], holder)
  end
end
return freed
