'use strict'
/** Looking at somebody else's lock: who holds it, and whether that one still lives. */

const fs = require('node:fs')
const { performance } = require('node:perf_hooks')
const { codeOf, parseHolder, stateOf } = require('./holder')

/** Signs of life that a holder gives in the time after which a silent one is dead. */
const BEATS = 15
/** The most that counts as watched between two looks. Who was itself stopped for a minute has seen nothing of it. */
const LONGEST_LOOK_MS = 300

/**
 * @typedef {import('./holder').Holder} Holder
 * @typedef {{ readonly text: string, readonly holder: Holder | null, readonly ino: number, readonly mtimeMs: number }} Found
 */

/**
 * @param {string} path
 * @returns {Found | null}
 */
function look(path) {
  try {
    const text = fs.readFileSync(path, 'utf8')
    const { ino, mtimeMs } = fs.statSync(path)
    return { text, holder: parseHolder(text), ino, mtimeMs }
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null
    throw error
  }
}

/** Looks at one lock again and again. Other machines' clocks are not compared with this one's: what counts is change. */
class Watch {
  /** @param {number} deadAfterMs */
  constructor(deadAfterMs) {
    this.deadAfterMs = deadAfterMs
    this.last = ''
    this.lookedAt = performance.now()
    this.silentMs = 0
  }

  /** @param {Found} found */
  isDead({ text, holder, ino, mtimeMs }) {
    const seen = `${ino} ${mtimeMs} ${text}`
    const now = performance.now()
    const watchedMs = Math.min(now - this.lookedAt, LONGEST_LOOK_MS)
    this.silentMs = seen === this.last ? this.silentMs + watchedMs : 0
    this.lookedAt = now
    this.last = seen
    const state = stateOf(holder)
    if (state === 'ended') return true
    if (state === 'left programs running') return false
    return this.silentMs > this.patienceWith(text, mtimeMs)
  }

  /**
   * How long one is watched that does not move.
   * @private
   * @param {string} text
   * @param {number} mtimeMs
   */
  patienceWith(text, mtimeMs) {
    // Killed before it had written its name, which is one step after the file is made.
    if (text === '') return (2 * this.deadAfterMs) / BEATS
    const seemsSilentForLong = Date.now() - mtimeMs > this.deadAfterMs
    return seemsSilentForLong ? (3 * this.deadAfterMs) / BEATS : this.deadAfterMs
  }
}

module.exports = { BEATS, look, Watch }
