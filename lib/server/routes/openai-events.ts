import type { Static } from '@sinclair/typebox'
import type { JobEvent, JobSnapshot, PictureFormat, PictureInfo } from '../backend'
import type { Context } from '../context'
import { answerOf, bodyOf, HttpError } from '../errors'
import { type ImagesEvents, type ImagesRequest, NO_USAGE } from '../schemas/openai'
import type { ServerEvent } from '../sse'

/** How long a call waits for its job. */
export interface Waiting {
  /** Ends the waiting: the client is gone, or nobody makes its pictures. */
  readonly signal: AbortSignal
  /** The latter alone; its reason is the error. */
  readonly absent: AbortSignal
  /** The waiting is over. */
  settled(): void
}

export async function* streamed(
  context: Context,
  body: ImagesRequest,
  job: JobSnapshot,
  { signal, absent, settled }: Waiting,
): AsyncGenerator<ServerEvent> {
  const { backend } = context
  const partials = new Map<number, number>()
  let ended = false
  try {
    for await (const event of backend.follow(job.id, { signal, known: job })) {
      ended = event.type === 'done' || event.type === 'error'
      if (event.type === 'preview') {
        const partial = partials.get(event.index) ?? 0
        if (partial >= (body.partial_images ?? 0)) continue
        partials.set(event.index, partial + 1)
        yield partialEvent(event, partial)
      }
      if (event.type === 'image') yield await completedEvent(context, job, event.picture)
      if (event.type === 'error') yield { event: 'error', data: { error: bodyOf(event.error) } }
    }
    if (absent.aborted && !ended) throw absent.reason
    if (!ended) throw serverStops()
  } catch (error) {
    yield { event: 'error', data: answerOf(error).body }
  } finally {
    settled()
    await forget(context, job.id)
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
  const base64 = await base64Of(context, job.id, picture)
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

/** Of a call that waits, though its job may be finished by others. */
export function serverStops(): HttpError {
  return new HttpError('unavailable', 'Expected the pictures in time but the server stops')
}

/** Its client has it, or is gone. Where the backend cannot be reached the job's own time ends it. */
export async function forget({ backend }: Context, id: string): Promise<void> {
  await backend.remove(id).catch(() => false)
}

export async function base64Of({ backend }: Context, id: string, known: PictureInfo): Promise<string> {
  const picture = await backend.picture(id, known.index, known)
  if (picture === null) throw new HttpError('canceled', 'The job ended before its pictures were fetched')
  const { buffer, byteOffset, byteLength } = picture.data
  return Buffer.from(buffer, byteOffset, byteLength).toString('base64')
}

export function sizeText(picture: PictureInfo | undefined): string {
  return picture === undefined ? 'auto' : `${picture.width}x${picture.height}`
}
