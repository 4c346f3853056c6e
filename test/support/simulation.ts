import type { BatchLimits } from '../../lib/engine/batching'
import { Crowd, type Member } from '../../lib/engine/crowd'
import type { Stage } from '../../lib/stages/stage'

/** What one picture asks for. */
export interface Wish {
  /** Turns after which it comes. */
  readonly comes: number
  readonly priority: number
  readonly shape: number
  readonly guided: boolean
  readonly steps: { readonly prior: number; readonly decoder: number }
  readonly kept: number
  readonly share: number
}

/** A job without an engine: steps that take one turn each. */
export class FakeJob implements Member {
  stage: Stage = 'prior'
  waited = 0
  /** Turns of its own. */
  ran = 0
  firstTurn: number | null = null
  lastTurn: number | null = null
  private step = 0

  constructor(
    readonly name: number,
    readonly wish: Wish,
  ) {}

  get arrival(): number {
    return this.name
  }
  get priority(): number {
    return this.wish.priority
  }
  get batchKey(): string {
    return `${this.stage} ${this.wish.shape}`
  }
  get rows(): number {
    return this.stage === 'prior' && this.wish.guided ? 2 : 1
  }
  get mostRows(): number {
    return this.wish.guided ? 2 : 1
  }
  get kept(): number {
    return this.wish.kept
  }
  get share(): number {
    return this.wish.share
  }
  get mostShare(): number {
    return this.wish.share
  }
  get begun(): boolean {
    return this.firstTurn !== null && this.lastTurn === null
  }

  advance(turn: number): void {
    this.firstTurn ??= turn
    this.ran += 1
    this.step += 1
    const { prior, decoder } = this.wish.steps
    if (this.stage === 'vqgan') this.lastTurn = turn
    else if (this.step === (this.stage === 'prior' ? prior : decoder)) {
      this.stage = this.stage === 'prior' ? 'decoder' : 'vqgan'
      this.step = 0
    }
  }
}

/** Plays all wishes to the end; `look` sees every turn before it is taken. */
export function play(
  wishes: readonly Wish[],
  limits: BatchLimits,
  look: (batch: readonly FakeJob[], jobs: readonly FakeJob[], turn: number) => void = () => undefined,
): FakeJob[] {
  const jobs = wishes.map((wish, index) => new FakeJob(index, wish))
  const crowd = new Crowd<FakeJob>()
  let coming = [...jobs]
  const most = jobs.reduce((sum, { wish }) => sum + wish.comes + wish.steps.prior + wish.steps.decoder + 1, 1)
  for (let turn = 0; coming.length + crowd.size > 0; turn++) {
    if (turn > most) throw new Error(`Expected an end within ${most} turns`)
    crowd.add(coming.filter(({ wish }) => wish.comes <= turn))
    coming = coming.filter(({ wish }) => wish.comes > turn)
    const batch = crowd.next(limits)
    look(batch, jobs, turn)
    for (const job of batch) job.advance(turn)
    crowd.remove(({ lastTurn }) => lastTurn !== null)
  }
  return jobs
}
