'use strict'
/**
 * The project's one lock: a file that names its holder. Plain JavaScript, because scripts/bootstrap.mjs takes it before
 * anything is installed or compiled.
 *
 * A holder shows that it lives by touching the file. It is dead when it stays silent, and sooner where it can be seen that
 * its process has ended. What a holder started (a compiler) may outlive it; the lock is held until that has ended, too.
 *
 * Nobody removes a dead holder's lock but who holds the lock on doing so, which is named after the dead holder and is a
 * lock like any other: two that wait can never both have removed it, whoever is killed when.
 */

const { createHash, randomUUID } = require('node:crypto')
const fs = require('node:fs')
const { basename, dirname, join } = require('node:path')
const { setTimeout: sleep } = require('node:timers/promises')
const { makeFolder } = require('./folder')
const { codeOf, placeOf, processOf } = require('./holder')
const { BEATS, look, Watch } = require('./watch')

const POLL_MS = 150
const DEAD_AFTER_MS = 30_000
const GUARD = /^(\.[0-9a-f]{12})+$/

/**
 * @typedef {import('./holder').Holder} Holder
 * @typedef {import('./watch').Found} Found
 * @typedef {object} LockOptions
 * @property {AbortSignal | undefined} [signal] Ends the waiting.
 * @property {((holder: Holder | null) => void) | undefined} [onWait] Called once, when somebody else holds it.
 * @property {number | undefined} [deadAfterMs] How long a holder may be silent. Everybody at one lock has the same. Defaults
 * to 30 seconds.
 */

/**
 * Waits until nobody else holds the lock, and holds it.
 * @param {string} path
 * @param {LockOptions} [options]
 * @returns {Promise<Lock>}
 */
async function takeLock(path, { signal, onWait, deadAfterMs = DEAD_AFTER_MS } = {}) {
  await makeFolder(dirname(path))
  const watch = new Watch(deadAfterMs)
  let told = false
  for (;;) {
    signal?.throwIfAborted()
    const lock = Lock.create(path, deadAfterMs)
    if (lock !== null) {
      sweepGuards(path)
      return lock
    }
    const found = look(path)
    if (found === null) {
      // Released meanwhile; but a link that leads nowhere stands in the way of all.
      refuseBrokenLink(path)
      await sleep(1, undefined, { signal })
      continue
    }
    if (watch.isDead(found)) {
      await discard(path, found, { signal, deadAfterMs })
      continue
    }
    if (!told) onWait?.(found.holder)
    told = true
    await sleep(POLL_MS, undefined, { signal })
  }
}

/** @param {string} path */
function refuseBrokenLink(path) {
  const link = fs.lstatSync(path, { throwIfNoEntry: false })
  if (!link?.isSymbolicLink() || fs.existsSync(path)) return
  const found = `a link to ${fs.readlinkSync(path)}, which does not exist`
  throw Object.assign(new Error(`Expected ${path} to be a lock but it is ${found}`), { code: 'ENOENT' })
}

/**
 * Runs `work` while holding the lock. `lost` aborts should others have taken this process for dead.
 * @template T
 * @param {string} path
 * @param {LockOptions} options
 * @param {(lost: AbortSignal) => Promise<T>} work
 * @returns {Promise<T>}
 */
async function locked(path, options, work) {
  const lock = await takeLock(path, options)
  try {
    return await work(lock.lost)
  } finally {
    lock.release()
  }
}

/** A lock that is held. */
class Lock {
  /**
   * @param {string} path
   * @param {number} deadAfterMs
   * @returns {Lock | null} null where there is one already.
   */
  static create(path, deadAfterMs) {
    try {
      const holder = { id: randomUUID(), place: placeOf(), own: processOf(process.pid), started: [] }
      const lock = new Lock(path, fs.openSync(path, 'wx'), holder)
      if (!lock.isOurs()) return null // stopped before it had written its name, and taken for dead
      lock.beat = setInterval(() => lock.touch(), deadAfterMs / BEATS).unref()
      return lock
    } catch (error) {
      if (codeOf(error) === 'EEXIST') return null
      throw error
    }
  }

  /**
   * @param {string} path
   * @param {number} file
   * @param {Holder} holder
   */
  constructor(path, file, holder) {
    /** @private */ this.path = path
    /** @private */ this.file = file
    /** @private */ this.loss = new AbortController()
    /** @private */ this.holder = holder
    /** @private @type {NodeJS.Timeout | undefined} */ this.beat = undefined
    try {
      this.write()
      /** @private */ this.ino = fs.fstatSync(file).ino
    } catch (error) {
      // Nobody should have to find out that nobody holds it.
      fs.rmSync(path, { force: true })
      fs.closeSync(file)
      throw error
    }
  }

  /**
   * Aborts when the lock became somebody else's.
   * @returns {AbortSignal}
   */
  get lost() {
    return this.loss.signal
  }

  /**
   * A program that runs for the holder.
   * @param {number} pid
   */
  started(pid) {
    this.holder = { ...this.holder, started: [...this.holder.started, processOf(pid)] }
    this.write()
  }

  /** @param {number} pid */
  ended(pid) {
    this.holder = { ...this.holder, started: this.holder.started.filter((one) => one.pid !== pid) }
    this.write()
  }

  release() {
    clearInterval(this.beat)
    try {
      if (this.isOurs()) fs.rmSync(this.path, { force: true })
    } finally {
      fs.closeSync(this.file)
    }
  }

  /** @private */
  write() {
    const text = Buffer.from(JSON.stringify(this.holder))
    fs.writeSync(this.file, text, 0, text.length, 0)
    fs.ftruncateSync(this.file, text.length)
  }

  /** @private By its handle: another's file is never touched. */
  touch() {
    const now = new Date()
    if (this.isOurs()) return fs.futimes(this.file, now, now, () => undefined)
    clearInterval(this.beat)
    this.loss.abort(new Error(`Expected to hold ${this.path} but another process took it over`))
  }

  /** @private The file is open, so nobody else's has its number. */
  isOurs() {
    try {
      return fs.statSync(this.path).ino === this.ino
    } catch (error) {
      return codeOf(error) !== 'ENOENT' // a disk that does not answer takes nothing away
    }
  }
}

/**
 * Removes the lock of a dead holder, if it is still that one's.
 * @param {string} path
 * @param {Found} dead
 * @param {LockOptions} options
 */
async function discard(path, dead, options) {
  const name = createHash('sha256').update(dead.text).digest('hex').slice(0, 12)
  const guard = await takeLock(`${path}.${name}`, options)
  try {
    const found = look(path)
    const isSame = found?.text === dead.text && found.ino === dead.ino && found.mtimeMs === dead.mtimeMs
    if (isSame) fs.rmSync(path, { force: true })
  } finally {
    guard.release()
  }
}

/**
 * Whoever was killed while it removed a dead holder's lock may have left the lock on that. With the dead holder's lock gone
 * it protects nothing, whether held or not.
 * @param {string} path of a lock that is held.
 */
function sweepGuards(path) {
  const [folder, name] = [dirname(path), basename(path)]
  try {
    for (const one of fs.readdirSync(folder))
      if (one.startsWith(name) && GUARD.test(one.slice(name.length)))
        fs.rmSync(join(folder, one), { force: true })
  } catch {
    // Rubbish is no reason not to work.
  }
}

module.exports = { locked, takeLock }
