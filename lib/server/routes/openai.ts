import { type Static, Type } from '@sinclair/typebox'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { JobEvent, JobRequest, JobSnapshot, PictureFormat, PictureInfo } from '../backend'
import { type Context, defaultModel, originOf } from '../context'
import { answerOf, bodyOf, HttpError, JobFailure } from '../errors'
import { clientGone } from '../gone'
import { ImagesEvents, ImagesRequest, ImagesResponse, Model, ModelList, NO_USAGE } from '../schemas/openai'
import { type ServerEvent, sendEvents } from '../sse'
import { jobRequestOf, sizeOf } from '../wishes'
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
          'image_generation.completed. A client that goes away cancels its pictures.',
        tags: ['openai'],
        headers: Type.Object({ 'wuerstchen-timeout-ms': Type.Optional(Type.String()) }),
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
      'text/event-stream': { schema: Type.String() },
    },
  }
}

async function generate(
  context: Context,
  request: FastifyRequest<{ Body: ImagesRequest }>,
  reply: FastifyReply,
): Promise<unknown> {
  const { body } = request
  checkModel(context, body.model)
  if (body.background === 'transparent')
    throw new HttpError('unsupported', 'Expected background to be auto or opaque but received transparent', {
      param: 'background',
    })
  const { backend } = context
  // A repeated call makes new pictures: the first answer is not kept.
  const origin = { ...originOf(request), idempotencyKey: null }
  const wanted = wantedOf(context, body, origin)
  const { job } = await backend.submit(wanted, { maxUnfinished: origin.client.maxJobs })
  request.log.info({ job: job.id, images: wanted.count }, 'job accepted')
  const signal = clientGone(reply)
  const cancel = () => {
    request.log.info({ job: job.id }, 'client gone, job canceled')
    void backend.remove(job.id)
  }
  if (signal.aborted) cancel()
  else signal.addEventListener('abort', cancel, { once: true })
  const settled = () => signal.removeEventListener('abort', cancel)
  if (body.stream) return sendEvents(reply, streamed(context, body, job, signal, settled))
  return finished(context, request, body, job, signal, settled)
}

function wantedOf(
  context: Context,
  body: ImagesRequest,
  origin: Parameters<typeof jobRequestOf>[1],
): JobRequest {
  const { priority, ...own } = body.wuerstchen ?? {}
  const model = defaultModel(context)
  const fields = { ...sizeOf(body.size), ...own }
  const previews = body.stream && model?.previews ? (body.partial_images ?? 0) : 0
  const steps = fields.prior_num_inference_steps ?? (fields.prior_timesteps?.length ?? DEFAULT_TIMESTEPS) - 1
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

/** Of DEFAULT_STAGE_C_TIMESTEPS: where previews are placed, nothing else. */
const DEFAULT_TIMESTEPS = 30

async function finished(
  context: Context,
  request: FastifyRequest,
  body: ImagesRequest,
  { id }: JobSnapshot,
  signal: AbortSignal,
  settled: () => void,
): Promise<ImagesResponse> {
  const { backend } = context
  // Its own promise: an unread event stream is what tells the end.
  for await (const event of backend.follow(id, { signal }))
    if (event.type === 'error') {
      settled()
      void backend.remove(id)
      throw new JobFailure(event.error)
    }
  settled()
  const job = await backend.find(id)
  if (job === null || job.status !== 'succeeded')
    throw new HttpError('canceled', 'The job ended before its pictures were finished')
  const asUrl = body.response_format === 'url'
  const data = await Promise.all(
    job.pictures.map(async ({ index }) =>
      asUrl
        ? { url: pictureUrl(context, request, id, index) }
        : { b64_json: await base64Of(context, id, index) },
    ),
  )
  if (!asUrl) await backend.remove(id)
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

async function* streamed(
  context: Context,
  body: ImagesRequest,
  job: JobSnapshot,
  signal: AbortSignal,
  settled: () => void,
): AsyncGenerator<ServerEvent> {
  const { backend } = context
  const partials = new Map<number, number>()
  try {
    for await (const event of backend.follow(job.id, { signal })) {
      if (event.type === 'preview') {
        const partial = partials.get(event.index) ?? 0
        if (partial >= (body.partial_images ?? 0)) continue
        partials.set(event.index, partial + 1)
        yield partialEvent(event, partial)
      }
      if (event.type === 'image') yield await completedEvent(context, job, event.picture)
      if (event.type === 'error') yield { event: 'error', data: { error: bodyOf(event.error) } }
    }
  } catch (error) {
    yield { event: 'error', data: answerOf(error).body }
  } finally {
    settled()
    await backend.remove(job.id)
  }
}

function partialEvent(event: JobEvent & { type: 'preview' }, partial: number): ServerEvent {
  const type = 'image_generation.partial_image' as const
  const { index, step, steps, width, height, data } = event
  const shared = eventOf(Buffer.from(data).toString('base64'), `${width}x${height}`, 'png')
  return {
    event: type,
    data: {
      type,
      partial_image_index: partial,
      ...shared,
      wuerstchen: { index, step, steps },
    } satisfies Static<(typeof ImagesEvents)[typeof type]>,
  }
}

async function completedEvent(
  context: Context,
  job: JobSnapshot,
  picture: PictureInfo,
): Promise<ServerEvent> {
  const type = 'image_generation.completed' as const
  const { index, seed } = picture
  const base64 = await base64Of(context, job.id, index)
  return {
    event: type,
    data: {
      type,
      ...eventOf(base64, sizeText(picture), job.request.format),
      usage: NO_USAGE,
      wuerstchen: { index, seed },
    } satisfies Static<(typeof ImagesEvents)[typeof type]>,
  }
}

function eventOf(b64_json: string, size: string, format: PictureFormat) {
  return {
    b64_json,
    created_at: Math.floor(Date.now() / 1000),
    size,
    quality: 'high' as const,
    background: 'opaque' as const,
    output_format: format,
  }
}

async function base64Of({ backend }: Context, id: string, index: number): Promise<string> {
  const picture = await backend.picture(id, index)
  if (picture === null) throw new HttpError('canceled', 'The job ended before its pictures were fetched')
  const { buffer, byteOffset, byteLength } = picture.data
  return Buffer.from(buffer, byteOffset, byteLength).toString('base64')
}

function sizeText(picture: PictureInfo | undefined): string {
  return picture === undefined ? 'auto' : `${picture.width}x${picture.height}`
}

/** Pictures do not go in yet. The answer comes before the body is read: it may be large, and is not JSON. */
function registerEdits(app: FastifyInstance): void {
  for (const what of ['edits', 'variations']) {
    app.post(
      `/v1/images/${what}`,
      {
        onRequest: async () => {
          throw new HttpError(
            'unsupported',
            `Expected POST /v1/images/generations: this server makes pictures of text, /v1/images/${what} needs a picture.`,
          )
        },
        schema: { summary: 'Not supported: answers 400', tags: ['openai'], response: REFUSALS },
      },
      async () => undefined,
    )
  }
}

function registerModels(app: FastifyInstance, context: Context): void {
  const started = Math.floor(Date.now() / 1000)
  const view = (id: string) => ({ id, object: 'model' as const, created: started, owned_by: 'wuerstchen' })
  app.get(
    '/v1/models',
    {
      schema: {
        summary: 'Models',
        tags: ['openai'],
        response: { 200: Type.Ref(ModelList), ...REFUSALS },
      },
    },
    async () => ({ object: 'list' as const, data: namesOf(context).map(view) }),
  )
  app.get<{ Params: { id: string } }>(
    '/v1/models/:id',
    {
      schema: {
        summary: 'A model',
        tags: ['openai'],
        params: Type.Object({ id: Type.String({ maxLength: 200 }) }),
        response: { 200: Type.Ref(Model), ...REFUSALS },
      },
    },
    async ({ params }) => {
      checkModel(context, params.id)
      return view(params.id)
    },
  )
}

/** Every name that a request may call a model by. */
function namesOf({ backend, config }: Context): string[] {
  const names = [...backend.info.models.map(({ name }) => name), 'wuerstchen', ...config.modelAliases]
  return [...new Set(names)]
}

function checkModel(context: Context, model: string | null | undefined): void {
  const names = namesOf(context)
  if (model == null || names.includes(model)) return
  throw new HttpError(
    'model_not_found',
    `Expected model to be one of ${names.join(', ')} but received another name`,
    { param: 'model' },
  )
}
