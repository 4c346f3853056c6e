/** Who makes pictures, and where they lie, in Redis; `scripts.ts` has what these begin with. */
export const ROSTER_SCRIPTS = {
  /** A worker says that it is there; the clock is the broker's. What was not seen for long is forgotten. -> the queue's store: with another one it is not there. */
  announce: `
local store = storeOf(ARGV[4])
if store ~= ARGV[4] then
  redis.call('HDEL', P .. ':workers', ARGV[1])
  redis.call('ZREM', P .. ':seen', ARGV[1])
  return store
end
local now = tonumber(redis.call('TIME')[1])
redis.call('HSET', P .. ':workers', ARGV[1], ARGV[2])
redis.call('ZADD', P .. ':seen', now, ARGV[1])
for _, old in ipairs(redis.call('ZRANGEBYSCORE', P .. ':seen', '-inf', now - tonumber(ARGV[3]), 'LIMIT', 0, 100)) do
  redis.call('ZREM', P .. ':seen', old)
  redis.call('HDEL', P .. ':workers', old)
end
return store`,

  /** -> the store of the queue; then [description, seconds since it was seen, …] of every worker. */
  roster: `
local now, all = tonumber(redis.call('TIME')[1]), { storeOf(ARGV[1]) }
local seen = redis.call('ZRANGE', P .. ':seen', 0, -1, 'WITHSCORES')
for i = 1, #seen, 2 do
  all[#all + 1] = redis.call('HGET', P .. ':workers', seen[i]) or ''
  all[#all + 1] = now - tonumber(seen[i + 1])
end
return all`,
} as const
