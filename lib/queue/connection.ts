/** Connections to a broker: how long they wait, and what they never do. */
import { endWhole, hearNeedless, loadRedis, type Redis, type RedisOptions } from './packages'

/** Longest wait for an answer of a connection that looks alive. */
export const ANSWER_MS = 5000

/** A connection that hears nothing for so long is opened anew; BullMQ's blocking reads end sooner. */
export const SILENCE_MS = 15_000

const SHARED = {
  retryStrategy: (times: number) => Math.min(50 * 2 ** Math.min(times, 6), 1000),
  socketTimeout: SILENCE_MS,
  keepAlive: 5000,
  connectTimeout: 5000,
} satisfies RedisOptions

const PATIENT = { maxRetriesPerRequest: null, enableOfflineQueue: true } satisfies RedisOptions

const HASTY = {
  // BullMQ wants null; a command fails all the same: without a connection, or after `commandTimeout`.
  maxRetriesPerRequest: null,
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  commandTimeout: ANSWER_MS,
} satisfies RedisOptions

/**
 * A patient one keeps commands for a broker that is away. `onCopy` hears of BullMQ's blocking ones, which are copies, and
 * `onNeedless` that the broker asks for no password, though the address has one.
 */
export function openConnection(
  url: string,
  patient: boolean,
  onCopy: (copy: Redis) => void = () => undefined,
  onNeedless: () => void = () => undefined,
): Redis {
  const { Redis } = loadRedis()
  const redis = new Redis(url, { ...SHARED, ...(patient ? PATIENT : HASTY) })
  // What is to be told of them the broker tells, and BullMQ of its own; without a listener ioredis would print it.
  redis.on('error', () => undefined)
  endWhole(redis)
  hearNeedless(redis, onNeedless)
  leaveOtherDatabases(redis, onCopy)
  return redis
}

/** Without the database that the address names, the client would go on in the one of number 0. */
function leaveOtherDatabases(redis: Redis, onCopy: (copy: Redis) => void): void {
  redis.on('error', (error: Error & { command?: { name?: string } }) => {
    if (error.command?.name !== 'select') return
    redis.disconnect(true)
    redis.stream?.destroy()
  })
  const duplicate = redis.duplicate.bind(redis)
  redis.duplicate = (...args) => {
    const copy = duplicate(...args)
    leaveOtherDatabases(copy, onCopy)
    onCopy(copy)
    return copy
  }
}
