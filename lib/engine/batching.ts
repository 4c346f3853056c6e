/** The stages an image passes through, in order. */
export const STAGES = ['prior', 'decoder', 'vqgan'] as const
export type Stage = (typeof STAGES)[number]

/** What the choice needs to know of a job. */
export interface Candidate {
  readonly stage: Stage
  /** Equal for jobs that can share a batch: the same stage, latent shape and token count. */
  readonly batchKey: string
  /** Batch entries it takes: two when guided, one otherwise. */
  readonly rows: number
  /** Turns that went to others since it last ran. */
  readonly waited: number
}

export interface BatchLimits {
  /** Rows of one native call; a single job may exceed it alone. */
  readonly maxRows: number
  /** Turns after which a waiting group goes first, whatever its stage. */
  readonly patience: number
}

/**
 * Who runs next. Candidates come oldest first; those with one key share a batch, oldest first, up to the row limit.
 * The later stage goes first, so that pictures leave, and free memory, early; a group that has waited too long goes before it.
 */
export function chooseBatch<Job extends Candidate>(candidates: readonly Job[], limits: BatchLimits): Job[] {
  let best: Job[] = []
  for (const batch of batches(candidates, limits.maxRows)) {
    if (best.length === 0 || goesBefore(batch, best, limits.patience)) best = batch
  }
  return best
}

/** The batch that each group would run, in the order of their oldest jobs. */
function batches<Job extends Candidate>(candidates: readonly Job[], maxRows: number): Job[][] {
  const groups = new Map<string, { batch: Job[]; rows: number; full: boolean }>()
  for (const job of candidates) {
    const group = groups.get(job.batchKey)
    if (group === undefined) {
      // The vqgan decodes one picture at a time: its activations are the largest of all.
      groups.set(job.batchKey, { batch: [job], rows: job.rows, full: job.stage === 'vqgan' })
    } else if (!group.full && group.rows + job.rows <= maxRows) {
      group.batch.push(job)
      group.rows += job.rows
    } else {
      group.full = true // no younger, smaller job overtakes one that does not fit
    }
  }
  return [...groups.values()].map(({ batch }) => batch)
}

/** Whether `batch` runs before `best`, whose oldest job is older. */
function goesBefore(batch: readonly Candidate[], best: readonly Candidate[], patience: number): boolean {
  const [ours] = batch
  const [theirs] = best
  if (ours === undefined || theirs === undefined) return false
  const starving = ours.waited >= patience
  if (starving !== theirs.waited >= patience) return starving
  if (starving) return ours.waited > theirs.waited
  return STAGES.indexOf(ours.stage) > STAGES.indexOf(theirs.stage)
}
