import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { KeyConfig } from './config/schema'

/** Who asks, and what they may. */
export interface Client {
  /** Owns its jobs. */
  readonly name: string
  /** Of jobs that ask for none. */
  readonly priority: number
  readonly maxPriority: number
  readonly maxJobs: number
  readonly requestsPerMinute: number
  readonly admin: boolean
}

export interface ClientDefaults {
  readonly maxJobsPerKey: number
  readonly requestsPerMinute: number
}

/** API keys by their hashes. A key has 256 random bits, so that a plain hash of it cannot be turned back. */
export class Keys {
  private readonly entries: readonly { readonly hash: Buffer; readonly client: Client }[]
  private readonly anyone: Client

  constructor(keys: readonly KeyConfig[], { maxJobsPerKey, requestsPerMinute }: ClientDefaults) {
    const limits = { maxJobs: maxJobsPerKey, requestsPerMinute }
    this.entries = keys.map(({ name, sha256, priority = 0, admin = false, ...own }) => ({
      hash: Buffer.from(sha256, 'hex'),
      client: { name, priority, maxPriority: priority, admin, ...limits, ...own },
    }))
    this.anyone = { name: 'local', priority: 0, maxPriority: 10, admin: true, ...limits }
  }

  /** Whether keys are asked for. */
  get required(): boolean {
    return this.entries.length > 0
  }

  /** The client that an `Authorization` header stands for; null where it is none's. */
  find(authorization: string | undefined): Client | null {
    if (!this.required) return this.anyone
    const key = /^Bearer ([\x21-\x7e]{1,512})$/i.exec(authorization ?? '')?.[1]
    if (key === undefined) return null
    const hash = hashOf(key)
    // All of them, always: how long it takes tells nothing.
    let found: Client | null = null
    for (const entry of this.entries) if (timingSafeEqual(entry.hash, hash)) found = entry.client
    return found
  }
}

/** A new key, and what the configuration keeps of it. */
export function newKey(name: string): { readonly key: string; readonly entry: KeyConfig } {
  const key = `wk-${randomBytes(32).toString('base64url')}`
  return { key, entry: { name, sha256: hashOf(key).toString('hex') } }
}

function hashOf(key: string): Buffer {
  return createHash('sha256').update(key).digest()
}

/** Signs the address of a picture, so that it can be shown and passed on without a key. */
export class Signer {
  constructor(private readonly secret: string = randomBytes(32).toString('hex')) {}

  sign(job: string, index: number): string {
    return createHmac('sha256', this.secret).update(`${job}/${index}`).digest('base64url')
  }

  matches(job: string, index: number, signature: string): boolean {
    const [right, given] = [Buffer.from(this.sign(job, index)), Buffer.from(signature)]
    return right.length === given.length && timingSafeEqual(right, given)
  }
}
