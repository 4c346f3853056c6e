'use strict'
const { mkdtempSync, rmSync } = require('node:fs')
const { tmpdir } = require('node:os')
const { join } = require('node:path')
const { setTimeout: sleep } = require('node:timers/promises')
const { freePort } = require('./ports')
const { startRedis } = require('./redis')
const { startServer, startWorker } = require('./wuerstchen-process')

const OPEN = ['--max-queue', '1000000', '--max-jobs-per-key', '100000', '--log-level', 'warn']

/** A broker, a store, and processes on them, until `use` is over. */
async function house(use, { fsync = 'always' } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'wuerstchen-bench-'))
  const redis = await startRedis({ fsync })
  const queue = ['--queue', redis.url, '--store', join(folder, 'store')]
  const all = []
  const own = async (starting) => {
    const one = await starting
    all.push(one)
    return one
  }
  const port = async () => String(await freePort())
  const served = async (flags) => {
    const at = await port()
    await own(startServer([...flags, ...OPEN, '--port', at, '--log-level', 'info'], {}))
    return readyAt(`http://127.0.0.1:${at}`)
  }
  try {
    return await use({
      redis,
      queued: () => served(queue),
      local: (threads) => served(['--threads', String(threads), '--device', 'cpu']),
      worker: (...flags) => own(startWorker([...queue, ...flags])),
      servers: all,
    })
  } finally {
    await Promise.all(all.map((one) => one[Symbol.asyncDispose]()))
    await redis[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true, force: true })
  }
}

async function readyAt(url) {
  while (!(await fetch(`${url}/readyz`)).ok) await sleep(50)
  return url
}

module.exports = { house }
