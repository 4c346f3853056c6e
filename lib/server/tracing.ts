import type { FastifyInstance } from 'fastify'
import type { Backend, JobSnapshot, PictureInfo } from './backend'
import { onJobEnd } from './job-channel'

type Api = typeof import('@opentelemetry/api')

/** The application brings it with its exporter; without one there is nobody to tell. */
function findApi(): Api | null {
  try {
    return require('@opentelemetry/api') as Api
  } catch {
    return null
  }
}

/**
 * Spans of requests and of their jobs, for whatever exporter the application has set up: before it creates the server, as
 * with every library. Prompts are in none of them.
 */
export function registerTracing(app: FastifyInstance, backend: Backend): void {
  const api = findApi()
  if (api === null) return
  const tracer = api.trace.getTracer('wuerstchen')
  const spans = new WeakMap<object, import('@opentelemetry/api').Span>()
  app.addHook('onRequest', async (request) => {
    const parent = api.propagation.extract(api.context.active(), request.headers)
    const attributes = { 'http.request.method': request.method, 'http.route': request.routeOptions.url ?? '' }
    const name = `${request.method} ${request.routeOptions.url ?? 'unknown'}`
    const span = tracer.startSpan(name, { kind: api.SpanKind.SERVER, attributes }, parent)
    spans.set(request, span)
    const carrier: { traceparent?: string } = {}
    api.propagation.inject(api.trace.setSpan(parent, span), carrier)
    request.traceparent = carrier.traceparent ?? null
  })
  app.addHook('onResponse', async (request, reply) => {
    const span = spans.get(request)
    span?.setAttribute('http.response.status_code', reply.statusCode)
    if (reply.statusCode >= 500) span?.setStatus({ code: api.SpanStatusCode.ERROR })
    span?.end()
  })
  const end = onJobEnd(backend, (job) => traceJob(api, tracer, job))
  app.addHook('onClose', async () => end())
}

/** One span for a job and one for each part of each picture, told when it is over: then all times are known. */
function traceJob(api: Api, tracer: import('@opentelemetry/api').Tracer, job: JobSnapshot): void {
  const { request, createdAt, finishedAt } = job
  const { traceparent } = request
  const parent = api.propagation.extract(api.ROOT_CONTEXT, traceparent === null ? {} : { traceparent })
  const attributes = {
    'gen_ai.provider.name': 'wuerstchen',
    'gen_ai.operation.name': 'generate_content',
    'gen_ai.output.type': 'image',
    'wuerstchen.job': job.id,
    'wuerstchen.images': request.count,
    'wuerstchen.status': job.status,
  }
  const span = tracer.startSpan('wuerstchen.job', { startTime: createdAt, attributes }, parent)
  const inside = api.trace.setSpan(parent, span)
  for (const picture of job.pictures)
    for (const { name, from, until } of partsOf(picture, createdAt)) {
      const attributes = { 'wuerstchen.index': picture.index }
      tracer.startSpan(name, { startTime: from, attributes }, inside).end(until)
    }
  if (job.error !== null) span.setStatus({ code: api.SpanStatusCode.ERROR, message: job.error.code })
  span.end(finishedAt ?? Date.now())
}

function partsOf({ timings, totalMs }: PictureInfo, start: number) {
  const { queuedMs, priorMs, decoderMs, vqganMs } = timings
  const encodedMs = Math.max(0, totalMs - queuedMs - priorMs - decoderMs - vqganMs)
  const parts = { queue: queuedMs, prior: priorMs, decoder: decoderMs, vqgan: vqganMs, encode: encodedMs }
  let from = start
  return Object.entries(parts).map(([name, ms]) => {
    const part = { name: `wuerstchen.${name}`, from, until: from + ms }
    from += ms
    return part
  })
}
