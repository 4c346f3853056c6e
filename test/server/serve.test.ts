import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { ROOT } from '../../bench/support/reference'
import { until } from '../support/http-server'
import { describeBundled } from '../support/models'

const MAIN = join(ROOT, 'dist', 'cli', 'main.js')

interface Run {
  readonly child: ChildProcess
  readonly out: () => string
  readonly err: () => string
  readonly ended: Promise<number | null>
}

function run(args: readonly string[], env: Record<string, string> = {}): Run {
  const child = spawn(process.execPath, [MAIN, ...args], { env: { ...process.env, ...env } })
  let [out, err] = ['', '']
  child.stdout.on('data', (data) => {
    out += data
  })
  child.stderr.on('data', (data) => {
    err += data
  })
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  return { child, out: () => out, err: () => err, ended }
}

describe('wuerstchen serve', () => {
  it('prints its settings and exits by --check-config', async () => {
    const checking = run(['serve', '--check-config', '--max-queue', '7'])
    expect(await checking.ended).toBe(0)
    expect(JSON.parse(checking.out())).toMatchObject({ maxQueue: 7, host: '127.0.0.1', keys: [] })
  })

  it('prints every mistake and exits with 2', async () => {
    const checking = run(['serve', '--port', 'x', '--host', '0.0.0.0'], { WUERSTCHEN_SERVE_PROT: '1' })
    expect(await checking.ended).toBe(2)
    expect(checking.err()).toMatch(
      /found 3 mistakes[\s\S]*WUERSTCHEN_SERVE_PROT[\s\S]*port[\s\S]*without keys/,
    )
  })

  it('has a flag for every setting in --help', async () => {
    const helping = run(['serve', '--help'])
    expect(await helping.ended).toBe(0)
    for (const flag of ['--port', '--max-queue', '--check-config', '--drain-seconds'])
      expect(helping.out()).toContain(flag)
  })
})

describe('wuerstchen serve without a model', () => {
  it('says why and ends with 1', async () => {
    const running = run(['serve', '--port', '0', '--model', '/nowhere', '--log-level', 'silent'])
    expect(await running.ended).toBe(1)
    expect(running.err()).toMatch(/^error \[ERR_WUERSTCHEN_/)
  })
})

describe('wuerstchen key', () => {
  it('makes a key whose hash lets it in', async () => {
    const making = run(['key', 'web', '--json'])
    expect(await making.ended).toBe(0)
    const { key, entry } = JSON.parse(making.out())
    const { Keys } = require('../../lib/server/keys') as typeof import('../../lib/server/keys')
    const keys = new Keys([entry], { maxJobsPerKey: 1, requestsPerMinute: 0 })
    expect(keys.find(`Bearer ${key}`)).toMatchObject({ name: 'web' })
    expect(keys.find(`Bearer ${key}x`)).toBeNull()
    expect(making.out()).toContain('wk-')
  })
})

describeBundled('wuerstchen serve with a model', () => {
  it('answers, and finishes what it accepted after SIGTERM', async () => {
    const running = run(['serve', '--port', '0', '--threads', '1', '--device', 'cpu'])
    try {
      await until(() => running.out().includes('"msg":"ready"'), 60_000)
      const url = /Server listening at (http:[^"]+)/.exec(running.out())?.[1] ?? ''
      const post = (path: string, body: object) =>
        fetch(url + path, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(body),
        })
      const waiting = post('/v1/images/generations', {
        prompt: 'a red circle',
        size: '128x128',
        wuerstchen: { prior_num_inference_steps: 40, num_inference_steps: 20 },
      })
      await until(() => running.out().includes('job accepted'))
      running.child.kill('SIGTERM')
      await until(() => running.out().includes('"msg":"draining"'))
      expect((await post('/v1/jobs', { prompt: 'x' }).catch(() => ({ status: 503 }))).status).toBe(503)
      const answer = await waiting
      expect(answer.status).toBe(200)
      expect(((await answer.json()) as { data: unknown[] }).data).toHaveLength(1)
      expect(await running.ended).toBe(0)
      expect(running.out()).toContain('"msg":"stopped"')
      expect(running.out()).toContain('No API keys are configured')
    } finally {
      running.child.kill('SIGKILL')
    }
  })
})

describe('wuerstchen worker', () => {
  it('wants a queue', async () => {
    const running = run(['worker'])
    expect(await running.ended).toBe(2)
    expect(running.err()).toContain('Expected --queue')
  })

  it('has the settings of the server, and shows no password', async () => {
    const checking = run(['worker', '--check-config', '--queue', 'redis://user:secret@broker:6379'])
    expect(await checking.ended).toBe(0)
    expect(JSON.parse(checking.out())).toMatchObject({ queue: 'redis://…@broker:6379', concurrency: 8 })
    expect(checking.out()).not.toContain('secret')
  })
})
