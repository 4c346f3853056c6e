import { Type } from '@sinclair/typebox'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { JobRequest, JobSnapshot } from '../backend'
import { clientGone } from '../client-gone'
import { type Context, modelOf, originOf } from '../context'
import { HttpError, JobFailure, LOST } from '../errors'
import { TimeoutHeaders } from '../schemas/headers'
import { ImagesEvents, ImagesRequest, ImagesResponse, Model, ModelList, NO_USAGE } from '../schemas/openai'
import { EVENT_STREAM, sendEvents } from '../sse'
import { jobRequestOf, sizeOf } from '../wishes'
import { checkPresence, Presence } from './absence'
import { checkModel, registerEdits, registerModels } from './models'
import { base64Of, forget, serverStops, sizeText, streamed, type Waiting } from './openai-events'
import { REFUSALS } from './refusals'
import { pictureUrl } from './views'

/** The images API of OpenAI's clients. */
export function registerOpenAi(app: FastifyInstance, context: Context): void {
  for (const schema of [ImagesRequest, ImagesResponse, Model, ModelList, ...Object.values(ImagesEvents)])
    app.addSchema(schema)
  registerGenerations(app, context)
  registerEdits(app)
  registerModels(app, context)
}

function registerGenerations(app: FastifyInstance, context: Context): void {
  app.post<{ Body: ImagesRequest }>(
    '/v1/images/generations',
    {
      schema: {
        summary: 'Make pictures',
        description:
          "OpenAI's call. With `stream: true` the answer is a stream of the events image_generation.partial_image and " +
          'image_generation.completed. A client that goes away cancels its pictures. Where no worker of a queue answers for a while, ' +
          'the answer is 503, and the pictures are canceled.',
        tags: ['openai'],
        headers: TimeoutHeaders,
        body: Type.Ref(ImagesRequest),
        response: { 200: { ...openAiAnswer() }, ...REFUSALS },
      },
    },
    (request, reply) => generate(context, request, reply),
  )
}

function openAiAnswer() {
  return {
    description: 'The pictures, or with stream: true their events',
    content: {
      'application/json': { schema: Type.Ref(ImagesResponse) },
      ...EVENT_STREAM,
    },
  }
}

async function generate(
  context: Context,
  request: FastifyRequest<{ Body: ImagesRequest }>,
  reply: FastifyReply,
): Promise<unknown> {
  const { body } = request
  const model = checkModel(context, body.model)
  if (body.background === 'transparent')
    throw new HttpError('unsupported', 'Expected background to be auto or opaque but received transparent', {
      param: 'background',
    })
  const { backend } = context
  // A repeated call makes new pictures: the first answer is not kept.
  const origin = { ...originOf(request), idempotencyKey: null }
  const wanted = wantedOf(context, { ...body, model }, origin)
  checkPresence(context, model)
  const { job } = await backend.submit(wanted, { maxUnfinished: origin.client.maxJobs })
  request.log.info({ job: job.id, images: wanted.count }, 'job accepted')
  const gone = clientGone(reply)
  const presence = new Presence(context, model)
  const cancel = () => {
    request.log.info({ job: job.id }, 'client gone, job canceled')
    void forget(context, job.id)
  }
  if (gone.aborted) cancel()
  else gone.addEventListener('abort', cancel, { once: true })
  const settled = () => {
    presence.end()
    gone.removeEventListener('abort', cancel)
  }
  const waiting = { signal: AbortSignal.any([gone, presence.signal]), absent: presence.signal, settled }
  if (body.stream) return sendEvents(reply, streamed(context, body, job, waiting))
  return finished(context, request, body, job, waiting)
}

function wantedOf(
  context: Context,
  body: ImagesRequest,
  origin: Parameters<typeof jobRequestOf>[1],
): JobRequest {
  const { priority, ...own } = body.wuerstchen ?? {}
  const model = modelOf(context, body.model)
  const fields = { ...sizeOf(body.size), ...own }
  const previews = body.stream && model?.previews ? (body.partial_images ?? 0) : 0
  const given =
    fields.prior_num_inference_steps ?? (fields.prior_timesteps && fields.prior_timesteps.length - 1)
  const steps = given ?? model?.defaultPriorSteps ?? 1
  return jobRequestOf(
    {
      ...body,
      priority,
      preview_every: previews === 0 ? undefined : Math.max(1, Math.floor(steps / (previews + 1))),
      fields,
    },
    origin,
    context.config,
    model,
    'wuerstchen.',
  )
}

async function finished(
  context: Context,
  request: FastifyRequest,
  body: ImagesRequest,
  known: JobSnapshot,
  { signal, absent, settled }: Waiting,
): Promise<ImagesResponse> {
  const { backend } = context
  const { id } = known
  // Its own promise: an unread event stream is what tells the end.
  let ended: JobSnapshot | null = null
  for await (const event of backend.follow(id, { signal, known, last: true })) {
    if (event.type === 'done') ended = event.job
    if (event.type === 'error') {
      settled()
      void forget(context, id)
      throw new JobFailure(event.error)
    }
  }
  settled()
  if (absent.aborted && ended === null) {
    void forget(context, id)
    throw absent.reason
  }
  const job = ended ?? (await backend.find(id))
  if (job === null) throw new JobFailure(LOST)
  if (job.status === 'queued' || job.status === 'running') throw serverStops()
  if (job.status !== 'succeeded')
    throw new HttpError('canceled', 'The job ended before its pictures were finished')
  const asUrl = body.response_format === 'url'
  const data = await Promise.all(
    job.pictures.map(async (picture) =>
      asUrl
        ? { url: pictureUrl(context, request, id, picture.index) }
        : { b64_json: await base64Of(context, id, picture) },
    ),
  )
  // Not waited for: it takes a queue several turns, and its client none the wiser.
  if (!asUrl) void forget(context, id)
  return {
    created: Math.floor(job.createdAt / 1000),
    data,
    background: 'opaque',
    output_format: job.request.format,
    size: sizeText(job.pictures[0]),
    quality: 'high',
    usage: NO_USAGE,
    wuerstchen: { job: id, seeds: job.pictures.map(({ seed }) => seed), warnings: [...job.warnings] },
  }
}
