import { until } from '../support/http-server'
import { describeBundled } from '../support/models'
import { run } from '../support/wuerstchen-run'

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
