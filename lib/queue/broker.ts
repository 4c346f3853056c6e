/** The one connection of a process to Redis or Valkey: commands, scripts, messages, and the queues that BullMQ keeps there. */
import { createHash } from 'node:crypto'
import { BrokerError } from '../index'
import type { BrokerHealth } from '../server'
import { ANSWER_MS, openConnection, SILENCE_MS } from './connection'
import { forgiveSubscriptions, loadBull, type Redis } from './packages'
import { closedInSilence, explained, isClosed, isRefusal, News, refusalOf } from './refusal'
import { SCRIPTS, type ScriptName, sourceOf } from './scripts'

type Queue = import('bullmq').Queue

export interface BrokerOptions {
  readonly url: string
  /** Of all keys: a hash tag is put around it. */
  readonly prefix: string
  /**
   * A worker waits for a broker that is away: what it has to say stays true. A server says so to its client, at once.
   */
  readonly patient: boolean
}

/** Longest wait for replicas. */
const REPLICATE_MS = 2000

/** How often the log hears of the same refusal. */
const NEWS_MS = 60_000

export class Broker {
  readonly redis: Redis
  /** First part of every key. */
  readonly prefix: string
  private readonly queues = new Map<string, Queue>()
  private readonly copies = new Set<Redis>()
  private readonly listeners = new Map<string, Set<(message: string) => void>>()
  private readonly subscriber: Redis
  private tell: (error: Error | null) => void = () => undefined
  private tellRefusal: (error: Error) => void = () => undefined
  private tellOpen: () => void = () => undefined
  /** Whether it asks for no password, though the address has one. */
  private open = false
  private readonly news = new News(NEWS_MS)
  /** Why the broker cannot be reached; null while it can. */
  private away: Error | null = null
  /** Since when it cannot be reached, in milliseconds since 1970; null while it can. */
  goneSince: number | null = null
  /** Why it cannot be reached, until the broker was asked what it means by it. */
  private unsaid: Error | null = null
  private closed = false
  private losses = 0
  /** Finds out that a connection is dead. */
  private readonly pulse: NodeJS.Timeout

  constructor(private readonly options: BrokerOptions) {
    this.prefix = `{${options.prefix}}`
    const keep = (copy: Redis) => {
      this.copies.add(copy)
      copy.once('end', () => this.copies.delete(copy))
    }
    const needless = () => {
      if (!this.open) this.tellOpen()
      this.open = true
    }
    this.redis = openConnection(options.url, options.patient, keep, needless)
    for (const name of Object.keys(SCRIPTS) as ScriptName[])
      this.redis.defineCommand(commandOf(name), { numberOfKeys: 1, lua: sourceOf(name) })
    // Subscriptions are made again after a reconnection, by the client itself.
    this.subscriber = openConnection(options.url, true)
    forgiveSubscriptions(this.subscriber)
    this.subscriber.on('message', (channel: string, message: string) => {
      for (const listener of [...(this.listeners.get(channel) ?? [])]) listener(message)
    })
    let greeted = false
    this.redis.on('connect', () => {
      greeted = false
    })
    this.redis.on('ready', () => {
      greeted = true
      this.trouble(null)
    })
    this.redis.on('error', (error) => this.trouble(error))
    // A broker may close without an error what it has not greeted.
    this.redis.on('close', () => {
      if (!greeted && !this.closed) this.trouble(closedInSilence())
    })
    this.pulse = setInterval(() => this.subscriber.ping().catch(() => undefined), SILENCE_MS / 3)
    this.pulse.unref()
  }

  /**
   * Tells when the broker goes, with the reason, and when it is back, with null: once each. `refuses` hears what a broker
   * says that is there, but does not do what it is asked. `open` hears, once, that it does not ask for the address's password.
   */
  watch(
    tell: (error: Error | null) => void,
    refuses: (error: Error) => void = () => undefined,
    open: () => void = () => undefined,
  ): void {
    this.tell = tell
    this.tellRefusal = refuses
    this.tellOpen = open
    if (this.open) open()
    this.news.clear()
    if (this.away !== null && this.unsaid === null) tell(this.away)
  }

  private trouble(error: Error | null): void {
    if ((error === null) === (this.away === null)) return
    this.away = error
    this.goneSince = error === null ? null : Date.now()
    if (error === null) {
      if (this.unsaid !== null) this.say(this.unsaid)
      this.tell(null)
      return
    }
    this.losses += 1
    if (!isClosed(error)) {
      this.say(error)
      return
    }
    this.unsaid = error
    void refusalOf(this.options.url).then((line) => {
      if (this.unsaid === error) this.say(error, line)
    })
  }

  private say(error: Error, line: string | null = null): void {
    this.unsaid = null
    this.away = explained(error, this.options.url, { line })
    this.tell(this.away)
  }

  /** An error of a command, as its user understands it. */
  explain(error: Error): Error {
    const wanted = this.connected ? 'do what it is asked' : 'take connections'
    return isRefusal(error) || !this.connected ? explained(error, this.options.url, { wanted }) : error
  }

  get connected(): boolean {
    return this.redis.status === 'ready'
  }

  get health(): BrokerHealth {
    return { up: this.connected, losses: this.losses }
  }

  key(...parts: readonly string[]): string {
    return [this.prefix, ...parts].join(':')
  }

  /** Runs one of our scripts. */
  async script<T>(name: ScriptName, ...args: readonly (string | number)[]): Promise<T> {
    const scripted = this.redis as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>
    return this.answer(async () => scripted[commandOf(name)]?.(this.prefix, ...args)) as Promise<T>
  }

  /** The same, without a second try: null where the broker has not loaded it, and has done nothing. */
  async loadedScript<T>(name: ScriptName, ...args: readonly (string | number)[]): Promise<T | null> {
    const answer = (redis: Redis) => redis.evalsha(HASHES[name], 1, this.prefix, ...args) as Promise<T>
    return this.answer((redis) =>
      answer(redis).catch((error: Error) => {
        if (error.message.startsWith('NOSCRIPT')) return null
        throw error
      }),
    )
  }

  /** What the broker answers; that it does not is an error with a code. */
  async answer<T>(ask: (redis: Redis) => Promise<T>): Promise<T> {
    try {
      return await ask(this.redis)
    } catch (error) {
      throw this.failureOf(error)
    }
  }

  private failureOf(error: unknown): BrokerError {
    if (error instanceof BrokerError) return error
    if (!isRefusal(error))
      return new BrokerError(`Expected an answer of the queue's broker but ${reasonOf(error)}`, {
        cause: error,
        details: { retryAfterMs: 2000 },
      })
    const failure = this.explain(error) as BrokerError
    // Without a connection that is its trouble, which is told already.
    if (this.connected && this.news.has(failure.message)) this.tellRefusal(failure)
    return failure
  }

  /** Hands a job to BullMQ, which delivers it by priority. The same id again changes nothing. */
  async enqueue(queue: string, id: string, priority: number): Promise<void> {
    await this.answer(async () => this.queue(queue).add('pictures', {}, { ...DELIVERY, jobId: id, priority }))
  }

  /** Resolves once so many replicas have what was written here; a broker's own disk is its own setting. */
  async replicated(replicas: number): Promise<void> {
    if (replicas === 0) return
    const reached = await this.answer((redis) => redis.wait(replicas, REPLICATE_MS))
    if (reached < replicas)
      throw new BrokerError(
        `Expected the job on ${replicas} replicas of the queue's broker but it is on ${reached}.`,
        { details: { retryAfterMs: 2000 } },
      )
  }

  /** A job that nobody has to take any more; one that is being worked on stays. */
  async dequeue(queue: string, id: string): Promise<void> {
    await this.answer(async () => this.queue(queue).remove(id)).catch(() => undefined)
  }

  async depthOf(queue: string): Promise<Readonly<Record<string, number>>> {
    return this.answer(async () =>
      this.queue(queue).getJobCounts('prioritized', 'active', 'delayed', 'failed'),
    )
  }

  /** Messages of a channel, until the result is called. Those of a moment without a connection are missed. */
  listen(channel: string, listener: (message: string) => void): () => void {
    const known = this.listeners.get(channel)
    if (known !== undefined) known.add(listener)
    else {
      this.listeners.set(channel, new Set([listener]))
      this.subscriber.subscribe(channel).catch(() => undefined)
    }
    return () => {
      const all = this.listeners.get(channel)
      if (all === undefined || !all.delete(listener) || all.size > 0) return
      // Whatever is done with what was heard comes first, and may listen again.
      setImmediate(() => {
        if (all.size > 0 || this.listeners.get(channel) !== all) return
        this.listeners.delete(channel)
        this.subscriber.unsubscribe(channel).catch(() => undefined)
      })
    }
  }

  /** At once: a broker that is away is not waited for. */
  close(): void {
    this.closed = true
    clearInterval(this.pulse)
    this.redis.disconnect()
    this.subscriber.disconnect()
    for (const copy of this.copies) copy.disconnect()
    for (const queue of this.queues.values()) queue.close().catch(() => undefined)
  }

  private queue(name: string): Queue {
    if (!this.connected && !this.options.patient) throw new Error('there is no connection')
    let queue = this.queues.get(name)
    if (queue === undefined) {
      const { Queue } = loadBull()
      queue = new Queue(name, { connection: this.redis, prefix: this.prefix, skipMetasUpdate: true })
      queue.on('error', () => undefined)
      // One whose first connection was cut never comes to life.
      queue.waitUntilReady().catch(() => this.queues.delete(name))
      this.queues.set(name, queue)
    }
    return queue
  }
}

const DELIVERY = {
  // How often a job is tried is decided where its fault is known: this only has to be enough.
  attempts: 1000,
  backoff: { type: 'exponential', delay: 500, jitter: 0.5 },
  removeOnComplete: true,
  // What was set aside can be looked at for a week, with BullMQ's dashboards.
  removeOnFail: { age: 604_800, count: 10_000 },
} as const

/** By which the broker knows the scripts that it has run. */
const HASHES = Object.fromEntries(
  Object.keys(SCRIPTS).map((name) => [
    name,
    createHash('sha1')
      .update(sourceOf(name as ScriptName))
      .digest('hex'),
  ]),
) as Record<ScriptName, string>

function commandOf(name: ScriptName): string {
  return `wuerstchen_${name}`
}

function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  if (/writeable|no connection|closed|ECONN|offline|Protocol error/i.test(message))
    return 'it cannot be reached.'
  if (/timed out/i.test(message)) return `none came within ${ANSWER_MS} ms.`
  return `it failed: ${message}`
}
