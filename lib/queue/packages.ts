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

/**
 * ioredis forgets the timer of `socketTimeout` when a connection ends in the middle of a command, as BullMQ's blocking reads
 * do on copies of one: the process would live on until it fires.
 */
export function endTimers(redis: Redis): void {
  redis.once('end', () =>
    clearTimeout((redis as unknown as { socketTimeoutTimer?: NodeJS.Timeout }).socketTimeoutTimer),
  )
  const duplicate = redis.duplicate.bind(redis)
  redis.duplicate = (...args) => {
    const copy = duplicate(...args)
    endTimers(copy)
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
