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

/** Steps of a stage and size measured together, at one width. */
interface Width {
  /** Milliseconds of a step, for each picture in it: a moving average. */
  average: number
  count: number
}

/** A width is judged when it was measured as often as this. */
const ENOUGH = 4 // steps

/** Steps of a stage and size after which one is spent on a width that is not known, or was not seen for long. */
const CURIOUS = 64

/** A narrower batch, whose pictures are finished sooner, is taken if it is at most this much slower by the picture. */
const TOLERANCE = 1.01

/**
 * How many pictures of one stage and size are best advanced together. Until it was measured that fewer are as fast by the
 * picture, it is as many as there are: where batches pay they pay at once, and where they do not that is soon known.
 */
export class Widths {
  private readonly known = new Map<string, { readonly widths: Map<number, Width>; turns: number }>()

  constructor(private readonly capacity = 64) {}

  record(key: string, pictures: number, milliseconds: number): void {
    const shape = this.known.get(key) ?? { widths: new Map<number, Width>(), turns: 0 }
    this.known.delete(key)
    this.known.set(key, shape)
    const [oldest] = this.known.keys()
    if (this.known.size > this.capacity && oldest !== undefined) this.known.delete(oldest)
    shape.turns += 1
    if (shape.turns === 1) return // weights may have been packed in it
    const each = milliseconds / pictures
    const width = shape.widths.get(pictures)
    if (width === undefined) {
      shape.widths.set(pictures, { average: each, count: 1 })
      return
    }
    // A machine that does something else for a moment says nothing about the width.
    const believed = Math.min(each, 1.5 * width.average)
    width.average += (believed - width.average) / Math.min(++width.count, 8)
  }

  /** Pictures beyond which another one saves no time by the picture; infinite where nothing says so. */
  widest(key: string): number {
    const shape = this.known.get(key)
    if (shape === undefined) return Number.POSITIVE_INFINITY
    const judged = [...shape.widths].filter(([, { count }]) => count >= ENOUGH).sort(([a], [b]) => a - b)
    const best = Math.min(...judged.map(([, { average }]) => average))
    const [widest] = judged.at(-1) ?? [0]
    const [narrowest] = judged.find(([, { average }]) => average <= TOLERANCE * best) ?? [0]
    if (shape.turns % CURIOUS >= CURIOUS - ENOUGH) return curiosity(shape.turns, widest)
    return narrowest === widest ? Number.POSITIVE_INFINITY : narrowest
  }
}

/** One width after the other: half the widest, a quarter, ... one, and then all that there are. */
function curiosity(turns: number, widest: number): number {
  const halves = [Number.POSITIVE_INFINITY]
  for (let width = widest >> 1; width >= 1; width >>= 1) halves.push(width)
  return halves[Math.floor(turns / CURIOUS) % halves.length] ?? Number.POSITIVE_INFINITY
}
