import type { FastifyRequest } from 'fastify'
import type { JobSnapshot, PictureInfo } from '../backend'
import type { Context } from '../context'
import { bodyOf, snakeCase } from '../errors'
import type { Job, JobImage } from '../schemas/jobs'

/** Where clients see this server. */
export function baseUrl({ config }: Context, request: FastifyRequest): string {
  return config.publicUrl?.replace(/\/$/, '') ?? `${request.protocol}://${request.host}`
}

export function pictureUrl(context: Context, request: FastifyRequest, job: string, index: number): string {
  const signature = context.signer.sign(job, index)
  return `${baseUrl(context, request)}/v1/jobs/${job}/images/${index}?signature=${signature}`
}

export function imageView(
  context: Context,
  request: FastifyRequest,
  job: string,
  picture: PictureInfo,
): JobImage {
  const { index, mediaType, width, height, bytes, seed, totalMs, timings } = picture
  return {
    index,
    url: pictureUrl(context, request, job, index),
    media_type: mediaType,
    width,
    height,
    bytes,
    seed,
    total_ms: totalMs,
    timings: {
      queued_ms: timings.queuedMs,
      prior_ms: timings.priorMs,
      decoder_ms: timings.decoderMs,
      vqgan_ms: timings.vqganMs,
    },
  }
}

export function jobView(context: Context, request: FastifyRequest, job: JobSnapshot): Job {
  return {
    id: job.id,
    object: 'job',
    status: job.status,
    created_at: secondsOf(job.createdAt),
    started_at: orNull(job.startedAt),
    finished_at: orNull(job.finishedAt),
    expires_at: orNull(job.expiresAt),
    position: job.position,
    request: requestView(job),
    images: job.pictures.map((picture) => imageView(context, request, job.id, picture)),
    warnings: [...job.warnings],
    error: job.error === null ? null : bodyOf(job.error),
  }
}

function requestView({ request }: JobSnapshot): Record<string, unknown> {
  const { prompt, count, options, format, priority } = request
  const fields = Object.entries(options).map(([name, value]) => [snakeCase(name), value])
  return { prompt, n: count, ...Object.fromEntries(fields), output_format: format, priority }
}

function secondsOf(ms: number): number {
  return Math.floor(ms / 1000)
}

function orNull(ms: number | null): number | null {
  return ms === null ? null : secondsOf(ms)
}
