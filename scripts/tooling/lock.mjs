/** One set-up at a time, and none while commands of a stopped one (pip, a compiler) still run. */
import { join, relative } from 'node:path'
import holding from '../../lib/files/holder.js'
import locks from '../../lib/files/lock.js'
import { ROOT, STATE } from './places.mjs'

const LOCK = join(STATE, 'lock')

export async function takeLock(say) {
  const lock = await locks.takeLock(LOCK, { onWait: (holder) => say(waitingFor(holder)) })
  return {
    started: (pid) => lock.started(pid),
    ended: (pid) => lock.ended(pid),
    release: () => lock.release(),
  }
}

function waitingFor(holder) {
  const remove = `remove ${relative(ROOT, LOCK)} if`
  if (holder === null || holding.stateOf(holder) !== 'left programs running' || holding.isAlive(holder.own))
    return `waiting for another set-up (process ${holder?.own.pid ?? 'unknown'}; ${remove} that is not one)`
  const left = holder.started.filter(holding.isAlive).map(({ pid }) => pid)
  return `waiting for what a stopped set-up left running (${left.join(', ')}; ${remove} that is not so)`
}
