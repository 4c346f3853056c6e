/** The one lock, with holders that are killed, silent, elsewhere, or gone and replaced by others of their id. */
import { type ChildProcess, spawn } from 'node:child_process'
import {
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { placeOf, processOf } from '../../lib/files/holder'
import { locked, takeLock } from '../../lib/files/lock'
import { Watch } from '../../lib/files/watch'
import { folderOf, removeFolders } from '../support/temporary-folder'
import { until } from '../support/until'

afterEach(removeFolders)

const LOCK = JSON.stringify(join(__dirname, '..', '..', 'lib', 'files', 'lock.js'))
const ENDED = { pid: 2 ** 22 + 1, since: null }

function lockIn(folder: string): string {
  return join(folder, 'lock')
}

/** A lock that somebody else left. */
function leave(path: string, holder: object, mtime = new Date()): void {
  writeFileSync(path, JSON.stringify({ id: 'x', place: placeOf(), own: ENDED, started: [], ...holder }))
  utimesSync(path, mtime, mtime)
}

/** Whether the lock can be had within so many milliseconds. */
async function isFree(path: string, withinMs: number, options = {}): Promise<boolean> {
  const signal = AbortSignal.timeout(withinMs)
  return takeLock(path, { ...options, signal }).then(
    (lock) => {
      lock.release()
      return true
    },
    () => false,
  )
}

function child(script: string): ChildProcess {
  return spawn(process.execPath, ['-e', `const { takeLock, locked } = require(${LOCK});\n${script}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

const linesOf = (file: string) => readFileSync(file, 'utf8').split('\n').length - 1
const exited = (one: ChildProcess) => new Promise((done) => one.on('exit', done))
const spoke = (one: ChildProcess) => new Promise((done) => one.stdout?.once('data', done))

describe('Watch', () => {
  it('does not count the time in which it could not look', () => {
    const watch = new Watch(2500) // three beats of it are half a second
    const found = { text: '{}', holder: null, ino: 1, mtimeMs: 0 }
    expect(watch.isDead(found)).toBe(false)
    // All of a machine's processes are stopped now and then: the holder cannot beat either.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 700)
    expect(watch.isDead(found)).toBe(false)
  })
})

describe('a lock', () => {
  it('is refused where a link that leads nowhere stands in its place', async () => {
    const path = lockIn(folderOf({}))
    symlinkSync('/nowhere/lock', path)
    await expect(takeLock(path, { signal: AbortSignal.timeout(5000) })).rejects.toThrow(
      `Expected ${path} to be a lock but it is a link to /nowhere/lock, which does not exist`,
    )
  })

  it('is held by one at a time, in one process as among several', async () => {
    const path = lockIn(folderOf({}))
    let inside = 0
    const work = async () => {
      expect(++inside).toBe(1)
      await sleep(5)
      inside -= 1
    }
    await Promise.all(Array.from({ length: 5 }, () => locked(path, {}, work)))
    expect(existsSync(path)).toBe(false)
  })

  // Each process writes down when it enters and leaves. Who entered and was killed is never heard of again.
  it('is held by one at a time while ten processes want it and forty of them are killed', async () => {
    const folder = folderOf({ log: '' })
    const log = join(folder, 'log')
    const script = `
      const fs = require('node:fs')
      const say = (word) => fs.appendFileSync(${JSON.stringify(log)}, word + ' ' + process.pid + '\\n')
      const again = () => locked(${JSON.stringify(lockIn(folder))}, {}, async () => {
        say('enter')
        await new Promise((done) => setTimeout(done, 3 * Math.random()))
        say('leave')
      }).then(again)
      again()`
    const running = Array.from({ length: 10 }, () => child(script))
    const ends: Promise<unknown>[] = []
    for (let kills = 0; kills < 40; kills++) {
      // At the machine's own pace: somebody has had the lock since the last one was killed.
      const entered = linesOf(log) + 2
      await until(() => linesOf(log) >= entered)
      const [victim] = running.splice(Math.floor(Math.random() * running.length), 1)
      if (victim) ends.push(exited(victim))
      victim?.kill('SIGKILL')
      running.push(child(script))
    }
    for (const one of running) {
      ends.push(exited(one))
      one.kill('SIGKILL')
    }
    await Promise.all(ends)
    expect(linesOf(log)).toBeGreaterThanOrEqual(2 * 40)
    const gone = new Set<string>()
    let inside: string | null = null
    for (const line of readFileSync(log, 'utf8').trim().split('\n')) {
      const [word, who = ''] = line.split(' ')
      expect(gone).not.toContain(who)
      if (word === 'leave') expect(inside).toBe(who)
      else if (inside !== null) gone.add(inside)
      inside = word === 'enter' ? who : null
    }
    expect(await isFree(lockIn(folder), 10_000)).toBe(true)
    expect(readdirSync(folder)).toEqual(['log'])
  }, 120_000)

  it('that was taken over is not taken over again by who saw it dead before', async () => {
    const folder = folderOf({ looks: '' })
    const [path, looks, taken] = ['lock', 'looks', 'taken'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ]
    leave(path, { own: ENDED })
    // It has read the dead holder's name, and goes on with it once somebody else has the lock.
    const slow = child(`
      const fs = require('node:fs')
      const read = fs.readFileSync
      fs.readFileSync = (file, ...rest) => {
        const text = read(file, ...rest)
        if (file !== ${JSON.stringify(path)}) return text
        fs.appendFileSync(${JSON.stringify(looks)}, 'look\\n')
        const pause = () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5)
        while (!fs.existsSync(${JSON.stringify(taken)})) pause()
        return text
      }
      takeLock(${JSON.stringify(path)}).then(() => process.exit(7))`)
    const ended = exited(slow)
    await until(() => linesOf(looks) === 1)
    const lock = await takeLock(path)
    writeFileSync(taken, '')
    // Under the guard it looks again; each further look is one from the start, at a lock that is not its own.
    await until(() => linesOf(looks) >= 4)
    expect(lock.lost.aborted).toBe(false)
    expect(readFileSync(path, 'utf8')).toContain(`"pid":${process.pid},`)
    lock.release()
    expect(await ended).toBe(7)
  })

  it('of a process that ended is free at once, also where another process has its id now', async () => {
    const path = lockIn(folderOf({}))
    leave(path, { own: ENDED })
    expect(await isFree(path, 20_000)).toBe(true)
    leave(path, { own: { pid: process.pid, since: '7' } })
    expect(await isFree(path, 5000)).toBe(processOf(process.pid).since !== null)
  })

  it('of another container with the same name and ids is held while it beats', async () => {
    const path = lockIn(folderOf({}))
    const options = { deadAfterMs: 1500 }
    const elsewhere = { place: 'another', own: processOf(process.pid) }
    leave(path, elsewhere)
    // Its clock is an hour behind.
    const start = Date.now()
    const beat = setInterval(() => {
      const then = new Date(Date.now() - 3_600_000)
      utimesSync(path, then, then)
    }, 100)
    expect(await isFree(path, 1000, options)).toBe(false)
    clearInterval(beat)
    expect(await isFree(path, 20_000, options)).toBe(true)
    leave(path, elsewhere)
    expect(await isFree(path, 1000, options)).toBe(false)
    expect(await isFree(path, 20_000, options)).toBe(true)
    expect(Date.now() - start).toBeGreaterThan(1500)
  })

  it.each([
    ['', 100],
    ['{"pid": 1}', 600],
  ])('that names nobody (%j) is free after a while', async (text, leastMs) => {
    const path = lockIn(folderOf({ lock: text }))
    expect(await isFree(path, leastMs, { deadAfterMs: 900 })).toBe(false)
    expect(await isFree(path, 20_000, { deadAfterMs: 900 })).toBe(true)
  })

  it('beats, so that it outlasts the silence that it would be taken over after', async () => {
    const path = lockIn(folderOf({}))
    const lock = await takeLock(path, { deadAfterMs: 600 })
    expect(await isFree(path, 1500, { deadAfterMs: 600 })).toBe(false)
    lock.release()
  })

  it('tells its holder when it is lost, and leaves alone what is now another one’s', async () => {
    const path = lockIn(folderOf({}))
    const lock = await takeLock(path, { deadAfterMs: 300 })
    rmSync(path)
    leave(path, { own: processOf(process.pid) })
    await new Promise((done) => lock.lost.addEventListener('abort', done))
    lock.release()
    expect(existsSync(path)).toBe(true)
  })

  it('is held for as long as what its killed holder started runs', async () => {
    const path = lockIn(folderOf({}))
    const holder = child(`
      const { spawn } = require('node:child_process')
      takeLock(${JSON.stringify(path)}).then((lock) => {
        const left = spawn('sleep', ['60'], { stdio: 'ignore', detached: true })
        lock.started(left.pid)
        console.log(left.pid)
        setInterval(() => {}, 1000)
      })`)
    const left = Number(await spoke(holder))
    holder.kill('SIGKILL')
    await exited(holder)
    let told: unknown = null
    const onWait = (found: unknown) => (told = found)
    expect(await isFree(path, 1000, { onWait, deadAfterMs: 300 })).toBe(false)
    expect(told).toMatchObject({ started: [{ pid: left }] })
    process.kill(left, 'SIGKILL')
    expect(await isFree(path, 20_000)).toBe(true)
  })

  it('is waited for no longer than the signal allows', async () => {
    const path = lockIn(folderOf({}))
    const lock = await takeLock(path)
    await expect(takeLock(path, { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough')
    lock.release()
  })
})
