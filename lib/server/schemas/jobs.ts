/**
 * The jobs API, as JSON.
 *
 *     POST   /v1/jobs                    JobCreate -> 202 Job; Idempotency-Key header; 200 for a known key
 *     GET    /v1/jobs?limit=&after=      -> JobList, newest first, of the caller's key
 *     GET    /v1/jobs/:id                -> Job
 *     GET    /v1/jobs/:id/events         -> text/event-stream of the events below; Last-Event-ID resumes
 *     POST   /v1/jobs/:id/cancel         -> Job
 *     DELETE /v1/jobs/:id                -> 204; cancels and forgets it
 *     GET    /v1/jobs/:id/images/:index  -> the picture's bytes; by key, or by the signed `url` of its Image
 *     GET    /v1/info                    -> Info: models, LoRAs, limits
 *     PUT    /v1/loras                   {name: scale} -> Info; changes all later pictures of all clients: admin keys only
 *
 * Times are seconds since 1970, as OpenAI's.
 */
import { type Static, Type } from '@sinclair/typebox'
import { oneOf, orNull } from './kinds'
import {
  Count,
  ErrorBody,
  OutputCompression,
  OutputFormat,
  PictureOptions,
  Priority,
  Prompt,
} from './pictures'

export const JobCreate = Type.Composite(
  [
    Type.Object({
      prompt: Prompt,
      model: Type.Optional(
        Type.String({ maxLength: 200, description: 'One of GET /v1/models. Defaults to the first one.' }),
      ),
      n: Type.Optional(Count),
      output_format: Type.Optional(OutputFormat),
      output_compression: Type.Optional(OutputCompression),
      preview_every: Type.Optional(
        Type.Integer({
          minimum: 1,
          maximum: 1000,
          description:
            'A `preview` event after every so many steps of the prior, where the model has a previewer. Defaults to none.',
        }),
      ),
      priority: Type.Optional(Priority),
    }),
    PictureOptions,
  ],
  { $id: 'JobCreate', additionalProperties: false },
)
export type JobCreate = Static<typeof JobCreate>

export const JobImage = Type.Object(
  {
    index: Type.Integer({ minimum: 0 }),
    url: Type.String({ description: 'Signed: needs no key, until the job expires.' }),
    media_type: Type.String(),
    width: Type.Integer(),
    height: Type.Integer(),
    bytes: Type.Integer(),
    seed: Type.Integer(),
    total_ms: Type.Number({ description: "From the job's acceptance." }),
    timings: Type.Object(
      {
        queued_ms: Type.Number(),
        prior_ms: Type.Number(),
        decoder_ms: Type.Number(),
        vqgan_ms: Type.Number(),
      },
      { description: 'Its parts, in milliseconds.' },
    ),
  },
  { $id: 'JobImage' },
)
export type JobImage = Static<typeof JobImage>

export const JobStatus = oneOf(['queued', 'running', 'succeeded', 'failed', 'canceled'])

export const Job = Type.Object(
  {
    id: Type.String(),
    object: Type.Literal('job'),
    status: JobStatus,
    created_at: Type.Integer(),
    started_at: orNull(Type.Integer()),
    finished_at: orNull(Type.Integer()),
    expires_at: orNull(Type.Integer()),
    position: orNull(Type.Integer({ minimum: 0, description: 'Jobs that are to begin before it.' })),
    request: Type.Object({}, { additionalProperties: true, description: 'As it was sent.' }),
    images: Type.Array(Type.Ref(JobImage)),
    warnings: Type.Array(Type.String()),
    error: orNull(ErrorBody.properties.error),
  },
  { $id: 'Job' },
)
export type Job = Static<typeof Job>

export const JobList = Type.Object(
  {
    object: Type.Literal('list'),
    data: Type.Array(Type.Ref(Job)),
    has_more: Type.Boolean(),
    next: orNull(Type.String({ description: 'Passed as `after`, it asks for the next page.' })),
  },
  { $id: 'JobList' },
)

/** `data:` of each event, by the name on its `event:` line. `id:` is what Last-Event-ID sends back. */
export const JobEvents = {
  queued: Type.Object(
    { job: Type.String(), position: Type.Integer(), warnings: Type.Array(Type.String()) },
    { $id: 'JobQueuedEvent' },
  ),
  step: Type.Object(
    {
      job: Type.String(),
      index: Type.Integer(),
      stage: oneOf(['prior', 'decoder', 'vqgan']),
      step: Type.Integer(),
      steps: Type.Integer(),
      eta_ms: orNull(Type.Number()),
    },
    { $id: 'JobStepEvent' },
  ),
  preview: Type.Object(
    {
      job: Type.String(),
      index: Type.Integer(),
      step: Type.Integer(),
      steps: Type.Integer(),
      width: Type.Integer(),
      height: Type.Integer(),
      media_type: Type.String(),
      b64_json: Type.String(),
    },
    { $id: 'JobPreviewEvent' },
  ),
  image: Type.Object({ job: Type.String(), image: Type.Ref(JobImage) }, { $id: 'JobImageEvent' }),
  /** Last of a job that succeeded. */
  done: Type.Object({ job: Type.Ref(Job) }, { $id: 'JobDoneEvent' }),
  /** Last of a job that failed or was canceled: then its status says so. */
  error: Type.Object({ job: Type.Ref(Job), error: ErrorBody.properties.error }, { $id: 'JobErrorEvent' }),
} as const

export const Info = Type.Object(
  {
    name: Type.String(),
    version: Type.String(),
    backend: oneOf(['local', 'queue']),
    models: Type.Array(
      Type.Object({
        id: Type.String(),
        device: Type.String(),
        dtype: Type.String(),
        default_width: Type.Integer(),
        default_height: Type.Integer(),
        max_pixels: Type.Integer({
          description:
            'Width times height: what the server allows and, of a queue, its largest worker makes.',
        }),
        previews: Type.Boolean(),
        loras: Type.Array(Type.Object({ name: Type.String(), scale: Type.Number() })),
      }),
    ),
    limits: Type.Object({
      max_prompt_characters: Type.Integer(),
      max_pixels: Type.Integer(),
      max_steps: Type.Integer(),
      max_images: Type.Integer(),
      max_timeout_ms: Type.Integer(),
      max_body_bytes: Type.Integer(),
      result_ttl_seconds: Type.Integer(),
    }),
    /** Whether requests need a key: then the page asks for one. */
    auth: Type.Boolean(),
    /** Whether this caller may PUT /v1/loras. */
    admin: Type.Boolean(),
  },
  { $id: 'Info' },
)
export type Info = Static<typeof Info>
