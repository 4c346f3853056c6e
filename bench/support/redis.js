/** A redis-server of its own: a free port, a folder for its append-only file, every write on the disk before its answer. */
const { spawn, spawnSync } = require('node:child_process')
const { mkdtempSync, rmSync } = require('node:fs')
const { connect } = require('node:net')
const { tmpdir } = require('node:os')
const { join } = require('node:path')
const { freePort } = require('./ports')

const PROGRAM = process.env.REDIS_SERVER ?? 'redis-server'

const hasRedis = () => spawnSync(PROGRAM, ['--version']).status === 0

/** @param {{fsync?: 'always' | 'everysec', cable?: any, open?: boolean}} [options] `cable`: of cable.js; it runs at the far
 * end. `open`: listens on all of the machine's addresses. */
async function startRedis({ fsync = 'always', cable = null, open = false } = {}) {
  const host = cable?.host ?? '127.0.0.1'
  const folder = mkdtempSync(join(tmpdir(), 'wuerstchen-redis-'))
  const port = await freePort()
  let child = run()
  await answers(host, port)
  return {
    port,
    folder,
    url: `redis://${host}:${port}`,
    get pid() {
      return child.pid
    },
    /** SIGKILL: what was not on the disk is gone. */
    async kill() {
      await ended(child, 'SIGKILL')
    },
    /** Becomes a replica of another one. */
    async follow(other) {
      await ask(host, port, `REPLICAOF 127.0.0.1 ${other.port}`)
    },
    /** On the same port, with what the file holds. */
    async start() {
      child = run()
      await answers(host, port)
    },
    async [Symbol.asyncDispose]() {
      await ended(child, 'SIGKILL')
      rmSync(folder, { recursive: true, force: true })
    },
  }

  function run() {
    const persistence = ['--appendonly', 'yes', '--appendfsync', fsync, '--save', '']
    const args = ['--port', String(port), '--bind', open ? '0.0.0.0' : host, '--dir', folder, ...persistence]
    const [program, ...first] = [...(cable?.command ?? []), PROGRAM]
    const far = cable === null ? [] : ['--protected-mode', 'no']
    const limits = ['--maxmemory-policy', 'noeviction', '--repl-diskless-sync-delay', '0']
    return spawn(program, [...first, ...args, ...limits, ...far], { stdio: 'ignore' })
  }
}

function ended(child, signal) {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve()
  return new Promise((resolve) => {
    child.once('close', resolve)
    child.kill(signal)
  })
}

async function answers(host, port, ms = 30_000) {
  const end = Date.now() + ms
  while (!(await ask(host, port, 'PING'))?.startsWith('+PONG')) {
    if (Date.now() > end) throw new Error(`Expected redis-server to answer within ${ms} ms`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** Its answer to one command; null where it has none. Until it has read its file that is LOADING. */
function ask(host, port, command) {
  return new Promise((resolve) => {
    const socket = connect(port, host, () => socket.write(`${command}\r\n`))
    const done = (answer) => {
      socket.destroy()
      resolve(answer)
    }
    socket.once('data', (data) => done(String(data)))
    socket.once('error', () => done(null))
  })
}

module.exports = { hasRedis, startRedis }
