/** Servers and workers whose log cannot be written: a full disk, a reader that is gone. */
import { spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync, statSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../../bench/support/ports'
import { ROOT } from '../../bench/support/reference'
import { describeQueue, QueueRoom } from '../support/queue'
import { until } from '../support/until'

const MAIN = join(ROOT, 'dist', 'cli', 'main.js')

type Kind = 'serve' | 'worker'

/** One whose standard output is `stdout`: what it says must be asked of its port. `before` is bash. */
async function started(room: QueueRoom, kind: Kind, stdout: number | 'pipe', before = ':') {
  const port = await freePort()
  const flags = kind === 'serve' ? ['--port', `${port}`] : ['--worker-port', `${port}`, '--threads', '1']
  const args = [kind, '--queue', room.redis.url, '--store', room.store, '--drain-seconds', '0', ...flags]
  const command = `${before}; exec "$0" "$@"`
  const child = spawn('bash', ['-c', command, process.execPath, MAIN, ...args], {
    stdio: ['ignore', stdout, 'pipe'],
  })
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  let err = ''
  child.stderr?.on('data', (data) => {
    err += data
  })
  const url = `http://127.0.0.1:${port}`
  const status = (path: string) => fetch(url + path).then(({ status }) => status, String)
  return {
    child,
    ended,
    err: () => err,
    /** Of an answer; a server has a line in its log for each. */
    status,
    /** A worker hears signals once it is ready; a server without workers never is. */
    answers: () =>
      until(async () => (await status(kind === 'worker' ? '/readyz' : '/healthz')) === 200, 60_000),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await ended
    },
  }
}

const warning = (reason: string) =>
  new RegExp(
    `^\\(node:\\d+\\) WuerstchenWarning: Expected to write the log to standard output but ${reason}[^\\n]*\\n` +
      '\\(Use `node --trace-warnings [^\\n]*\\n$',
  )

async function expectOneWarning(running: Awaited<ReturnType<typeof started>>, reason: string): Promise<void> {
  await running.answers()
  await until(() => running.err().endsWith('created)\n'))
  for (let i = 0; i < 5; i++) expect(await running.status('/healthz')).toBe(200)
  running.child.kill('SIGTERM')
  expect(await running.ended).toBe(0)
  expect(running.err()).toMatch(warning(reason))
}

const isLinux = process.platform === 'linux'
const onLinux = isLinux ? it.each : it.skip.each
const itOnLinux = isLinux ? it : it.skip

describeQueue('a log that cannot be written', () => {
  onLinux(['serve', 'worker'] as const)(
    'on a full disk is one warning of %s, which goes on and ends as ever',
    async (kind) => {
      await using room = await QueueRoom.open()
      const full = openSync('/dev/full', 'w')
      await using running = await started(room, kind, full)
      closeSync(full)
      await expectOneWarning(running, 'ENOSPC: no space left on device')
    },
  )

  it.each(['serve', 'worker'] as const)(
    'to a reader that is gone is one warning of %s, which goes on and ends as ever',
    async (kind) => {
      await using room = await QueueRoom.open()
      await using running = await started(room, kind, 'pipe')
      const { stdout } = running.child
      await new Promise((resolve) => stdout?.once('data', resolve))
      stdout?.destroy()
      await expectOneWarning(running, 'EPIPE: broken pipe')
    },
  )

  itOnLinux('is written again once there is room', async () => {
    await using room = await QueueRoom.open()
    const file = join(room.folder, 'log')
    await using running = await started(room, 'serve', openSync(file, 'a'), 'ulimit -f 4')
    await running.answers()
    const asks = async (done: () => boolean) =>
      until(async () => (await running.status('/healthz')) === 200 && done())
    await asks(() => running.err() !== '')
    expect(running.err()).toMatch(warning('EFBIG: file too large'))
    expect(statSync(file).size).toBe(4096)
    truncateSync(file)
    await asks(() => readFileSync(file, 'utf8').includes('"msg":"request"'))
    running.child.kill('SIGTERM')
    expect(await running.ended).toBe(0)
    expect(readFileSync(file, 'utf8')).toMatch(/"msg":"stopped"\}\n$/)
  })
})
