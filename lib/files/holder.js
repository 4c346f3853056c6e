'use strict'
/**
 * Who holds a lock, and whether its processes still run. Process ids mean something only to those who share them: a holder
 * names its machine, since when that runs, and its space of process ids, for containers on one volume often have equal
 * names and ids.
 */

const fs = require('node:fs')
const { hostname } = require('node:os')

/**
 * @typedef {{ readonly pid: number, readonly since: string | null }} Process `since` tells it from a later one of that id.
 * @typedef {object} Holder
 * @property {string} id Of this holding, never used again.
 * @property {string} place
 * @property {Process} own
 * @property {readonly Process[]} started What runs for it, and may outlive it.
 */

/** Where process ids mean the same. */
function placeOf() {
  const boot = textIfAny('/proc/sys/kernel/random/boot_id')?.trim() ?? ''
  return `${hostname()} ${boot} ${targetIfAny('/proc/self/ns/pid') ?? ''}`
}

/**
 * @param {number} pid
 * @returns {Process}
 */
function processOf(pid) {
  return { pid, since: statusOf(pid)?.since ?? null }
}

/**
 * What can be seen of a holder from here: null where it lives elsewhere, or nothing is known of it.
 * @param {Holder | null} holder
 * @returns {'runs' | 'left programs running' | 'ended' | null}
 */
function stateOf(holder) {
  if (holder === null || holder.place !== placeOf()) return null
  if (holder.started.some(isAlive)) return 'left programs running'
  return isAlive(holder.own) ? 'runs' : 'ended'
}

/** @param {Process} process */
function isAlive({ pid, since }) {
  try {
    process.kill(pid, 0)
  } catch (error) {
    if (codeOf(error) !== 'EPERM') return false
  }
  const status = statusOf(pid)
  if (status === null) return true // this system does not tell more
  // Z: ended, but nobody has asked how. A container often has no init process that would.
  return status.state !== 'Z' && (since === null || status.since === since)
}

/** @param {number} pid */
function statusOf(pid) {
  // The name before the last parenthesis may hold anything.
  const fields = textIfAny(`/proc/${pid}/stat`)?.split(')').at(-1)?.trim().split(' ')
  return fields === undefined ? null : { state: fields[0], since: fields[19] ?? null }
}

/**
 * Null while it is being written, and for what others put there.
 * @param {string} text
 * @returns {Holder | null}
 */
function parseHolder(text) {
  try {
    const holder = JSON.parse(text)
    const isHolder = typeof holder.own.pid === 'number' && Array.isArray(holder.started)
    return isHolder ? holder : null
  } catch {
    return null
  }
}

/** @param {string} path */
function textIfAny(path) {
  try {
    return fs.readFileSync(path, 'utf8')
  } catch {
    return null
  }
}

/** @param {string} path */
function targetIfAny(path) {
  try {
    return fs.readlinkSync(path)
  } catch {
    return null
  }
}

/**
 * @param {unknown} error
 * @returns {unknown}
 */
function codeOf(error) {
  return /** @type {{ code?: unknown } | null} */ (error)?.code
}

module.exports = { codeOf, isAlive, parseHolder, placeOf, processOf, stateOf }
