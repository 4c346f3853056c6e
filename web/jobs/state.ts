import type { Job, JobEvent } from '../api/types'

/** What a picture that is being made looks like now. */
export interface PictureProgress {
  readonly index: number
  readonly stage: 'prior' | 'decoder' | 'vqgan' | null
  readonly step: number
  readonly steps: number
  readonly etaMs: number | null
  /** A `data:` address. */
  readonly preview: string | null
  readonly saved: boolean
}

export interface WatchedJob {
  readonly id: string
  readonly prompt: string
  readonly status: Job['status'] | 'lost'
  /** Jobs that are to begin before it; null once it has begun. */
  readonly position: number | null
  readonly pictures: readonly PictureProgress[]
  readonly warnings: readonly string[]
  /** Why it ended without pictures. */
  readonly message: string | null
  /** Whether the server was told to end it. */
  readonly canceling: boolean
}

export type JobAction =
  | { readonly type: 'watched'; readonly job: Job }
  | { readonly type: 'event'; readonly id: string; readonly event: JobEvent }
  | { readonly type: 'saved'; readonly id: string; readonly index: number }
  | { readonly type: 'canceling'; readonly id: string; readonly canceling: boolean }
  | { readonly type: 'lost'; readonly id: string; readonly message: string }
  | { readonly type: 'dismissed'; readonly id: string }

export const isOver = ({ status }: WatchedJob) => status !== 'queued' && status !== 'running'

/** Newest first. */
export function reduceJobs(jobs: readonly WatchedJob[], action: JobAction): readonly WatchedJob[] {
  switch (action.type) {
    case 'watched':
      return jobs.some(({ id }) => id === action.job.id)
        ? change(jobs, action.job.id, (job) => asOf(job, action.job))
        : [watched(action.job), ...jobs]
    case 'event':
      return change(jobs, action.id, (job) => after(job, action.event))
    case 'saved':
      return change(jobs, action.id, (job) => picture(job, action.index, { saved: true }))
    case 'canceling':
      return change(jobs, action.id, (job) => ({ ...job, canceling: action.canceling }))
    case 'lost':
      return change(jobs, action.id, (job) => ({ ...job, status: 'lost', message: action.message }))
    case 'dismissed':
      return jobs.filter(({ id }) => id !== action.id)
  }
}

/** From 0 to 1, by its pictures. The prior has most of the steps. */
export function progressOf({ pictures }: WatchedJob): number {
  const sum = pictures.reduce((total, one) => total + partOf(one), 0)
  return pictures.length === 0 ? 0 : sum / pictures.length
}

function partOf({ stage, step, steps, saved }: PictureProgress): number {
  if (saved) return 1
  const done = steps === 0 ? 0 : step / steps
  if (stage === 'prior') return 0.6 * done
  if (stage === 'decoder') return 0.6 + 0.35 * done
  return stage === 'vqgan' ? 0.95 : 0
}

function change(
  jobs: readonly WatchedJob[],
  id: string,
  to: (job: WatchedJob) => WatchedJob,
): readonly WatchedJob[] {
  return jobs.map((job) => (job.id === id ? to(job) : job))
}

function watched(job: Job): WatchedJob {
  const { prompt = '', n = 1 } = job.request as { prompt?: string; n?: number }
  const pictures = Array.from({ length: n }, (_, index) => ({
    ...{ index, stage: null, step: 0, steps: 0, etaMs: null, preview: null, saved: false },
  }))
  const empty = { id: job.id, prompt, pictures, canceling: false, message: null }
  return asOf({ ...empty, status: job.status, position: job.position, warnings: job.warnings }, job)
}

function asOf(job: WatchedJob, { status, position, warnings, error }: Job): WatchedJob {
  return { ...job, status, position, warnings, message: error?.message ?? job.message }
}

function after(job: WatchedJob, event: JobEvent): WatchedJob {
  switch (event.type) {
    case 'queued':
      return { ...job, position: event.data.position, warnings: event.data.warnings }
    case 'step': {
      const { index, stage, step, steps, eta_ms: etaMs } = event.data
      return picture({ ...job, status: 'running', position: null }, index, { stage, step, steps, etaMs })
    }
    case 'preview': {
      const { index, media_type: type, b64_json: data } = event.data
      return picture(job, index, { preview: `data:${type};base64,${data}` })
    }
    case 'image':
      return job
    case 'done':
      return { ...job, status: 'succeeded', position: null }
    case 'error': {
      const status = event.data.job?.status ?? 'failed'
      return { ...job, status, position: null, message: event.data.error.message }
    }
  }
}

function picture(job: WatchedJob, index: number, to: Partial<PictureProgress>): WatchedJob {
  return { ...job, pictures: job.pictures.map((one) => (one.index === index ? { ...one, ...to } : one)) }
}
