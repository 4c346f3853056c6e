/**
 * One set-up at a time. The lock names its holder and the commands that run for it: it counts as held until all of
 * them have ended, because a command (pip, a compiler) outlives a bootstrap that was killed with SIGKILL.
 */
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ROOT, STATE } from './places.mjs'

const LOCK = join(STATE, 'lock')
const POLL_MS = 300

export async function takeLock(say) {
  mkdirSync(STATE, { recursive: true })
  const mine = join(STATE, `lock.${process.pid}`)
  const children = new Set()
  const write = () => writeFileSync(mine, JSON.stringify({ pid: process.pid, children: [...children] }))

  let told = false
  write()
  while (!linked(mine)) {
    const holder = readHolder()
    if (!holder) continue // released meanwhile
    const alive = [holder.pid, ...holder.children].filter(isAlive)
    if (alive.length === 0) {
      discard(holder)
      continue
    }
    if (!told) say(waitingFor(holder, alive))
    told = true
    await sleep(POLL_MS)
  }
  rmSync(mine, { force: true })

  // Written aside and moved over the lock, so that nobody ever reads half of it.
  const update = () => {
    write()
    renameSync(mine, LOCK)
  }
  return {
    started: (pid) => {
      children.add(pid)
      update()
    },
    ended: (pid) => {
      children.delete(pid)
      update()
    },
    release: () => rmSync(LOCK, { force: true }),
  }
}

/** Whether the lock is now this file. Linking is atomic and fails when there is a lock already. */
function linked(file) {
  try {
    linkSync(file, LOCK)
    return true
  } catch (error) {
    if (error.code === 'EEXIST') return false
    throw error
  }
}

function readHolder() {
  try {
    const text = readFileSync(LOCK, 'utf8')
    return { text, ...JSON.parse(text) }
  } catch (error) {
    if (error.code === 'ENOENT') return null
    throw new Error(
      `Expected ${relative(ROOT, LOCK)} to name its holder but could not read it: ${error.message}. Remove it.`,
    )
  }
}

/** Removes the lock of a dead holder, unless another set-up was quicker and the lock is now its own. */
function discard(holder) {
  const aside = join(STATE, `lock.stale.${process.pid}`)
  try {
    renameSync(LOCK, aside)
  } catch (error) {
    if (error.code === 'ENOENT') return
    throw error
  }
  if (readFileSync(aside, 'utf8') !== holder.text) linked(aside)
  rmSync(aside, { force: true })
}

function isAlive(pid) {
  try {
    process.kill(pid, 0)
    return !isZombie(pid)
  } catch (error) {
    return error.code === 'EPERM'
  }
}

/** Ended, but nobody has asked how: a container often has no init process that would. */
function isZombie(pid) {
  try {
    return / Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8').split(')').at(-1).slice(0, 4))
  } catch {
    return false // no /proc here, or gone meanwhile
  }
}

function waitingFor(holder, alive) {
  const lock = relative(ROOT, LOCK)
  if (alive.includes(holder.pid))
    return `waiting for another set-up (process ${holder.pid}; remove ${lock} if that is not one)`
  return `waiting for what a stopped set-up left running (${alive.join(', ')}; remove ${lock} if that is not so)`
}
