import type { Stage } from '../stages/stage'

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
  /** Of two with one priority the lower number goes first. */
  readonly arrival: number
  /** The part of the memory for pictures that it holds, up to 1; 0 where there is no limit. */
  readonly kept: number
  /** The part that a turn of it takes beside that. */
  readonly share: number
}

export interface BatchLimits {
  /** Rows of one native call; a single job may exceed it alone. */
  readonly maxRows: number
  /** Turns after which a job goes before those of higher priority. */
  readonly patience: number
  /** Turns that whoever is first in order gives way to fuller batches. */
  readonly courtesy: number
  /**
   * The stage whose weights are on the device, where changing them costs time: it goes on while anybody of this priority is in
   * it.
   */
  readonly resident?: Stage | null
  /** Pictures of a batch beyond which another one saves no time, by `batchKey`. Defaults to as many as there are. */
  readonly widest?: (batchKey: string) => number
}

/** From here on a fuller batch is hardly cheaper by the picture: on two cores the third one saves a tenth, later ones less. */
const COMPANY = 3 // pictures

/**
 * Who runs next, of those that were let in. The first in order of priority, then arrival, leads; one that has waited too
 * long for others of higher priority leads in its place. Whoever shares the leader's key runs with it. A leader whose batch
 * is not full gives way to fuller ones of its priority, but only so often. It always
 * gives way to a picture that only has to be decoded, which then leaves and frees its memory.
 */
export function chooseBatch<Job extends Candidate>(candidates: readonly Job[], limits: BatchLimits): Job[] {
  const inOrder = [...candidates].sort(inTurn)
  const [first] = inOrder
  if (first === undefined) return []
  const tired = mostTired(inOrder, first.priority, limits.patience)
  const leader = tired ?? first
  const [own = [], ...others] = batches([leader, ...inOrder.filter((job) => job !== leader)], limits)
  if (tired !== undefined) return own
  let best = own
  for (const batch of others.filter(([head]) => head?.priority === leader.priority)) {
    if (isStronger(claims(batch, leader, limits), claims(best, leader, limits))) best = batch
  }
  return best
}

/** Priority, then arrival; for a stable sort. */
export function inTurn(
  a: Pick<Candidate, 'priority' | 'arrival'>,
  b: Pick<Candidate, 'priority' | 'arrival'>,
): number {
  return b.priority - a.priority || a.arrival - b.arrival
}

/**
 * Who has waited longest for others of higher priority, if too long. Equals cannot tire each other: the first of them is soon
 * done.
 */
function mostTired<Job extends Candidate>(
  inOrder: readonly Job[],
  highest: number,
  patience: number,
): Job | undefined {
  const tired = inOrder.filter(({ priority, waited }) => priority < highest && waited >= patience)
  return tired.reduce<Job | undefined>(
    (most, job) => (most === undefined || job.waited > most.waited ? job : most),
    undefined,
  )
}

/**
 * What speaks for running a batch of the leader's priority now, the weightiest first; of equals the one nearest the leader
 * runs.
 */
function claims(batch: readonly Candidate[], leader: Candidate, limits: BatchLimits): readonly number[] {
  const [head] = batch
  if (head === undefined) return []
  const full = Math.min(COMPANY, limits.widest?.(head.batchKey) ?? COMPANY)
  return [
    head.stage === limits.resident ? 1 : 0,
    head.stage === 'vqgan' ? 1 : 0,
    head === leader && head.waited >= limits.courtesy ? 1 : 0,
    Math.min(1, batch.length / full),
  ]
}

function isStronger(claims: readonly number[], others: readonly number[]): boolean {
  const place = claims.findIndex((claim, index) => claim !== others[index])
  return place >= 0 && (claims[place] ?? 0) > (others[place] ?? 0)
}

/** The batch that each group would run, in the order of their first jobs. */
function batches<Job extends Candidate>(candidates: readonly Job[], limits: BatchLimits): Job[][] {
  // What everybody holds, in the batch or not.
  const held = candidates.reduce((sum, { kept }) => sum + kept, 0)
  const groups = new Map<string, { batch: Job[]; rows: number; used: number; most: number }>()
  for (const job of candidates) {
    const group = groups.get(job.batchKey)
    if (group === undefined) {
      groups.set(job.batchKey, {
        batch: [job],
        rows: job.rows,
        used: held + job.share,
        // The vqgan decodes one picture at a time: its activations are the largest of all.
        most: job.stage === 'vqgan' ? 1 : (limits.widest?.(job.batchKey) ?? Number.POSITIVE_INFINITY),
      })
    } else if (
      group.batch.length < group.most &&
      group.rows + job.rows <= limits.maxRows &&
      group.used + job.share <= 1
    ) {
      group.batch.push(job)
      group.rows += job.rows
      group.used += job.share
    } else {
      group.most = 0 // no smaller job overtakes one that does not fit
    }
  }
  return [...groups.values()].map(({ batch }) => batch)
}
