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
  /** The part of the memory for batches that it takes, up to 1; 0 where there is no limit. */
  readonly share: number
}

export interface BatchLimits {
  /** Rows of one native call; a single job may exceed it alone. */
  readonly maxRows: number
  /** Turns after which a waiting group goes first, whatever its priority. */
  readonly patience: number
  /** Turns that a group gives way to fuller ones of its priority. */
  readonly courtesy: number
  /** The stage whose weights are on the device, where changing them costs time: it goes on as long as nobody loses patience. */
  readonly resident?: Stage | null
}

/** From here on a fuller batch is hardly cheaper by the picture: on two cores the third one saves a tenth, later ones less. */
const COMPANY = 3 // pictures

/**
 * Who runs next. Candidates come oldest first; those with one key share a batch, up to the row limit. Whoever has waited too
 * long goes first, then the higher priority, then whose weights are there. Of equals whoever gave way often enough, then the batch with more company, then
 * the later stage, so that pictures leave, and free memory, early, and then the oldest.
 */
export function chooseBatch<Job extends Candidate>(candidates: readonly Job[], limits: BatchLimits): Job[] {
  const { maxRows, patience } = limits
  // Stable: equals stay oldest first.
  const inOrder = [...candidates].sort(
    (a, b) => over(b.waited, patience) - over(a.waited, patience) || b.priority - a.priority,
  )
  let best: { readonly batch: Job[]; readonly claims: readonly number[] } = { batch: [], claims: [] }
  for (const batch of batches(inOrder, maxRows)) {
    const claims = claimsOf(batch, limits)
    if (best.batch.length === 0 || isStronger(claims, best.claims)) best = { batch, claims }
  }
  return best.batch
}

/** What speaks for running a batch now, the weightiest first. */
function claimsOf(batch: readonly Candidate[], limits: BatchLimits): readonly number[] {
  const { patience, courtesy, resident } = limits
  const [first] = batch
  if (first === undefined) return []
  const waited = Math.max(...batch.map((job) => job.waited))
  // A picture in the vqgan is as full as that stage gets.
  const company = first.stage === 'vqgan' ? COMPANY : Math.min(batch.length, COMPANY)
  return [
    over(first.waited, patience),
    first.priority,
    first.stage === resident ? 1 : 0,
    over(waited, courtesy),
    company,
    STAGES.indexOf(first.stage),
  ]
}

function isStronger(claims: readonly number[], others: readonly number[]): boolean {
  const place = claims.findIndex((claim, index) => claim !== others[index])
  return place >= 0 && (claims[place] ?? 0) > (others[place] ?? 0)
}

/** Turns waited, once they are too many. */
function over(waited: number, limit: number): number {
  return waited >= limit ? waited : 0
}

/** The batch that each group would run, in the order of their first jobs. */
function batches<Job extends Candidate>(candidates: readonly Job[], maxRows: number): Job[][] {
  const groups = new Map<string, { batch: Job[]; rows: number; share: number; full: boolean }>()
  for (const job of candidates) {
    const group = groups.get(job.batchKey)
    if (group === undefined) {
      // The vqgan decodes one picture at a time: its activations are the largest of all.
      groups.set(job.batchKey, {
        batch: [job],
        rows: job.rows,
        share: job.share,
        full: job.stage === 'vqgan',
      })
    } else if (!group.full && group.rows + job.rows <= maxRows && group.share + job.share <= 1) {
      group.batch.push(job)
      group.rows += job.rows
      group.share += job.share
    } else {
      group.full = true // no smaller job overtakes one that does not fit
    }
  }
  return [...groups.values()].map(({ batch }) => batch)
}
