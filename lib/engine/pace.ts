/** How long a step takes, by stage and size: a moving average of what was measured. */
export class Pace {
  private readonly averages = new Map<string, number>()

  constructor(private readonly capacity = 64) {}

  record(key: string, milliseconds: number): void {
    const before = this.averages.get(key)
    this.averages.delete(key)
    this.averages.set(key, before === undefined ? milliseconds : before + 0.3 * (milliseconds - before))
    const [oldest] = this.averages.keys()
    if (this.averages.size > this.capacity && oldest !== undefined) this.averages.delete(oldest)
  }

  /** Milliseconds for all of these steps; null when one kind was never measured. */
  estimate(work: readonly { readonly key: string; readonly steps: number }[]): number | null {
    let total = 0
    for (const { key, steps } of work) {
      const average = this.averages.get(key)
      if (steps > 0 && average === undefined) return null
      total += steps * (average ?? 0)
    }
    return total
  }
}
