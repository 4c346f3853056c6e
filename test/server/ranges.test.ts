/** Ranges of what clients send: one source, which validates, documents and is in the guide. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../../bench/support/reference'
import { newKey } from '../../lib/server'
import { type Json, type Served, serveFake } from '../support/http-server'

const QUICK = { prior_num_inference_steps: 3, num_inference_steps: 2 }
const post = async (served: Served, body: object, headers: Record<string, string> = {}) => {
  const response = await served.post('/v1/jobs', { prompt: 'x', ...body }, headers)
  return { status: response.status, body: await response.json() }
}

const document: Json = JSON.parse(readFileSync(join(ROOT, 'docs', 'openapi.json'), 'utf8'))
const guide = readFileSync(join(ROOT, 'docs', 'server.md'), 'utf8')

interface Range {
  readonly minimum: number
  readonly maximum: number
}

/** By name: every number that a client may send, from the document. */
function documented(): Map<string, Range> {
  const { JobCreate, ImagesRequest } = document.components.schemas
  const headers = document.paths['/v1/jobs'].post.parameters.map(({ name, schema }: Json) => [name, schema])
  const fields = [
    ...Object.entries(JobCreate.properties),
    ...Object.entries(ImagesRequest.properties),
    ...headers,
  ]
  const numbers = fields.filter(([, schema]) => schema.maximum !== undefined)
  return new Map(numbers.map(([name, { minimum, maximum }]) => [name, { minimum, maximum }]))
}

/** The guide's table: names, "A to B". */
function inGuide(): Map<string, Range> {
  const section = /### Ranges[^#]*/.exec(guide)?.[0] ?? ''
  const rows = [...section.matchAll(/^\| (`.*?) \| (-?[\d,]+) to ([\d,]+)/gm)]
  return new Map(
    rows.flatMap(([, names = '', minimum = '', maximum = '']) =>
      [...names.matchAll(/`([^`]+)`/g)].map(([, name = '']): [string, Range] => [
        name.toLowerCase(),
        { minimum: Number(minimum.replaceAll(',', '')), maximum: Number(maximum.replaceAll(',', '')) },
      ]),
    ),
  )
}

describe('ranges', () => {
  it('are the same in docs/server.md and in the document', () => {
    expect(documented().size).toBeGreaterThan(8)
    expect(Object.fromEntries(inGuide())).toEqual(Object.fromEntries(documented()))
  })

  it('are refused beyond, on either side, by name', async () => {
    await using served = await serveFake()
    const own = [...documented()].filter(
      ([name]) => !['partial_images', 'wuerstchen-timeout-ms'].includes(name),
    )
    for (const [name, { minimum, maximum }] of own)
      for (const value of [minimum - 1, maximum + 1]) {
        const { status, body } = await post(served, { [name]: value })
        expect([name, status, body.error?.param]).toEqual([name, 400, name])
        expect(body.error.message).toBe(
          `Expected ${name} to be from ${minimum} to ${maximum} but received ${value}`,
        )
      }
  })
})

describe('Wuerstchen-Timeout-Ms', () => {
  it('is a whole number of milliseconds, and at most what the server allows', async () => {
    await using served = await serveFake({ maxTimeoutSeconds: 20 })
    const send = (value: string) => post(served, QUICK, { 'wuerstchen-timeout-ms': value })
    for (const value of ['0', '-5', '1.5', 'soon', '86400001', '']) {
      const { status, body } = await send(value)
      expect([value, status, body.error?.param]).toEqual([value, 400, 'wuerstchen-timeout-ms'])
    }
    const beyond = await send('20001')
    expect([beyond.status, beyond.body.error.message]).toEqual([
      400,
      'Expected wuerstchen-timeout-ms to be at most 20000 ms but received 20001',
    ])
    expect((await send('20000')).status).toBe(202)
    expect((await (await served.get('/v1/info')).json()).limits.max_timeout_ms).toBe(20_000)
  })
})

describe('Idempotency-Key', () => {
  it('is visible ASCII, 255 characters at most', async () => {
    await using served = await serveFake()
    const send = (value: string) => post(served, QUICK, { 'idempotency-key': value })
    for (const value of ['a b', '', 'x'.repeat(256), 'ü']) {
      const { status, body } = await send(value)
      expect([value, status, body.error?.param]).toEqual([value, 400, 'idempotency-key'])
      expect(body.error.message).toContain('to be 1 to 255 visible ASCII characters but received')
    }
    expect((await send('~'.repeat(255))).status).toBe(202)
  })
})

describe('priority', () => {
  it('above that of the key counts as that, and the answer says so', async () => {
    const { key, entry } = newKey('web')
    await using served = await serveFake({ keys: [{ ...entry, priority: 2 }] })
    const authorization = { authorization: `Bearer ${key}` }
    const priorityOf = async (body: object) => (await post(served, { ...QUICK, ...body }, authorization)).body
    expect((await priorityOf({ priority: 10 })).request.priority).toBe(2)
    expect((await priorityOf({ priority: -3 })).request.priority).toBe(-3)
    expect((await priorityOf({})).request.priority).toBe(2)
    expect((await priorityOf({ priority: 11 })).error.param).toBe('priority')
  })
})
