import { ROSTER_SCRIPTS } from './roster-scripts'

/**
 * What changes a job in Redis, each in one atomic script: they are the only writers of its record, so a job has one state,
 * whoever dies in the middle. `attempt` is the fence: a worker that was thought lost and comes back holds an old number,
 * and whatever it says changes nothing.
 *
 * All keys begin with the first one, which holds a hash tag: they are in one slot of a cluster.
 *   :job:ID     hash: request, status, attempt, worker, pictures, times; `slot:…` are ids of events that later ones replace
 *   :events:ID  stream: one JSON event an entry, under the field `e`; there is none while nothing but the acceptance happened
 *   :owner:NAME sorted set of a key's jobs, by id; :owners hash: unfinished jobs of each
 *   :idem:HASH  the job of an idempotency key; :deadlines, :expiry sorted sets by time; :counts hash
 *   :store      which store has the pictures; :workers hash, :seen sorted set by time: who makes them
 *   :shares hash: what each job adds to the counts, and where else its id is: a record may be lost, by hand or by its broker;
 *           :sweep, :sweep:pause  how far the search for lost ones has come
 */
const LIBRARY = `
local P = KEYS[1]
local function key(id) return P .. ':job:' .. id end
local function count(field, by) redis.call('HINCRBY', P .. ':counts', field, by) end

-- Readers need the latest step of a picture, not all: an event replaces the one before it in its slot.
local function write(id, slot, body)
  local stream, field = P .. ':events:' .. id, 'slot:' .. slot
  local old = redis.call('HGET', key(id), field)
  if old then redis.call('XDEL', stream, old) end
  redis.call('HSET', key(id), field, redis.call('XADD', stream, '*', 'e', body))
end

local function wake(id, message) redis.call('PUBLISH', P .. ':wake:' .. id, message) end

local function tell(id, slot, body)
  write(id, slot, body)
  wake(id, '')
end

local function drop(id, slot)
  local old = redis.call('HGET', key(id), 'slot:' .. slot)
  if not old then return end
  redis.call('XDEL', P .. ':events:' .. id, old)
  redis.call('HDEL', key(id), 'slot:' .. slot)
end

-- A job's share in the counts of a state: pictures, or bytes once they are made.
local function add(state, amount, by)
  count(state .. 'Jobs', by)
  -- Redis takes no "-0".
  count(state .. (state == 'kept' and 'Bytes' or 'Pictures'), 0 + by * tonumber(amount))
end

local function move(id, from, to)
  local job = redis.call('HMGET', key(id), 'count', 'bytes', 'idem', 'owner')
  local amounts = { waiting = job[1], running = job[1], kept = job[2] or '0' }
  if from then add(from, amounts[from], -1) end
  if not to then redis.call('HDEL', P .. ':shares', id) return end
  add(to, amounts[to], 1)
  redis.call('HSET', P .. ':shares', id, to .. ' ' .. amounts[to] .. ' ' .. (job[3] == '' and '-' or job[3]) .. ' ' .. job[4])
end

-- One unfinished job less of a key.
local function ease(owner)
  if redis.call('HINCRBY', P .. ':owners', owner, -1) <= 0 then redis.call('HDEL', P .. ':owners', owner) end
end

-- All places of an id but its record.
local function leave(id, owner, idem)
  redis.call('ZREM', P .. ':owner:' .. owner, id)
  redis.call('ZREM', P .. ':deadlines', id)
  redis.call('ZREM', P .. ':expiry', id)
  if idem ~= '' and redis.call('GET', P .. ':idem:' .. idem) == id then redis.call('DEL', P .. ':idem:' .. idem) end
  redis.call('DEL', P .. ':events:' .. id)
end

-- A job without a record: its followers are told that it failed.
local function lose(id)
  local state, amount, idem, owner = string.match(redis.call('HGET', P .. ':shares', id) or '', '^(%a+) (%d+) (%S+) (.*)$')
  if state then
    add(state, amount, -1)
    if state ~= 'kept' then ease(owner) count('failed', 1) end
    redis.call('HDEL', P .. ':shares', id)
  end
  leave(id, owner or '', idem or '')
end

-- The store of this queue: the first to come says which, and after a loss of all data the first to speak again.
local function storeOf(own)
  local known = redis.call('GET', P .. ':store')
  if not known then redis.call('SET', P .. ':store', own) end
  return known or own
end

local STATES = { queued = 'waiting', running = 'running' }

-- What a follower needs: status, position, warnings, events after one, and once it is over its fields and values.
local function look(id, after)
  local job = redis.call('HMGET', key(id), 'status', 'position', 'warnings')
  if not job[1] then return {} end
  local events = redis.call('XRANGE', P .. ':events:' .. id, '(' .. after, '+')
  return { job[1], job[2], job[3] or '[]', events, STATES[job[1]] and {} or redis.call('HGETALL', key(id)) }
end

local function holds(id, attempt)
  local now = redis.call('HMGET', key(id), 'status', 'attempt', 'lost')
  if now[1] == 'running' and now[2] == attempt then return true end
  -- Who speaks was slow, not lost: a starved machine is no reason to set a job aside.
  local counted = STATES[now[1]] and now[2] ~= attempt and tonumber(now[3] or '0') > 0
  if counted and redis.call('HSETNX', key(id), 'slow:' .. attempt, 1) == 1 then redis.call('HINCRBY', key(id), 'lost', -1) end
  return false
end

-- The worker of the attempt that ends its own job need not be told.
local function finish(id, status, problem, body, now, own)
  local job = redis.call('HMGET', key(id), 'status', 'owner', 'ttl', 'worker', 'server')
  if not job[1] then lose(id) return 0 end
  local state = STATES[job[1]]
  if not state then return 0 end
  move(id, state, 'kept')
  ease(job[2])
  local expires = tonumber(now) + tonumber(job[3])
  redis.call('HSET', key(id), 'status', status, 'error', problem, 'finishedAt', now, 'expiresAt', expires)
  redis.call('ZREM', P .. ':deadlines', id)
  redis.call('ZADD', P .. ':expiry', expires, id)
  count(status, 1)
  write(id, 'end', body)
  -- Its followers need to ask nothing more.
  wake(id, cjson.encode(look(id, '0-1')))
  if state == 'running' and not own then redis.call('PUBLISH', P .. ':worker:' .. job[4], id) end
  redis.call('PUBLISH', P .. ':server:' .. job[5], cjson.encode({ id, redis.call('HGETALL', key(id)) }))
  return 1
end
`

/** By name: the script, whose first key is the prefix of all others. */
export const SCRIPTS = {
  /** -> ['found', id], ['queue' or 'key', what there is], or ['made', position]. */
  submit: `
local id, owner, idem, pictures, priority = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
if idem ~= '' then
  local known = redis.call('GET', P .. ':idem:' .. idem)
  if known and redis.call('EXISTS', key(known)) == 1 then return { 'found', known } end
end
local counts = redis.call('HMGET', P .. ':counts', 'waitingPictures', 'runningPictures')
local there = tonumber(counts[1] or '0') + tonumber(counts[2] or '0')
if there + pictures > tonumber(ARGV[6]) then return { 'queue', there } end
local own = tonumber(redis.call('HGET', P .. ':owners', owner) or '0')
if own >= tonumber(ARGV[7]) then return { 'key', own } end
local ahead = redis.call('ZCOUNT', P .. ':' .. ARGV[8] .. ':prioritized', '-inf', (priority + 1) * 4294967296 - 1)
redis.call('HSET', key(id), 'status', 'queued', 'owner', owner, 'idem', idem, 'count', pictures, 'queue', ARGV[8],
  'position', ahead, 'attempt', 0, 'priority', priority, unpack(ARGV, 10))
if idem ~= '' then redis.call('SET', P .. ':idem:' .. idem, id) end
redis.call('ZADD', P .. ':owner:' .. owner, 0, id)
redis.call('HINCRBY', P .. ':owners', owner, 1)
if ARGV[9] ~= '' then redis.call('ZADD', P .. ':deadlines', ARGV[9], id) end
move(id, nil, 'waiting')
return { 'made', ahead }`,

  /**
   * A worker takes a job: -> attempt, request, seed, its acceptance, faults so far; nil where it is over, 'POISON' where this
   * ended it.
   */
  begin: `
local id, token, worker, now = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local job = redis.call('HMGET', key(id), 'status', 'lost', 'token', 'attempt', 'request', 'seed', 'createdAt', 'faults')
local state = STATES[job[1]]
if not state then return nil end
local attempt = job[4]
if state == 'waiting' then move(id, 'waiting', 'running') end
if job[3] ~= token or state == 'waiting' then
  -- Still running for another one, which is lost: it said nothing of the job's end.
  if state == 'running' then
    local lost = redis.call('HINCRBY', key(id), 'lost', 1)
    if lost >= tonumber(ARGV[5]) then finish(id, 'failed', ARGV[6], ARGV[7], now) return 'POISON' end
  end
  attempt = redis.call('HINCRBY', key(id), 'attempt', 1)
  for index = 0, tonumber(redis.call('HGET', key(id), 'count')) - 1 do drop(id, 'step:' .. index) drop(id, 'preview:' .. index) end
  redis.call('HSET', key(id), 'status', 'running', 'position', 0, 'worker', worker, 'token', token)
  redis.call('HSETNX', key(id), 'startedAt', now)
end
return { tostring(attempt), job[5], job[6], job[7], job[8] or '0' }`,

  /** Pairs of slot and event: -> 1, or 0 where the attempt does not hold the job any more. */
  tell: `
if not holds(ARGV[1], ARGV[2]) then return 0 end
if ARGV[3] ~= '' then redis.call('HSET', key(ARGV[1]), 'warnings', ARGV[3]) end
for i = 4, #ARGV, 2 do tell(ARGV[1], ARGV[i], ARGV[i + 1]) end
return 1`,

  /**
   * A picture that lies in the store; with the last one its job ends: -> 2 where it has ended so, 1 where more are to come, and
   * 0 where clients see another picture or none. The place, which is of one attempt, tells a command that is sent twice.
   */
  picture: `
local id, index, place = ARGV[1], ARGV[3], ARGV[4]
local known = redis.call('HMGET', key(id), 'place:' .. index, 'status')
if known[1] == place then return known[2] == 'succeeded' and 2 or 1 end
if not holds(id, ARGV[2]) or known[1] then return 0 end
redis.call('HSET', key(id), 'place:' .. index, place)
redis.call('HSET', key(id), 'picture:' .. index, ARGV[5])
redis.call('HINCRBY', key(id), 'bytes', ARGV[6])
write(id, 'image:' .. index, ARGV[7])
drop(id, 'preview:' .. index)
for other = 0, tonumber(redis.call('HGET', key(id), 'count')) - 1 do
  if redis.call('HEXISTS', key(id), 'place:' .. other) == 0 then wake(id, '') return 1 end
end
finish(id, 'succeeded', '', ARGV[8], ARGV[9], true)
return 2`,

  /** The end, by its attempt, or by anyone where that is '': -> 1, or 0 where it is over or another's. */
  finish: `
if ARGV[2] ~= '' and not holds(ARGV[1], ARGV[2]) then return 0 end
return finish(ARGV[1], ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[2] ~= '')`,

  /** Back to the queue: -> 1, or -1 where the attempt does not hold it. */
  release: `
local id = ARGV[1]
if not holds(id, ARGV[2]) then return -1 end
move(id, 'running', 'waiting')
redis.call('HSET', key(id), 'status', 'queued', 'position', 0, 'worker', '')
redis.call('HINCRBY', key(id), 'faults', ARGV[4])
tell(id, 'queued', ARGV[3])
return 1`,

  /** -> what `look()` tells of a job after an event; nothing of an unknown one. */
  look: `
return look(ARGV[1], ARGV[2])`,

  /** -> [fields and values, place in the line or -1]. */
  find: `
local job = redis.call('HGETALL', key(ARGV[1]))
local at = redis.call('HMGET', key(ARGV[1]), 'status', 'queue')
local rank = at[1] == 'queued' and redis.call('ZRANK', P .. ':' .. at[2] .. ':prioritized', ARGV[1])
return { job, rank or -1 }`,

  /** Tells places in the line that have changed, of jobs that somebody looks at. */
  positions: `
for _, id in ipairs(ARGV) do
  local job = redis.call('HMGET', key(id), 'status', 'queue', 'position', 'warnings')
  local rank = job[1] == 'queued' and redis.call('ZRANK', P .. ':' .. job[2] .. ':prioritized', id)
  if rank and tostring(rank) ~= job[3] then
    redis.call('HSET', key(id), 'position', rank)
    tell(id, 'queued', '{"type":"queued","position":' .. rank .. ',"warnings":' .. (job[4] or '[]') .. '}')
  end
end
return 0`,

  /** Forgets a finished job: -> 1, or 0 where there is none such. */
  forget: `
local id = ARGV[1]
local job = redis.call('HMGET', key(id), 'status', 'owner', 'idem')
if not job[1] then lose(id) return 0 end
if STATES[job[1]] then return 0 end
move(id, 'kept', nil)
leave(id, job[2], job[3])
redis.call('DEL', key(id))
return 1`,

  /** Looks at some jobs, from where the last look ended: -> ids of those whose record is lost, which are counted no more. All who ask together get one look in so many milliseconds. */
  mend: `
local pause = tonumber(ARGV[2])
if pause > 0 and not redis.call('SET', P .. ':sweep:pause', '', 'NX', 'PX', pause) then return {} end
local page = redis.call('HSCAN', P .. ':shares', redis.call('GET', P .. ':sweep') or '0', 'COUNT', ARGV[1])
local lost = {}
for i = 1, #page[2], 2 do
  local id = page[2][i]
  if redis.call('EXISTS', key(id)) == 0 then lose(id) lost[#lost + 1] = id end
end
if redis.call('HLEN', P .. ':shares') == 0 then
  -- No job is left: what still counts, or is negative, is left of counts or shares that somebody deleted by hand.
  local known = redis.call('HGETALL', P .. ':counts')
  for i = 1, #known, 2 do
    local ofState = string.match(known[i], '%u')
    if ofState and known[i + 1] ~= '0' then redis.call('HSET', P .. ':counts', known[i], 0) end
  end
end
if page[1] == '0' then redis.call('DEL', P .. ':sweep') else redis.call('SET', P .. ':sweep', page[1]) end
return lost`,

  ...ROSTER_SCRIPTS,
} as const

export type ScriptName = keyof typeof SCRIPTS

export const sourceOf = (name: ScriptName): string => `${LIBRARY}${SCRIPTS[name]}`
