import { type Static, Type } from '@sinclair/typebox'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { JobEvent } from '../backend'
import { type Context, clientOf, defaultModel, originOf, ownJob } from '../context'
import { bodyOf, HttpError } from '../errors'
import { clientGone } from '../gone'
import { Job, JobCreate, JobEvents, JobImage, JobList } from '../schemas/jobs'
import { type ServerEvent, sendEvents } from '../sse'
import { jobRequestOf } from '../wishes'
import { REFUSALS } from './refusals'
import { imageView, jobView } from './views'

const JobPath = Type.Object({ id: Type.String({ pattern: '^[A-Za-z0-9_-]{1,100}$' }) })
const ImagePath = Type.Object({
  id: JobPath.properties.id,
  index: Type.Integer({ minimum: 0, maximum: 255 }),
})
const ImageQuery = Type.Object(
  { signature: Type.Optional(Type.String({ pattern: '^[A-Za-z0-9_-]{1,100}$' })) },
  { additionalProperties: false },
)
const ListQuery = Type.Object(
  {
    limit: Type.Integer({ minimum: 1, maximum: 100, default: 20 }),
    after: Type.Optional(JobPath.properties.id),
  },
  { additionalProperties: false },
)
const CreateHeaders = Type.Object({
  'idempotency-key': Type.Optional(
    Type.String({ description: 'The same key again is the same job: it is made once.' }),
  ),
  'wuerstchen-timeout-ms': Type.Optional(
    Type.String({ description: 'Milliseconds after which the job is ended, from its arrival.' }),
  ),
})

/** Jobs: pictures for clients that do not wait on one connection. */
export function registerJobs(app: FastifyInstance, context: Context): void {
  for (const schema of [JobImage, Job, JobCreate, JobList, ...Object.values(JobEvents)]) app.addSchema(schema)
  registerCreation(app, context)
  registerReading(app, context)
  registerEvents(app, context)
  registerEnding(app, context)
  registerPictures(app, context)
}

function registerCreation(app: FastifyInstance, context: Context): void {
  app.post<{ Body: JobCreate }>(
    '/v1/jobs',
    {
      schema: {
        summary: 'Submit a job',
        tags: ['jobs'],
        headers: CreateHeaders,
        body: Type.Ref(JobCreate),
        response: { 200: Type.Ref(Job), 202: Type.Ref(Job), ...REFUSALS },
      },
    },
    async (request, reply) => {
      const origin = originOf(request)
      const { prompt, n, output_format, output_compression, preview_every, priority, ...fields } =
        request.body
      const wish = { prompt, n, output_format, output_compression, preview_every, priority, fields }
      const wanted = jobRequestOf(wish, origin, context.config, defaultModel(context))
      const { job, found } = await context.backend.submit(wanted, { maxUnfinished: origin.client.maxJobs })
      request.log.info({ job: job.id, images: wanted.count, found }, 'job accepted')
      reply.header('location', `/v1/jobs/${job.id}`).code(found ? 200 : 202)
      return jobView(context, request, job)
    },
  )
}

function registerReading(app: FastifyInstance, context: Context): void {
  app.get<{ Querystring: Static<typeof ListQuery> }>(
    '/v1/jobs',
    {
      schema: {
        summary: "The caller's jobs, newest first",
        tags: ['jobs'],
        querystring: ListQuery,
        response: { 200: Type.Ref(JobList), ...REFUSALS },
      },
    },
    async (request) => {
      const { limit, after } = request.query
      const { jobs, next } = await context.backend.list({ owner: clientOf(request).name, limit, after })
      const data = jobs.map((job) => jobView(context, request, job))
      return { object: 'list' as const, data, has_more: next !== null, next }
    },
  )
  app.get<{ Params: Static<typeof JobPath> }>(
    '/v1/jobs/:id',
    {
      schema: {
        summary: 'A job as it is now',
        tags: ['jobs'],
        params: JobPath,
        response: { 200: Type.Ref(Job), ...REFUSALS },
      },
    },
    async (request) => jobView(context, request, await ownJob(context, request, request.params.id)),
  )
}

const EVENTS =
  'The events `queued`, `step`, `preview`, `image`, then `done` or `error`, which ends the stream. ' +
  'The schemas Job…Event describe their data. A client that comes back with Last-Event-ID gets what it missed.'

function registerEvents(app: FastifyInstance, context: Context): void {
  app.get<{ Params: Static<typeof JobPath> }>(
    '/v1/jobs/:id/events',
    {
      schema: {
        summary: 'Follow a job by server-sent events',
        description: EVENTS,
        tags: ['jobs'],
        params: JobPath,
        headers: Type.Object({ 'last-event-id': Type.Optional(Type.String()) }),
        response: {
          200: { description: EVENTS, content: { 'text/event-stream': { schema: Type.String() } } },
          ...REFUSALS,
        },
      },
    },
    async (request, reply) => {
      const { id } = await ownJob(context, request, request.params.id)
      return sendEvents(reply, eventViews(context, request, id, clientGone(reply)))
    },
  )
}

async function* eventViews(
  context: Context,
  request: FastifyRequest,
  job: string,
  signal: AbortSignal,
): AsyncGenerator<ServerEvent> {
  const after = request.headers['last-event-id']
  const options = { signal, ...(typeof after === 'string' ? { after } : {}) }
  for await (const event of context.backend.follow(job, options)) {
    yield { event: event.type, id: event.id, data: await dataOf(context, request, job, event) }
  }
}

async function dataOf(
  context: Context,
  request: FastifyRequest,
  job: string,
  event: JobEvent,
): Promise<unknown> {
  switch (event.type) {
    case 'queued':
      return { job, position: event.position, warnings: event.warnings }
    case 'step': {
      const { index, stage, step, steps, etaMs } = event
      return { job, index, stage, step, steps, eta_ms: etaMs }
    }
    case 'preview': {
      const { index, step, steps, width, height, mediaType, data } = event
      const b64_json = Buffer.from(data).toString('base64')
      return { job, index, step, steps, width, height, media_type: mediaType, b64_json }
    }
    case 'image':
      return { job, image: imageView(context, request, job, event.picture) }
    default: {
      const snapshot = await context.backend.find(job)
      const last = { job: snapshot === null ? null : jobView(context, request, snapshot) }
      return event.type === 'done' ? last : { ...last, error: bodyOf(event.error) }
    }
  }
}

function registerEnding(app: FastifyInstance, context: Context): void {
  app.post<{ Params: Static<typeof JobPath> }>(
    '/v1/jobs/:id/cancel',
    {
      schema: {
        summary: 'Cancel a job',
        description: 'It stops within a step. A finished job stays as it is.',
        tags: ['jobs'],
        params: JobPath,
        response: { 200: Type.Ref(Job), ...REFUSALS },
      },
    },
    async (request) => {
      const { id } = await ownJob(context, request, request.params.id)
      const job = await context.backend.cancel(id)
      request.log.info({ job: id }, 'job canceled by its client')
      if (job === null) throw new HttpError('not_found', "The job's time to live has ended")
      return jobView(context, request, job)
    },
  )
  app.delete<{ Params: Static<typeof JobPath> }>(
    '/v1/jobs/:id',
    {
      schema: {
        summary: 'Forget a job and its pictures',
        description: 'An unfinished one is canceled first.',
        tags: ['jobs'],
        params: JobPath,
        response: { 204: Type.Null(), ...REFUSALS },
      },
    },
    async (request, reply) => {
      const { id } = await ownJob(context, request, request.params.id)
      await context.backend.remove(id)
      return reply.code(204).send()
    },
  )
}

function registerPictures(app: FastifyInstance, context: Context): void {
  const binary = { schema: Type.Unsafe({ type: 'string', format: 'binary' }) }
  app.get<{ Params: Static<typeof ImagePath>; Querystring: Static<typeof ImageQuery> }>(
    '/v1/jobs/:id/images/:index',
    {
      // The signature of the address stands for a key.
      config: { public: true },
      schema: {
        summary: "A finished picture's bytes",
        description: 'By key, or by the signed address that the job shows.',
        tags: ['jobs'],
        params: ImagePath,
        querystring: ImageQuery,
        response: {
          200: {
            description: 'The picture',
            content: { 'image/png': binary, 'image/jpeg': binary, 'image/webp': binary },
          },
          ...REFUSALS,
        },
      },
    },
    async (request, reply) => {
      const { id, index } = request.params
      const { signature } = request.query
      if (signature === undefined) {
        request.client = context.keys.find(request.headers.authorization)
        await ownJob(context, request, id)
      } else if (!context.signer.matches(id, index, signature)) {
        throw new HttpError('forbidden', 'Expected the signature of this picture', { param: 'signature' })
      }
      const picture = await context.backend.picture(id, index)
      if (picture === null) throw new HttpError('not_found', 'Expected a finished picture but there is none')
      reply.header('cross-origin-resource-policy', 'cross-origin')
      return reply.type(picture.mediaType).send(Buffer.from(picture.data))
    },
  )
}
