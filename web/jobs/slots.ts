/**
 * At most so many at once. Browsers open six connections to one HTTP/1.1 server: event streams must leave some for
 * everything else.
 */
export class Slots {
  private readonly waiting: (() => void)[] = []

  constructor(private free: number) {}

  /** Resolves with a function that gives the slot back; first come, first served. */
  async take(): Promise<() => void> {
    if (this.free > 0) this.free--
    else await new Promise<void>((resolve) => this.waiting.push(resolve))
    let given = false
    return () => {
      if (given) return
      given = true
      const next = this.waiting.shift()
      if (next === undefined) this.free++
      else next()
    }
  }
}
