import { context, propagation, trace } from '@opentelemetry/api'
import { createServer, newKey } from '../../lib/server'
import { fakePipeline } from '../support/fake-pipeline'
import { allEventsOf, gate, serve, serveFake, until } from '../support/http-server'
import { writtenLog } from '../support/written-log'

const STEPS = { prior_num_inference_steps: 3, num_inference_steps: 2 }
const QUICK = { prompt: 'x', ...STEPS }
const PICTURE = { prompt: 'x', wuerstchen: STEPS }

describe('GET /readyz', () => {
  it('is 503 while the model loads, 200 then, and 503 while the server drains', async () => {
    const { pipeline, device } = fakePipeline()
    let loaded: (value: typeof pipeline) => void = () => undefined
    const loading = new Promise<typeof pipeline>((resolve) => {
      loaded = resolve
    })
    await using served = await serve({ pipeline: loading, drainSeconds: 20 })
    const status = async () => {
      const response = await served.get('/readyz')
      return [response.status, (await response.json()).status]
    }
    expect(await status()).toEqual([503, 'loading'])
    expect((await served.get('/healthz')).status).toBe(200)
    const early = await served.post('/v1/jobs', QUICK)
    expect([early.status, early.headers.get('retry-after')]).toEqual([503, '5'])
    loaded(pipeline)
    await served.server.backend.ready()
    expect(await status()).toEqual([200, 'ready'])
    const hold = gate(device)
    const waiting = served.post('/v1/images/generations', PICTURE)
    await hold.reached
    const closing = served.server.close()
    expect(await status()).toEqual([503, 'draining'])
    expect((await served.post('/v1/jobs', QUICK)).status).toBe(503)
    hold.open()
    // What was accepted is finished, and its client gets it.
    expect((await waiting).status).toBe(200)
    await closing
    await expect(served.get('/healthz')).rejects.toThrow()
  })

  it('says failed when the model cannot be loaded, and why is for the log', async () => {
    await using served = await serve({ pipeline: Promise.reject(new Error('/secret/path')) })
    await until(() => served.server.backend.state.name === 'failed')
    const response = await served.get('/readyz')
    expect([response.status, await response.text()]).toEqual([503, '{"status":"failed"}'])
    await expect(served.server.backend.ready()).rejects.toThrow('/secret/path')
  })

  it('has one line in the log when the model cannot be loaded, of programs too', async () => {
    const { logger, errors } = writtenLog()
    await using served = await serve({ pipeline: Promise.reject(new Error('/secret/path')), logger })
    await expect(served.server.backend.ready()).rejects.toThrow('/secret/path')
    expect(errors()).toMatchObject([
      { msg: 'this server will never be ready', err: { message: '/secret/path' } },
    ])
  })

  it('has no such line for a server that is closed while its model loads', async () => {
    const { logger, errors } = writtenLog()
    let refuse: (error: Error) => void = () => undefined
    const loading = new Promise<never>((_, reject) => {
      refuse = reject
    })
    const served = await serve({ pipeline: loading, logger })
    await served.server.close()
    refuse(new Error('closed'))
    await expect(served.server.backend.ready()).rejects.toThrow('closed')
    expect(errors()).toEqual([])
  })

  it('ends what is unfinished when its time to drain is over', async () => {
    await using served = await serveFake()
    const hold = gate(served.device)
    const waiting = served.post('/v1/images/generations', PICTURE)
    await hold.reached
    const closing = served.server.close({ drainMs: 50 })
    const answer = await waiting
    expect([answer.status, (await answer.json()).error.code]).toEqual([503, 'ERR_WUERSTCHEN_DISPOSED'])
    hold.open()
    await closing
  })
})

describe('GET /metrics', () => {
  const lines = async (response: Response) =>
    (await response.text()).split('\n').filter((line) => line.startsWith('wuerstchen_'))

  it('counts what happened', async () => {
    await using served = await serveFake()
    const job = await (await served.post('/v1/jobs', QUICK)).json()
    await allEventsOf(await served.get(`/v1/jobs/${job.id}/events`))
    await served.get('/v1/jobs/none')
    await served.post('/v1/jobs', { prompt: '' })
    const response = await served.get('/metrics')
    expect(response.headers.get('content-type')).toContain('text/plain')
    const found = await lines(response)
    for (const line of [
      'wuerstchen_jobs_total{status="succeeded"} 1',
      'wuerstchen_jobs{state="waiting"} 0',
      'wuerstchen_jobs{state="kept"} 1',
      'wuerstchen_stage_steps_total{stage="prior"} 3',
      'wuerstchen_stage_steps_total{stage="decoder"} 2',
      'wuerstchen_errors_total{code="not_found"} 1',
      'wuerstchen_errors_total{code="invalid_request"} 1',
      'wuerstchen_job_seconds_count{status="succeeded"} 1',
      'wuerstchen_job_wait_seconds_count 1',
      'wuerstchen_batch_pictures_count{stage="prior"} 3',
      'wuerstchen_http_request_seconds_count{method="POST",route="/v1/jobs",status="202"} 1',
    ])
      expect(found).toContain(line)
    expect(found.filter((line) => line.includes('none'))).toEqual([]) // routes, not addresses
    const all = await (await served.get('/metrics')).text()
    expect(all).toMatch(/^nodejs_eventloop_lag_p99_seconds /m)
    expect(all).toMatch(/^process_resident_memory_bytes /m)
  })

  it('is for whom the configuration says', async () => {
    const { key, entry } = newKey('prometheus')
    const status = async (
      metrics: 'local' | 'keyed' | 'open' | 'off',
      headers: Record<string, string> = {},
    ) => {
      await using served = await serveFake({ metrics, keys: [entry] })
      return (await served.get('/metrics', headers)).status
    }
    expect(await status('local')).toBe(200)
    for (const header of [
      'x-forwarded-for',
      'x-forwarded-host',
      'x-forwarded-proto',
      'x-real-ip',
      'forwarded',
      'via',
    ])
      expect([header, await status('local', { [header]: '1.2.3.4' })]).toEqual([header, 401])
    await using served = await serveFake({ metrics: 'local', keys: [entry] })
    const byHost = async (host: string) =>
      (await served.server.app.inject({ url: '/metrics', headers: { host } })).statusCode
    expect([await byHost('localhost:8080'), await byHost('pictures.example')]).toEqual([200, 401])
    expect(await status('keyed')).toBe(401)
    expect(await status('keyed', { authorization: `Bearer ${key}` })).toBe(200)
    expect(await status('open', { 'x-forwarded-for': '1.2.3.4' })).toBe(200)
    expect(await status('off')).toBe(404)
  })
})

describe('logs', () => {
  it('are one line a request, with its id, and never a prompt or a key', async () => {
    const written: string[] = []
    const { pipeline } = fakePipeline()
    const { pino } = require('pino') as typeof import('pino')
    const logger = pino({ level: 'debug' }, { write: (line: string) => void written.push(line) })
    await using served = await serve({ pipeline, logger })
    await served.post(
      '/v1/images/generations',
      { ...PICTURE, prompt: 'a secret' },
      { 'x-request-id': 'mine-1', authorization: 'Bearer wk-hidden' },
    )
    await until(() => written.some((line) => line.includes('"msg":"request"')))
    const line = JSON.parse(written.find((text) => text.includes('"msg":"request"')) ?? '{}')
    expect(line).toMatchObject({
      reqId: 'mine-1',
      method: 'POST',
      route: '/v1/images/generations',
      status: 200,
      client: 'local',
    })
    expect(written.join('')).not.toMatch(/a secret|wk-hidden/)
  })
})

describe('traces', () => {
  interface Told {
    readonly name: string
    readonly parent: string | undefined
    readonly from: unknown
    until?: unknown
    readonly id: string
  }
  const told: Told[] = []

  beforeAll(() => {
    // The API alone: an exporter is the application's, here a list.
    const contextOf = (id: string) => ({ traceId: 't'.padEnd(32, '1'), spanId: id, traceFlags: 1 })
    trace.setGlobalTracerProvider({
      getTracer: () => ({
        startSpan: (name: string, options: { startTime?: unknown } = {}, parent = context.active()) => {
          const span: Told = {
            name,
            parent: trace.getSpanContext(parent)?.spanId,
            from: options.startTime,
            id: String(told.length).padStart(16, '0'),
          }
          told.push(span)
          return {
            spanContext: () => contextOf(span.id),
            setAttribute: () => undefined,
            setStatus: () => undefined,
            end: (time?: unknown) => {
              span.until = time ?? 'now'
            },
          }
        },
      }),
    } as never)
    propagation.setGlobalPropagator({
      inject: (from, carrier) => {
        const span = trace.getSpanContext(from)
        if (span) Object.assign(carrier as object, { traceparent: `00-${span.traceId}-${span.spanId}-01` })
      },
      extract: (from, carrier) => {
        const [, , spanId] = String((carrier as { traceparent?: string }).traceparent ?? '').split('-')
        return spanId === undefined ? from : trace.setSpanContext(from, contextOf(spanId))
      },
      fields: () => ['traceparent'],
    })
  })
  afterAll(() => {
    trace.disable()
    propagation.disable()
  })

  it('go from the caller through the request to the job and its stages', async () => {
    await using served = await serveFake()
    await served.post('/v1/images/generations', PICTURE, {
      traceparent: '00-11111111111111111111111111111111-aaaaaaaaaaaaaaaa-01',
    })
    await until(() => told.every(({ until }) => until !== undefined))
    const named = (name: string) => told.find((span) => span.name === name)
    expect(named('POST /v1/images/generations')?.parent).toBe('aaaaaaaaaaaaaaaa')
    const job = named('wuerstchen.job')
    expect(job?.parent).toBe(named('POST /v1/images/generations')?.id)
    for (const stage of ['queue', 'prior', 'decoder', 'vqgan', 'encode']) {
      const span = named(`wuerstchen.${stage}`)
      expect(span?.parent).toBe(job?.id)
      expect(Number(span?.until)).toBeGreaterThanOrEqual(Number(span?.from))
    }
  })
})

describe('createServer()', () => {
  it('closes twice, and leaves a pipeline alone that it was given', async () => {
    const { pipeline } = fakePipeline()
    const server = await createServer({ port: 0, logLevel: 'silent', pipeline })
    await server.listen()
    await Promise.all([server.close(), server.close()])
    await expect(
      pipeline.generate('x', { priorNumInferenceSteps: 2, numInferenceSteps: 1 }),
    ).resolves.toBeDefined()
    await pipeline.dispose()
  })
})
