'use strict'
// diffusers beside us: a Python process that answers the same requests from the same folders (scripts/reference.py).

const { spawnSync } = require('node:child_process')
const os = require('node:os')
const path = require('node:path')
const { Worker } = require('./worker')

const ROOT = path.join(__dirname, '..', '..')
const PYTHON = path.join(ROOT, '.venv', 'bin', 'python')
const FIXTURES = path.join(ROOT, '.fixtures')

let fixtures = null

/** Makes the random checkpoints and their graphs if they are missing; returns their folder. Python is asked once a process. */
function ensureFixtures() {
  fixtures ??= makeFixtures()
  return fixtures
}

function makeFixtures() {
  // A sanitizer that is preloaded is meant for the addon: it makes Python many times slower.
  const env = { ...process.env, LD_PRELOAD: '' }
  const made = spawnSync(PYTHON, ['-m', 'scripts.fixtures', FIXTURES], { cwd: ROOT, encoding: 'utf8', env })
  if (made.status !== 0) throw new Error(`scripts.fixtures failed:\n${made.stderr}`)
  return FIXTURES
}

/** diffusers on a checkpoint in the hub layout. */
class Reference extends Worker {
  constructor(
    decoder,
    prior,
    { threads = os.availableParallelism(), dtype = 'float32', device = 'cpu' } = {},
  ) {
    const how = { threads: String(threads), dtype, device }
    const flags = Object.entries(how).flatMap(([name, value]) => [`--${name}`, value])
    const args = ['-m', 'scripts.reference', decoder, prior, ...flags]
    super(PYTHON, args, { cwd: ROOT })
  }
}

/** Largest and mean difference of two pictures of one size, in 8-bit levels. */
function difference(a, b) {
  if (a.width !== b.width || a.height !== b.height) {
    throw new Error(`Expected ${b.width}x${b.height} but received ${a.width}x${a.height}`)
  }
  let largest = 0
  let sum = 0
  for (let index = 0; index < a.data.length; index++) {
    const levels = Math.abs(a.data[index] - b.data[index])
    if (levels > largest) largest = levels
    sum += levels
  }
  return { largest, mean: sum / a.data.length }
}

module.exports = { ROOT, PYTHON, FIXTURES, Reference, difference, ensureFixtures }
