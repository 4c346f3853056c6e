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
  /** Higher ones go first, until others have waited too long. */
  readonly priority: number
}

export interface BatchLimits {
  /** Rows of one native call; a single job may exceed it alone. */
  readonly maxRows: number
  /** Turns after which a waiting group goes first, whatever its stage. */
  readonly patience: number
}

/**
 * Who runs next. Candidates come oldest first; those with one key share a batch, up to the row limit. Whoever has waited too
 * long goes first, then the higher priority; of equals the later stage, so that pictures leave, and free memory, early,
 * and then the oldest.
 */
export function chooseBatch<Job extends Candidate>(candidates: readonly Job[], limits: BatchLimits): Job[] {
  const { maxRows, patience } = limits
  // Stable: equals stay oldest first.
  const inOrder = [...candidates].sort(
    (a, b) => urgency(b, patience) - urgency(a, patience) || b.priority - a.priority,
  )
  let best: Job[] = []
  for (const batch of batches(inOrder, maxRows)) {
    if (best.length === 0 || goesBefore(batch, best, patience)) best = batch
  }
  return best
}

/** Turns waited, once they are too many. */
function urgency({ waited }: Candidate, patience: number): number {
  return waited >= patience ? waited : 0
}

/** The batch that each group would run, in the order of their first jobs. */
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
      group.full = true // no smaller job overtakes one that does not fit
    }
  }
  return [...groups.values()].map(({ batch }) => batch)
}

/** Whether `batch` runs before `best`, which comes before it in the order above. */
function goesBefore(batch: readonly Candidate[], best: readonly Candidate[], patience: number): boolean {
  const [ours] = batch
  const [theirs] = best
  if (ours === undefined || theirs === undefined) return false
  if (urgency(theirs, patience) > 0 || ours.priority !== theirs.priority) return false
  return STAGES.indexOf(ours.stage) > STAGES.indexOf(theirs.stage)
}
