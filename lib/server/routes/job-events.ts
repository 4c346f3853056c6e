import { type Static, Type } from '@sinclair/typebox'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { JobEvent, JobSnapshot } from '../backend'
import { clientGone } from '../client-gone'
import { type Context, ownJob } from '../context'
import { bodyOf } from '../errors'
import { EVENT_STREAM, type ServerEvent, sendEvents } from '../sse'
import { JobPath } from './job-path'
import { REFUSALS } from './refusals'
import { imageView, jobView } from './views'

const EVENTS =
  'The events `queued`, `step`, `preview`, `image`, then `done` or `error`, which ends the stream. ' +
  'The schemas Job…Event describe their data. A client that comes back with Last-Event-ID gets what it missed.'

export function registerEvents(app: FastifyInstance, context: Context): void {
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
          200: { description: EVENTS, content: EVENT_STREAM },
          ...REFUSALS,
        },
      },
    },
    async (request, reply) => {
      const job = await ownJob(context, request, request.params.id)
      return sendEvents(reply, eventViews(context, request, job, clientGone(reply)))
    },
  )
}

async function* eventViews(
  context: Context,
  request: FastifyRequest,
  known: JobSnapshot,
  signal: AbortSignal,
): AsyncGenerator<ServerEvent> {
  const after = request.headers['last-event-id']
  const options = { signal, known, ...(typeof after === 'string' ? { after } : {}) }
  for await (const event of context.backend.follow(known.id, options)) {
    yield { event: event.type, id: event.id, data: dataOf(context, request, known.id, event) }
  }
}

function dataOf(context: Context, request: FastifyRequest, job: string, event: JobEvent): unknown {
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
      const last = { job: jobView(context, request, event.job) }
      return event.type === 'done' ? last : { ...last, error: bodyOf(event.error) }
    }
  }
}
