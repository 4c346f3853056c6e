import { isOver, type PictureProgress, type WatchedJob } from './state'

const STAGES = { prior: 'prior', decoder: 'decoder', vqgan: 'pixels' } as const

/** One line on where a job stands. */
export function statusOf(job: WatchedJob): string {
  const { status, position, canceling, pictures, message } = job
  if (status === 'succeeded') return 'Done'
  if (status === 'canceled') return 'Canceled'
  if (isOver(job)) return `Failed: ${message ?? 'the server gave no reason'}`
  if (canceling) return 'Canceling …'
  if (position !== null) return waiting(position)
  const [slowest] = pictures.filter(({ saved }) => !saved).sort((a, b) => (b.etaMs ?? 0) - (a.etaMs ?? 0))
  return slowest === undefined ? 'Saving …' : stepOf(slowest)
}

function waiting(position: number): string {
  if (position === 0) return 'Next in the queue'
  return `In the queue, ${position} ${position === 1 ? 'job' : 'jobs'} before it`
}

function stepOf({ stage, step, steps, etaMs }: PictureProgress): string {
  if (stage === null) return 'Starting …'
  const place = steps > 1 ? `, step ${step} of ${steps}` : ''
  return `Working: ${STAGES[stage]}${place}${etaMs === null ? '' : `, ${secondsOf(etaMs)} left`}`
}

/** Rounded up: what is promised should not be less than it takes. */
export function secondsOf(ms: number): string {
  const seconds = Math.max(1, Math.ceil(ms / 1000))
  return seconds < 120 ? `${seconds} s` : `${Math.ceil(seconds / 60)} min`
}
