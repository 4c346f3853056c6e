'use strict'
// `wuerstchen serve` as a process of its own, on a free port, and what it says of itself.

const { spawn } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const { setTimeout: sleep } = require('node:timers/promises')
const { percentile } = require('./crowd')
const { ROOT } = require('./reference')

/** Starts a server program; resolves once `/readyz` is 200. */
async function startServer(command, args, { port, env = {}, cwd = ROOT, ready = '/readyz' }) {
  const child = spawn(command, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let err = ''
  child.stderr.on('data', (data) => {
    err = (err + data).slice(-4000)
  })
  const url = `http://127.0.0.1:${port}`
  for (;;) {
    if (child.exitCode !== null) throw new Error(`${command} ended early:\n${err}`)
    const answer = await fetch(url + ready).catch(() => null)
    if (answer?.ok) break
    await answer?.body?.cancel()
    await sleep(200)
  }
  return {
    url,
    port,
    child,
    rss: () => residentBytes(child.pid),
    files: () => fs.readdirSync(`/proc/${child.pid}/fd`).length,
    alive: () => child.exitCode === null && child.signalCode === null,
    async stop() {
      child.kill('SIGTERM')
      if (child.exitCode === null) await new Promise((resolve) => child.once('exit', resolve))
      return child.exitCode
    },
  }
}

function serveOurs(flags, { port }) {
  const main = path.join(ROOT, 'dist', 'cli', 'main.js')
  const args = [main, 'serve', '--port', String(port), '--log-level', 'silent', ...flags]
  return startServer(process.execPath, args, { port })
}

/** p99 of /healthz in milliseconds, asked every 50 ms. */
async function healthFor(url, duration) {
  const end = performance.now() + 1000 * duration
  const latencies = []
  while (performance.now() < end) {
    const started = performance.now()
    const answer = await fetch(`${url}/healthz`)
    await answer.text()
    latencies.push(performance.now() - started)
    await sleep(50)
  }
  return percentile(
    latencies.sort((a, b) => a - b),
    0.99,
  )
}

/** Linux. */
function residentBytes(pid) {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kilobytes) * 1024
}

module.exports = { healthFor, serveOurs, startServer }
