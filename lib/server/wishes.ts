import { isWellFormed } from '../checks/values'
import { InvalidArgumentError } from '../index'
import type { BackendModel, JobRequest, PictureFormat, PictureOptions } from './backend'
import type { ServerConfig } from './config/schema'
import { HttpError } from './errors'
import type { Client } from './keys'
import type { PictureOptions as PictureFields } from './schemas/pictures'

/** What a client wants, in the words of HTTP; checked by its schema. */
export interface Wish {
  readonly prompt: string
  readonly model?: string | null | undefined
  readonly n?: number | null | undefined
  readonly output_format?: PictureFormat | null | undefined
  readonly output_compression?: number | null | undefined
  readonly preview_every?: number | undefined
  readonly priority?: number | undefined
  readonly fields: PictureFields
}

export type Limits = Pick<
  ServerConfig,
  'maxPromptCharacters' | 'maxPixels' | 'maxSteps' | 'maxImages' | 'maxTimeoutSeconds'
>

/** From where the wish comes. */
export interface Origin {
  readonly client: Client
  readonly requestId: string
  readonly traceparent: string | null
  readonly idempotencyKey: string | null
  /** The client's own `wuerstchen-timeout-ms`. */
  readonly timeoutMs: number | null
}

/**
 * A wish as the backend takes it, within this server's limits.
 * @param prefix of option names in errors: `wuerstchen.` where that is where they stand.
 */
export function jobRequestOf(
  wish: Wish,
  origin: Origin,
  limits: Limits,
  model: BackendModel | undefined,
  prefix = '',
): JobRequest {
  checkLimits(wish, limits, model, prefix)
  const { client, requestId, traceparent, idempotencyKey } = origin
  const mostMs = limits.maxTimeoutSeconds * 1000
  const timeoutMs = origin.timeoutMs ?? mostMs
  atMost('wuerstchen-timeout-ms', timeoutMs, mostMs, ' ms')
  const format = wish.output_format ?? 'png'
  return {
    prompt: wish.prompt,
    model: wish.model ?? null,
    count: wish.n ?? 1,
    options: optionsOf(wish),
    format,
    quality:
      format === 'png' || wish.output_compression == null ? null : Math.max(1, wish.output_compression),
    priority: Math.min(client.maxPriority, wish.priority ?? client.priority),
    deadline: Date.now() + timeoutMs,
    owner: client.name,
    idempotencyKey,
    requestId,
    traceparent,
  }
}

/** Only what was sent: what was not is left to the pipeline's defaults. */
function optionsOf({ fields, preview_every: previewEvery }: Wish): PictureOptions {
  const options: PictureOptions = {
    width: fields.width,
    height: fields.height,
    negativePrompt: fields.negative_prompt,
    promptSyntax: fields.prompt_syntax,
    longPrompts: fields.long_prompts,
    seed: fields.seed,
    previewEvery,
    priorNumInferenceSteps: fields.prior_num_inference_steps,
    priorTimesteps: fields.prior_timesteps,
    priorGuidanceScale: fields.prior_guidance_scale,
    numInferenceSteps: fields.num_inference_steps,
    decoderTimesteps: fields.decoder_timesteps,
    decoderGuidanceScale: fields.decoder_guidance_scale,
  }
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}

function checkLimits(wish: Wish, limits: Limits, model: BackendModel | undefined, prefix: string): void {
  const { prompt, n, fields } = wish
  const { maxPromptCharacters, maxPixels, maxSteps, maxImages } = limits
  const length = fields.negative_prompt?.length ?? 0
  atMost('prompt', prompt.length, maxPromptCharacters, ' characters long')
  atMost(`${prefix}negative_prompt`, length, maxPromptCharacters, ' characters long')
  wellFormed('prompt', prompt)
  wellFormed(`${prefix}negative_prompt`, fields.negative_prompt ?? '')
  atMost('n', n ?? 1, maxImages, '')
  const { defaultWidth = 1024, defaultHeight = 1024 } = model ?? {}
  const [width, height] = [fields.width ?? defaultWidth, fields.height ?? defaultHeight]
  if (width * height > maxPixels) {
    const text = `Expected a picture of at most ${maxPixels} pixels but received ${width}x${height}, ${width * height} pixels`
    throw new HttpError('invalid_request', text, { param: prefix === '' ? 'width' : 'size' })
  }
  const steps = {
    prior_num_inference_steps: fields.prior_num_inference_steps,
    prior_timesteps: fields.prior_timesteps && fields.prior_timesteps.length - 1,
    num_inference_steps: fields.num_inference_steps,
    decoder_timesteps: fields.decoder_timesteps && fields.decoder_timesteps.length - 1,
  }
  for (const [name, count] of Object.entries(steps))
    atMost(`${prefix}${name}`, count ?? 0, maxSteps, ' steps')
}

function atMost(name: string, value: number, limit: number, unit: string): void {
  if (value <= limit) return
  const message = `Expected ${name} to be at most ${limit}${unit} but received ${value}`
  throw new HttpError('invalid_request', message, { param: name })
}

function wellFormed(name: string, value: string): void {
  if (isWellFormed(value)) return
  const message = `Expected ${name} to be well-formed Unicode but received half a surrogate pair`
  throw new HttpError('invalid_request', message, { param: name })
}

/** `1024x768` as two numbers; nothing for `auto`. */
export function sizeOf(size: string | null | undefined): { width?: number; height?: number } {
  const [, width, height] = /^(\d+)x(\d+)$/.exec(size ?? '') ?? []
  if (width === undefined || height === undefined) return {}
  const sides = { width: Number(width), height: Number(height) }
  for (const [name, side] of Object.entries(sides)) {
    if (side >= 64 && side <= 4096) continue
    throw new InvalidArgumentError(`Expected size to have a ${name} from 64 to 4096 but received ${side}`, {
      details: { name: 'size' },
    })
  }
  return sides
}
