/** Work that changes the model, and has it to itself, in the order of arrival among requests and prompts. */

/** One change. It never rejects but to whoever asked for it. */
class Change {
  readonly done: Promise<void>
  /** However it ended. */
  readonly over: Promise<void>
  private settle!: { resolve(): void; reject(reason: unknown): void }

  constructor(
    readonly place: number,
    private readonly work: () => Promise<void>,
    /** Prompts that are being encoded, which arrived before it. */
    private readonly before: readonly Promise<unknown>[],
  ) {
    this.done = new Promise((resolve, reject) => {
      this.settle = { resolve, reject }
    })
    this.over = this.done.catch(() => undefined)
  }

  async run(): Promise<void> {
    await Promise.allSettled(this.before)
    try {
      await this.work()
      this.settle.resolve()
    } catch (error) {
      this.settle.reject(error)
    }
  }

  refuse(reason: unknown): void {
    this.settle.reject(reason)
  }
}

/** The changes that wait, and the one that is being made. */
export class Changes {
  private readonly waiting: Change[] = []
  private current: Change | null = null
  private arrivals = 0

  /** The place of a request that arrives now. */
  arrive(): number {
    this.arrivals += 1
    return this.arrivals
  }

  /** @param before what arrived before it and is not among the requests. */
  add(work: () => Promise<void>, before: readonly Promise<unknown>[]): Promise<void> {
    const change = new Change(this.arrive(), work, before)
    this.waiting.push(change)
    return change.done
  }

  get pending(): boolean {
    return this.first !== undefined
  }

  /** Whether all changes that came before this place are over. */
  settledAt(place: number): boolean {
    return this.first === undefined || place < this.first.place
  }

  /** Resolves when all changes that came until now are over. */
  get over(): Promise<void> {
    const last = this.waiting.at(-1) ?? this.current
    return last?.over ?? Promise.resolve()
  }

  /** Makes the first one. What came after it may go on only when this has resolved. */
  async makeNext(): Promise<void> {
    this.current = this.waiting.shift() ?? null
    await this.current?.run()
    this.current = null
  }

  /** None of those that wait will be made. */
  refuse(reason: unknown): void {
    for (const change of this.waiting.splice(0)) change.refuse(reason)
  }

  private get first(): Change | undefined {
    return this.current ?? this.waiting[0]
  }
}
