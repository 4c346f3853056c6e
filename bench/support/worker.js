'use strict'
// A process that loads a model and answers requests, one line of JSON each way: the package's and diffusers' speak the
// same. That is how the two are compared live, each with a memory of its own.

const { spawn } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const readline = require('node:readline')

/** Workers that were ever stopped: they could not notice the end of their parent. */
const pausable = new Set()

/** Nobody is left behind stopped, however this process ends. */
function guard(worker) {
  if (pausable.size === 0) {
    process.on('exit', () => {
      for (const { process: child } of pausable) child.kill('SIGKILL')
    })
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1))
  }
  pausable.add(worker)
}

class Worker {
  constructor(command, args, options = {}) {
    this.stderr = ''
    this.started = performance.now()
    this.process = spawn(command, args, { ...options, stdio: ['pipe', 'pipe', 'pipe'] })
    this.process.stdin.on('error', () => {}) // whoever ended early is found by what does not come back
    this.process.stderr.on('data', (chunk) => {
      this.stderr = (this.stderr + chunk).slice(-4000)
    })
    this.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'wuerstchen-worker-'))
    this.lines = readline.createInterface({ input: this.process.stdout })[Symbol.asyncIterator]()
  }

  async answer() {
    const { value, done } = await this.lines.next()
    if (done) throw new Error(`${this.process.spawnfile} ended early:\n${this.stderr}`)
    return JSON.parse(value)
  }

  /** Resolves when the model is loaded. */
  async ready() {
    const { seconds } = await this.answer()
    this.loadSeconds = seconds
    this.startSeconds = (performance.now() - this.started) / 1000
    return this
  }

  async ask(request) {
    this.process.stdin.write(`${JSON.stringify(request)}\n`)
    return await this.answer()
  }

  /** Pictures of one prompt, as `[{ data, width, height }]`, and the seconds they took. */
  async generate(request) {
    const out = path.join(this.folder, 'pictures')
    const { shape, seconds } = await this.ask({ ...request, out })
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

  /** Bytes that the process holds (Linux): `rss`, `pss` (shared pages divided among their users), `peak` of rss. */
  memory() {
    const folder = `/proc/${this.process.pid}`
    const field = (file, name) => {
      const line = fs
        .readFileSync(`${folder}/${file}`, 'utf8')
        .match(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm'))
      return Number(line[1]) * 1024
    }
    return {
      rss: field('smaps_rollup', 'Rss'),
      pss: field('smaps_rollup', 'Pss'),
      peak: field('status', 'VmHWM'),
    }
  }

  /** Stopped, it takes no time from the one that is measured, whatever its threads do while they wait. POSIX only. */
  pause() {
    guard(this)
    this.process.kill('SIGSTOP')
  }

  resume() {
    this.process.kill('SIGCONT')
  }

  async close() {
    this.resume()
    this.process.stdin.end()
    const { exitCode, signalCode } = this.process
    const ended = exitCode !== null || signalCode !== null
    if (!ended) await new Promise((resolve) => this.process.once('exit', resolve))
    pausable.delete(this)
    fs.rmSync(this.folder, { recursive: true, force: true })
  }
}

module.exports = { Worker }
