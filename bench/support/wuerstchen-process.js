/** `wuerstchen serve` or `wuerstchen worker` as a process. */
const { spawn } = require('node:child_process')
const { join } = require('node:path')

const MAIN = join(__dirname, '..', '..', 'dist', 'cli', 'main.js')

/** Resolves once it says that it is ready. */
async function startWuerstchen(args, env = {}) {
  const child = spawn(process.execPath, [MAIN, ...args], { env: { ...process.env, ...env } })
  let out = ''
  let url = ''
  const heard = new Set()
  const hear = (data) => {
    out = (out + data).slice(-100_000)
    if (url === '') url = /Server listening at (http:[^"]+)/.exec(out)?.[1] ?? ''
    for (const check of [...heard]) check()
  }
  child.stdout.on('data', hear)
  child.stderr.on('data', hear)
  const ended = new Promise((resolve) =>
    child.once('close', (code) => {
      resolve(code)
      for (const check of [...heard]) check()
    }),
  )
  /** Resolves with true once it has said that; with false where it ended before. */
  const says = (text) =>
    new Promise((resolve) => {
      const check = () => {
        const over = child.exitCode !== null || child.signalCode !== null
        if (!out.includes(text) && !over) return
        heard.delete(check)
        resolve(out.includes(text))
      }
      heard.add(check)
      check()
    })
  const running = {
    child,
    ended,
    says,
    output: () => out,
    url: () => url,
    /** Resolves with the exit code, null for one that a signal ended. */
    stop(signal = 'SIGTERM') {
      child.kill(signal)
      return ended
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await ended
    },
  }
  return running
}

/** @param {readonly string[]} args */
async function startServer(args, env) {
  const running = await startWuerstchen(['serve', '--port', '0', ...args], env)
  await expectSays(running, 'Server listening at')
  return running
}

/** On one thread: workers share the machine. */
async function startWorker(args, env) {
  const running = await startWuerstchen(['worker', '--threads', '1', '--device', 'cpu', ...args], env)
  await expectSays(running, '"msg":"ready"')
  return running
}

async function expectSays(running, text) {
  if (await running.says(text)) return
  throw new Error(`Expected a process to say ${text} but it ended: ${running.output()}`)
}

module.exports = { startWuerstchen, startServer, startWorker }
