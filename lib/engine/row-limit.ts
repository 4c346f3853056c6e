/** Native calls that must go well before a batch may be twice as wide again: after the first shortage, and at most. */
const FEWEST_TURNS = 64
const MOST_TURNS = 2048

/**
 * Batch entries that one native call may have: halved when memory runs out, doubled again after some turns without that. A
 * machine that is short of memory for a moment is not slow for ever. One that stays short is tried less and less often.
 */
export class RowLimit {
  private rows: number
  private turns = 0
  private wantedTurns = FEWEST_TURNS / 2
  private failures = 0

  constructor(private readonly most: number) {
    this.rows = most
  }

  get now(): number {
    return this.rows
  }

  /** Batches that ran out of memory. */
  get shortages(): number {
    return this.failures
  }

  /** Memory ran out for a batch of several. */
  shrink(): void {
    this.failures += 1
    this.rows = Math.max(1, this.rows >> 1)
    this.wantedTurns = Math.min(2 * this.wantedTurns, MOST_TURNS)
    this.turns = 0
  }

  /** A native call went well. */
  recover(): void {
    if (this.rows === this.most) return
    this.turns += 1
    if (this.turns < this.wantedTurns) return
    this.rows = Math.min(this.most, 2 * this.rows)
    this.turns = 0
  }
}
