/**
 * What a server knows of whoever makes its pictures: a pipeline in this process (`local.ts`), or a queue that workers
 * take from. All that passes here is plain data: it can be cloned, written as JSON (bytes as base64), sent through Redis.
 */

import type { GenerateOptions, ImageTimings } from '../index'

/** Options of `generate()` that are plain data; one prompt, so numbers and texts rather than lists. */
export interface PictureOptions
  extends Pick<
    GenerateOptions,
    | 'width'
    | 'height'
    | 'promptSyntax'
    | 'longPrompts'
    | 'previewEvery'
    | 'priorNumInferenceSteps'
    | 'priorTimesteps'
    | 'priorGuidanceScale'
    | 'numInferenceSteps'
    | 'decoderTimesteps'
    | 'decoderGuidanceScale'
  > {
  readonly negativePrompt?: string | undefined
  readonly seed?: number | undefined
}

export type PictureFormat = 'png' | 'jpeg' | 'webp'

/** A checked wish for pictures: types and ranges are right, the model has not seen it yet. */
export interface JobRequest {
  readonly prompt: string
  /** One of `BackendInfo.models` by name; null for the first of them. */
  readonly model: string | null
  /** Pictures of it. */
  readonly count: number
  readonly options: PictureOptions
  readonly format: PictureFormat
  /** 1 to 100 for jpeg and webp; null for the encoder's default. */
  readonly quality: number | null
  /** As in `generate()`: -10 to 10, higher goes first. */
  readonly priority: number
  /** Milliseconds since 1970 after which nobody wants the pictures any more; null for never. */
  readonly deadline: number | null
  /** Whose job it is: an API key's name. Others neither see nor cancel it. */
  readonly owner: string
  /** The same key of the same owner again is the same job: it is made once. Null for none. */
  readonly idempotencyKey: string | null
  /** For logs and traces of all processes that touch the job. */
  readonly requestId: string
  /** W3C `traceparent` of the span that asks; null without tracing. */
  readonly traceparent: string | null
}

/** Where a finished picture is: its bytes come from `Backend.picture()`, never with an event. */
export interface PictureInfo {
  /** Which picture of the job, from 0. */
  readonly index: number
  readonly width: number
  readonly height: number
  readonly mediaType: string
  readonly bytes: number
  readonly seed: number
  /** Milliseconds from the job's acceptance until the picture was there, encoded. */
  readonly totalMs: number
  /** Milliseconds of its parts, as `generate()` tells them. */
  readonly timings: Pick<ImageTimings, 'queuedMs' | 'priorMs' | 'decoderMs' | 'vqganMs'>
  /** Its name in the store of a queue: nothing for clients. */
  readonly place?: string
}

/** An error as data. `code` is one of docs/errors.md, or CANCELED, LOST, POISON. */
export interface JobError {
  readonly code: string
  readonly message: string
  readonly retryable: boolean
  /** The option at fault, where there is one. */
  readonly param: string | null
}

export type JobStatus = 'queued' | 'running' | 'succeeded' | 'failed' | 'canceled'

/** All that is known of a job at one moment. Times are milliseconds since 1970. */
export interface JobSnapshot {
  /** Unguessable, of letters, digits, `-` and `_`; later jobs of one backend sort after earlier ones. */
  readonly id: string
  readonly status: JobStatus
  readonly request: JobRequest
  readonly createdAt: number
  readonly startedAt: number | null
  readonly finishedAt: number | null
  /** When job and pictures are forgotten; null while unfinished. */
  readonly expiresAt: number | null
  /** Jobs that are to begin before it: 0 is next. Null once it has begun. */
  readonly position: number | null
  /** Finished pictures, by index. */
  readonly pictures: readonly PictureInfo[]
  readonly warnings: readonly string[]
  readonly error: JobError | null
}

/**
 * What happens to a job. `id` rises with every event of a job and never repeats: "5", "1732550000000-3". Readers compare
 * it with nothing but `===`; `follow()` alone understands it.
 */
export type JobEvent = { readonly id: string } & (
  | { readonly type: 'queued'; readonly position: number; readonly warnings: readonly string[] }
  | {
      readonly type: 'step'
      readonly index: number
      readonly stage: 'prior' | 'decoder' | 'vqgan'
      readonly step: number
      readonly steps: number
      readonly etaMs: number | null
    }
  | {
      readonly type: 'preview'
      readonly index: number
      readonly step: number
      readonly steps: number
      readonly width: number
      readonly height: number
      /** A small picture, a few kilobytes. */
      readonly mediaType: string
      readonly data: Uint8Array
    }
  | { readonly type: 'image'; readonly picture: PictureInfo }
  /** The last one: succeeded. `job` is what it is now. */
  | { readonly type: 'done'; readonly job: JobSnapshot }
  /** The last one: failed, or canceled where the code is CANCELED. */
  | { readonly type: 'error'; readonly error: JobError; readonly job: JobSnapshot }
)

export interface SubmitOptions {
  /** Unfinished jobs that the request's owner may have, with this one; more are refused with ERR_WUERSTCHEN_QUEUE_FULL. */
  readonly maxUnfinished?: number | undefined
}

export interface FollowOptions {
  /** An event's id: only what came after it is sent. Unknown or missing: all that is kept. */
  readonly after?: string | undefined
  /** Ends the following, not the job. */
  readonly signal?: AbortSignal | undefined
  /** Only `done` or `error`: nobody is woken by each step. Defaults to false. */
  readonly last?: boolean | undefined
  /** The job as its follower knows it. Where a queue has lost it, the `error` that says so has it; without it the events end. */
  readonly known?: JobSnapshot | undefined
}

export interface StoredPicture {
  readonly mediaType: string
  readonly data: Uint8Array
}

export interface JobPage {
  /** Newest first. */
  readonly jobs: readonly JobSnapshot[]
  /** Passed as `after`, it asks for the next page; null on the last one. */
  readonly next: string | null
}

/** What is known of the models behind it. */
export interface BackendInfo {
  readonly kind: 'local' | 'queue'
  /** Models that requests are served by, the default first; empty while no one is there yet. */
  readonly models: readonly BackendModel[]
}

export interface BackendModel {
  readonly name: string
  readonly device: string
  readonly dtype: string
  readonly defaultWidth: number
  readonly defaultHeight: number
  /** Steps of Stage C where a request does not say. */
  readonly defaultPriorSteps: number
  /** Whether it makes previews. */
  readonly previews: boolean
  readonly loras: readonly { readonly name: string; readonly scale: number }[]
  /** Of a queue: the largest picture that its workers make, width times height. */
  readonly maxPixels?: number
}

/** `loading` and `draining` take no jobs; `failed` will not without somebody's help, and says why. */
export type BackendState =
  | { readonly name: 'loading' | 'ready' | 'draining' }
  | { readonly name: 'failed'; readonly message: string }

/** Counters since the start, and what waits now. */
export interface BackendStatistics {
  /** Jobs and pictures not begun. */
  readonly waitingJobs: number
  readonly waitingPictures: number
  readonly runningJobs: number
  readonly runningPictures: number
  /** Finished jobs still kept, and the bytes of their pictures. */
  readonly keptJobs: number
  readonly keptBytes: number
  /** Jobs by how they ended. */
  readonly succeeded: number
  readonly failed: number
  readonly canceled: number
  /** Pictures a second while there is work, as measured lately; null before the first one. */
  readonly picturesPerSecond: number | null
  /** As `PipelineStatistics.stages`; null where no pipeline is in this process. */
  readonly stages: Readonly<
    Record<
      string,
      { readonly turns: number; readonly steps: number; readonly rows: number; readonly busyMs: number }
    >
  > | null
  /** Bytes that weights and tensors hold; null where no pipeline is in this process. */
  readonly memoryBytes: number | null
  /** Of a queue: who makes its pictures, by model, and what waits for them. */
  readonly workers?: readonly { readonly model: string; readonly count: number }[]
  readonly queues?: readonly QueueDepth[]
  readonly broker?: BrokerHealth
}

/** Of a process's connection to the broker. */
export interface BrokerHealth {
  readonly up: boolean
  /** How often it could not be reached any more. */
  readonly losses: number
}

/** Jobs of one queue of workers: not begun, taken, waiting to be tried again, and set aside for good. */
export interface QueueDepth {
  readonly name: string
  readonly waiting: number
  readonly running: number
  readonly delayed: number
  readonly setAside: number
}

/** Whoever makes the pictures. All methods may be called at once, and reject only with errors that carry a `code`. */
export interface Backend {
  readonly state: BackendState
  readonly info: BackendInfo
  /**
   * Of a queue: since when nobody makes the pictures of a model (null: the first one), in milliseconds since 1970; null while
   * somebody does.
   */
  absentSince?(model: string | null): number | null
  /** Resolves once `state` is ready; rejects with the reason if it never will be. */
  ready(): Promise<void>
  statistics(): Promise<BackendStatistics>
  /**
   * Resolves as soon as the job is accepted, which for a queue means: durable. A known idempotency key resolves with the job
   * that has it (`found: true`), or rejects with ERR_WUERSTCHEN_INVALID_ARGUMENT where that job's request differs.
   * Rejects with ERR_WUERSTCHEN_INVALID_ARGUMENT or _MEMORY_LIMIT for a request no model here can take,
   * ERR_WUERSTCHEN_QUEUE_FULL (`details.retryAfterMs`: by the measured pace), ERR_WUERSTCHEN_DISPOSED unless `ready`.
   */
  submit(
    request: JobRequest,
    options?: SubmitOptions,
  ): Promise<{ readonly job: JobSnapshot; readonly found: boolean }>
  /**
   * The events of a job from its beginning, or after one: the latest position, the latest step and preview of each picture,
   * every image, then `done` or `error`, which ends it. What is superseded may be left out. Empty for an unknown job.
   */
  follow(id: string, options?: FollowOptions): AsyncIterable<JobEvent>
  /** Asks for the end of a job; resolves with what it is then, null for an unknown one. A finished job stays as it is. */
  cancel(id: string): Promise<JobSnapshot | null>
  find(id: string): Promise<JobSnapshot | null>
  list(options: {
    readonly owner: string
    readonly limit: number
    readonly after?: string | undefined
  }): Promise<JobPage>
  /** Null for what is unknown, unfinished or expired. `known`, of an event or a snapshot, spares a queue a look. */
  picture(id: string, index: number, known?: PictureInfo): Promise<StoredPicture | null>
  /** Forgets a finished job and its pictures; an unfinished one is cancelled first. False for an unknown one. */
  remove(id: string): Promise<boolean>
  /** Other scales for all LoRAs that are named, for all later jobs; rejects for an unknown name. */
  setLoraScales(scales: Readonly<Record<string, number>>): Promise<void>
  /**
   * Takes no more jobs. With `drain`, what was accepted is finished first, for at most `timeoutMs`; a queue's jobs stay in
   * the queue. Safe twice.
   */
  dispose(options?: { readonly drain?: boolean; readonly timeoutMs?: number }): Promise<void>
}
