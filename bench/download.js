'use strict'
// npm run bench:download — a model of 260 parts (4.3 GB) from a hub on loopback: alone, three loads of one process, four
// processes, and through twenty SIGKILLs at random moments. Ends with 1 if anything is not whole, or something is left over.

const { fork, spawn } = require('node:child_process')
const { createHash } = require('node:crypto')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { setTimeout: sleep } = require('node:timers/promises')
const { parseArgs } = require('node:util')
const { REPOSITORY, WEIGHTS } = require('./support/big-hub')
const { Report } = require('./support/manual')
const { machine } = require('./support/statistics')
const { table } = require('./support/tables')

const { values } = parseArgs({
  options: {
    parts: { type: 'string', default: '260' },
    kills: { type: 'string', default: '20' },
    /** Where the model is downloaded to, one copy at a time. */
    folder: { type: 'string', default: os.tmpdir() },
    docs: { type: 'boolean', default: false }, // into docs/benchmarks.md
  },
})
const PART_BYTES = 16 * 1024 * 1024
const SIZE = Number(values.parts) * PART_BYTES - 12_345

const once = (emitter, event) => new Promise((done) => emitter.once(event, done))

/** The hub, in a process of its own: a downloader must not wait for it on its own thread. */
async function startHub() {
  const child = fork(path.join(__dirname, 'support', 'big-hub.js'), [String(SIZE)])
  const { endpoint, sha256 } = await once(child, 'message')
  return {
    endpoint,
    sha256,
    /** Ranges asked for since the last time. */
    requests: async () => {
      const answer = once(child, 'message')
      child.send('requests')
      return answer
    },
    stop: () => child.kill(),
  }
}

/** A downloader; `ended` gives what it printed, or null when it was killed. */
function download(hub, cache, loads = 1) {
  const script = path.join(__dirname, 'support', 'download-child.js')
  const args = [script, hub.endpoint, cache, REPOSITORY, String(loads)]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.on('data', (chunk) => (text += chunk))
  const ended = once(child, 'close').then(() => (text === '' ? null : JSON.parse(text)))
  return { child, ended }
}

const CASES = {
  alone: async (hub, cache) => [await download(hub, cache).ended],
  'three loads of one process': async (hub, cache) => [await download(hub, cache, 3).ended],
  'four processes': (hub, cache) => Promise.all(Array.from({ length: 4 }, () => download(hub, cache).ended)),
  [`one, killed ${values.kills} times`]: killed,
}

/** What is noted as done may only grow: `lost` counts the parts that a kill took away. */
async function killed(hub, cache, { aloneSeconds }) {
  let kills = 0
  let lost = 0
  let done = 0
  while (kills < Number(values.kills)) {
    const { child, ended } = download(hub, cache)
    // Twenty such times are a little less than the whole download takes.
    await sleep(50 + Math.random() * ((1600 * aloneSeconds) / Number(values.kills)))
    child.kill('SIGKILL')
    if ((await ended) !== null) break
    kills += 1
    const found = notedIn(cache)
    lost += Math.max(0, done - found)
    done = found
  }
  const last = await download(hub, cache).ended
  return [
    last && { ...last, remark: `${kills} kills, ${done} parts were there after the last, ${lost} lost` },
  ]
}

function notedIn(cache) {
  const blobs = path.join(cache, 'models--bench--large', 'blobs')
  const notes = namesIn(blobs).find((name) => name.endsWith('parts.json'))
  return notes === undefined ? 0 : JSON.parse(fs.readFileSync(path.join(blobs, notes), 'utf8')).done.length
}

/** What is wrong with the cache, or null. */
async function wrongWith(cache, folder, sha256) {
  const hash = createHash('sha256')
  const file = path.join(folder, WEIGHTS)
  for await (const chunk of fs.createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(chunk)
  if (hash.digest('hex') !== sha256) return 'another hash'
  const expected = ['blobs', 'refs', 'snapshots', 'main', 'config.json', WEIGHTS].length + 3 // commit, two blobs
  const found = fs.readdirSync(path.join(cache, 'models--bench--large'), { recursive: true })
  const locks = fs.readdirSync(path.join(cache, '.locks'), { recursive: true })
  return found.length === expected && locks.length === 1
    ? null
    : `left over: ${[...found, ...locks].join(', ')}`
}

function namesIn(folder) {
  return fs.existsSync(folder) ? fs.readdirSync(folder) : []
}

async function main() {
  console.log(machine())
  const hub = await startHub()
  const rows = []
  let aloneSeconds = 0
  for (const [name, run] of Object.entries(CASES)) {
    const cache = fs.mkdtempSync(path.join(values.folder, 'wuerstchen-download-'))
    try {
      const started = performance.now()
      const ends = await run(hub, cache, { aloneSeconds })
      const seconds = (performance.now() - started) / 1000
      aloneSeconds ||= seconds
      const { count, distinct } = await hub.requests()
      const failed = ends.some((end) => end === null)
      const wrong = failed ? 'a process failed' : await wrongWith(cache, ends[0].folder, hub.sha256)
      if (wrong !== null) process.exitCode = 1
      rows.push([
        name,
        wrong ?? 'yes',
        seconds.toFixed(1),
        (SIZE / 1e6 / seconds).toFixed(0),
        `${count} of ${distinct}`,
        failed ? '-' : Math.max(...ends.map(({ megabytes }) => megabytes)).toFixed(0),
        ends[0]?.remark ?? '',
      ])
    } finally {
      fs.rmSync(cache, { recursive: true, force: true })
    }
  }
  hub.stop()
  const what = `${values.parts} parts, ${(SIZE / 1e9).toFixed(1)} GB`
  const report = new Report('download', values)
  report.line(table([what, 'whole', 's', 'MB/s', 'requests, of parts', 'peak RSS, MB', ''], rows))
  report.end()
}

main()
