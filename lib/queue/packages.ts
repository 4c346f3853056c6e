/** The packages of a queue are optional: those who have none need not install them. */
import { InvalidArgumentError } from '../index'

export type Bull = typeof import('bullmq')
export type Redis = import('ioredis').Redis
export type RedisOptions = import('ioredis').RedisOptions
type RedisPackage = typeof import('ioredis')
export type S3 = typeof import('@aws-sdk/client-s3')

export const loadBull = (): Bull => loaded('queue', 'npm install bullmq ioredis', () => require('bullmq'))
export const loadRedis = (): RedisPackage =>
  loaded('queue', 'npm install bullmq ioredis', () => require('ioredis'))
export const loadS3 = (): S3 =>
  loaded('store', 'npm install @aws-sdk/client-s3', () => require('@aws-sdk/client-s3'))

/** What of a connection of ioredis is its own affair, and what it does not do by itself. */
interface Inside {
  socketTimeoutTimer?: NodeJS.Timeout | undefined
  /** Commands that were on their way when a connection was lost. */
  prevCommandQueue?: { shift(): { readonly command: { reject(error: Error): void } } | undefined } | null
}

/**
 * Ends a connection, and BullMQ's copies of it, whole. ioredis forgets the timer of `socketTimeout`, and it forgets commands
 * that were on their way when the broker went. And between two tries to connect, `disconnect()` lets it never end. Who waits
 * would wait for ever, and the process live on until the timer fires.
 */
export function endWhole(redis: Redis): void {
  const inside = redis as unknown as Inside
  const stopTimer = () => {
    clearTimeout(inside.socketTimeoutTimer)
    // It would stop the next connection, and a new one is only made where there is none.
    inside.socketTimeoutTimer = undefined
  }
  redis.on('close', stopTimer)
  redis.on('end', () => {
    stopTimer()
    for (let item = inside.prevCommandQueue?.shift(); item; item = inside.prevCommandQueue?.shift())
      item.command.reject(new Error('Connection is closed.'))
  })
  const disconnect = redis.disconnect.bind(redis)
  redis.disconnect = (reconnect = false) => {
    const between = redis.status === 'reconnecting'
    disconnect(reconnect)
    if (!between || reconnect) return
    // A try that is broken off at once ends it.
    redis.connect().catch(() => undefined)
    disconnect()
  }
  const duplicate = redis.duplicate.bind(redis)
  redis.duplicate = (...args) => {
    const copy = duplicate(...args)
    endWhole(copy)
    return copy
  }
}

/** A broker answers so to a password that it does not ask for; ioredis would print it, for each connection. */
const NEEDLESS = /no password is set|without any password configured for the default user/

/** Has `tell` hear of a needless password, whenever the connection, or a copy of it, is made. */
export function hearNeedless(redis: Redis, tell: () => void): void {
  const auth = redis.auth.bind(redis) as (...args: unknown[]) => Promise<unknown>
  redis.auth = ((given: unknown, done?: (error: Error | null, answer?: unknown) => void) =>
    auth(given, (error: Error | null, answer?: unknown) => {
      const needless = error !== null && NEEDLESS.test(error.message)
      if (needless) tell()
      done?.(needless ? null : error, answer)
    })) as Redis['auth']
  const duplicate = redis.duplicate.bind(redis)
  redis.duplicate = (...args) => {
    const copy = duplicate(...args)
    hearNeedless(copy, tell)
    return copy
  }
}

/**
 * ioredis subscribes again by itself and looks at no outcome: a connection closed meanwhile would be a rejection that nobody
 * handles, which ends the process.
 */
export function forgiveSubscriptions(redis: Redis): void {
  const subscribe = redis.subscribe.bind(redis) as (...args: unknown[]) => Promise<unknown>
  redis.subscribe = (...args: unknown[]) => {
    const subscribed = subscribe(...args)
    subscribed.catch(() => undefined)
    return subscribed
  }
}

function loaded<T>(setting: string, command: string, load: () => T): T {
  try {
    return load()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error
    throw new InvalidArgumentError(`Expected the packages of the setting '${setting}': ${command}`, {
      cause: error,
      details: { name: setting },
    })
  }
}
