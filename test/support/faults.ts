/** Modules whose every call can be made to fail, one at a time: those of the disk, and the client of the network. */

import { WuerstchenError } from '../../lib/errors'
import { folderOf, removeFolders } from './temporary-folder'

interface Faults {
  /** Calls so far, and the number of the one that fails. */
  calls: number
  failAt: number
  /** What failed. */
  failed: string | null
}

const faults: Faults = { calls: 0, failAt: 0, failed: null }

function failCall(number: number): void {
  Object.assign(faults, { calls: 0, failAt: number, failed: null })
}

/** Whether it is this call's turn. */
function isDue(name: string): boolean {
  faults.calls += 1
  if (faults.calls !== faults.failAt) return false
  faults.failed = name
  return true
}

function diskError(name: string): Error {
  return Object.assign(new Error(`EIO: i/o error, ${name}`), { code: 'EIO', syscall: name })
}

type Call = (...args: unknown[]) => unknown

/** A module or a file handle with every function failing in its turn as `fail` has it. */
function proxied<T extends object>(target: T, wrap: (name: string, call: Call) => Call): T {
  return new Proxy(target, {
    get: (_, key) => {
      const value = Reflect.get(target, key) as unknown
      if (typeof value !== 'function' || typeof key !== 'string' || /^[A-Z]/.test(key)) return value
      return wrap(key, value.bind(target) as Call)
    },
  })
}

export function faultySync<T extends object>(module: T): T {
  return proxied(module, (name, call) => (...args) => {
    if (!isDue(`fs.${name}`)) return call(...args)
    if (name === 'existsSync') return false
    throw diskError(name)
  })
}

export function faultyPromises<T extends object>(module: T): T {
  return proxied(module, (name, call) => async (...args) => {
    if (isDue(`fs.promises.${name}`)) throw diskError(name)
    const result = await call(...args)
    return name === 'open' ? faultyHandle(result as object) : result
  })
}

function faultyHandle<T extends object>(handle: T): T {
  return proxied(handle, (name, call) => (...args) => {
    if (!isDue(`handle.${name}`)) return call(...args)
    if (name === 'createReadStream') throw diskError(name)
    // A file that fails to be closed is closed all the same.
    return Promise.resolve(name === 'close' ? call() : null).then(() => Promise.reject(diskError(name)))
  })
}

/** undici: an error as no release of it has ever thrown one. */
export function faultyClient<T extends { request: unknown }>(client: T): T {
  const request = async (...args: unknown[]) => {
    if (isDue('request')) throw Object.assign(new Error('strange'), { code: 'E_STRANGE' })
    const answer = await (client.request as (...args: unknown[]) => Promise<{ body: object }>)(...args)
    const iterate = Reflect.get(answer.body, Symbol.asyncIterator) as () => AsyncIterator<Buffer>
    Object.defineProperty(answer.body, Symbol.asyncIterator, {
      value: () => {
        const chunks = iterate.call(answer.body)
        const next = async () => {
          if (isDue('body')) throw new Error('stranger')
          return chunks.next()
        }
        return { next, return: async () => ({ done: true, value: undefined }) }
      },
    })
    return answer
  }
  return new Proxy(client, { get: (target, key) => (key === 'request' ? request : Reflect.get(target, key)) })
}

export interface Trial {
  /** Fills a new folder, undisturbed. */
  readonly prepare?: (folder: string) => unknown
  /** What is disturbed. */
  readonly run: (folder: string) => Promise<unknown>
  /** What must be true afterwards. */
  readonly check?: (folder: string, outcome: unknown) => Promise<void>
}

/** Runs with each call failing, one at a time. Whatever is thrown must be of our errors; returns what kinds of calls failed. */
export async function eachFailing({ prepare, run, check }: Trial): Promise<ReadonlySet<string>> {
  const kinds = new Set<string>()
  for (let number = 1; ; number++) {
    const folder = folderOf({})
    await prepare?.(folder)
    failCall(number)
    const outcome = await run(folder).catch((error: unknown) => error)
    const { failed } = faults
    failCall(0)
    if (failed === null) return kinds
    kinds.add(failed)
    if (outcome instanceof Error && !(outcome instanceof WuerstchenError))
      throw new Error(`${failed} (call ${number}) led to ${outcome.stack}`)
    await check?.(folder, outcome)
    removeFolders()
  }
}
