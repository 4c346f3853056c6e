import { type Static, Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import { type Context, clientOf, modelOf, originOf, ownJob } from '../context'
import { HttpError } from '../errors'
import { JobHeaders } from '../schemas/headers'
import { Job, JobCreate, JobEvents, JobImage, JobList } from '../schemas/jobs'
import { jobRequestOf } from '../wishes'
import { registerEvents } from './job-events'
import { JobPath } from './job-path'
import { registerPictures } from './job-pictures'
import { checkModel } from './models'
import { REFUSALS } from './refusals'
import { jobView } from './views'

const ListQuery = Type.Object(
  {
    limit: Type.Integer({ minimum: 1, maximum: 100, default: 20 }),
    after: Type.Optional(JobPath.properties.id),
  },
  { additionalProperties: false },
)

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
        headers: JobHeaders,
        body: Type.Ref(JobCreate),
        response: { 200: Type.Ref(Job), 202: Type.Ref(Job), ...REFUSALS },
      },
    },
    async (request, reply) => {
      const origin = originOf(request)
      const { prompt, n, output_format, output_compression, preview_every, priority, ...others } =
        request.body
      const { model: name, ...fields } = others
      const model = checkModel(context, name)
      const wish = { prompt, model, n, output_format, output_compression, preview_every, priority, fields }
      const wanted = jobRequestOf(wish, origin, context.config, modelOf(context, model))
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
