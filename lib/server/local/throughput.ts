/** Pictures a second while there is work, over the last so many. Batches end together, so one interval says nothing. */
export class Throughput {
  private readonly intervals: number[] = []
  private busySince = 0
  private running = 0

  constructor(
    private readonly capacity = 64,
    private readonly now: () => number = () => performance.now(),
  ) {}

  begin(): void {
    if (this.running === 0) this.busySince = this.now()
    this.running += 1
  }

  /** A job is over, finished or not. */
  end(): void {
    this.running -= 1
  }

  picture(): void {
    const now = this.now()
    this.intervals.push(now - this.busySince)
    this.busySince = now
    if (this.intervals.length > this.capacity) this.intervals.shift()
  }

  get picturesPerSecond(): number | null {
    const busyMs = this.intervals.reduce((sum, one) => sum + one, 0)
    return busyMs > 0 ? (1000 * this.intervals.length) / busyMs : null
  }

  /** Milliseconds until so many pictures are made; a guess before the first one. */
  estimateMs(pictures: number): number {
    const pace = this.picturesPerSecond
    return pace === null ? UNKNOWN_MS : Math.ceil((1000 * Math.max(1, pictures)) / pace)
  }
}

const UNKNOWN_MS = 5000
