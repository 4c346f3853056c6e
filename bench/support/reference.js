'use strict'
// diffusers beside us: a Python process that answers the same requests from the same folders (scripts/reference.py).

const { spawn, spawnSync } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const readline = require('node:readline')

const ROOT = path.join(__dirname, '..', '..')
const PYTHON = path.join(ROOT, '.venv', 'bin', 'python')
const FIXTURES = path.join(ROOT, '.fixtures')

/** Makes the random checkpoints and their graphs if they are missing; returns their folder. */
function ensureFixtures() {
  const made = spawnSync(PYTHON, ['-m', 'scripts.fixtures', FIXTURES], { cwd: ROOT, encoding: 'utf8' })
  if (made.status !== 0) throw new Error(`scripts.fixtures failed:\n${made.stderr}`)
  return FIXTURES
}

class Reference {
  /** Starts diffusers on a checkpoint in the hub layout; `ready()` resolves when it is loaded. */
  constructor(decoder, prior, { threads = os.availableParallelism(), dtype = 'float32' } = {}) {
    const args = ['-m', 'scripts.reference', decoder, prior, '--threads', String(threads), '--dtype', dtype]
    this.stderr = ''
    this.process = spawn(PYTHON, args, { cwd: ROOT, stdio: ['pipe', 'pipe', 'pipe'] })
    this.process.stderr.on('data', (chunk) => {
      this.stderr = (this.stderr + chunk).slice(-4000)
    })
    this.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'wuerstchen-reference-'))
    this.lines = readline.createInterface({ input: this.process.stdout })[Symbol.asyncIterator]()
  }

  async answer() {
    const { value, done } = await this.lines.next()
    if (done) throw new Error(`The reference ended early:\n${this.stderr}`)
    return JSON.parse(value)
  }

  async ready() {
    await this.answer()
    return this
  }

  /** Pictures of one prompt, as `[{ data, width, height }]`, and the seconds they took. */
  async generate(request) {
    const out = path.join(this.folder, 'pictures')
    this.process.stdin.write(`${JSON.stringify({ ...request, out })}\n`)
    const { shape, seconds } = await this.answer()
    const [count, height, width, channels] = shape
    const all = fs.readFileSync(out)
    const size = height * width * channels
    const images = Array.from({ length: count }, (_, index) => ({
      data: all.subarray(index * size, (index + 1) * size),
      width,
      height,
    }))
    return { images, seconds }
  }

  async close() {
    this.process.stdin.end()
    await new Promise((resolve) => this.process.once('exit', resolve))
    fs.rmSync(this.folder, { recursive: true, force: true })
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
