import type { FloatTensor } from '../tensors/float-tensor'

/** What a text encoder answered, the least recently used forgotten first. Who asks meanwhile waits for the same answer. */
export class TextCache {
  /** Times that a text encoder read a text, and times that it did not have to. */
  readonly counts = { encoded: 0, cached: 0 }
  private readonly answers = new Map<string, FloatTensor>()
  private readonly awaited = new Map<string, Promise<FloatTensor>>()
  private bytes = 0

  constructor(private readonly most: number) {}

  get(key: string, encode: () => Promise<FloatTensor>): Promise<FloatTensor> {
    const known = this.answers.get(key)
    if (known !== undefined) return Promise.resolve(this.found(key, known))
    const awaited = this.awaited.get(key)
    if (awaited === undefined) return this.ask(key, encode)
    return awaited.then(
      (answer) => this.found(key, answer),
      () => this.get(key, encode),
    )
  }

  clear(): void {
    this.answers.clear()
    this.awaited.clear()
    this.bytes = 0
  }

  private async ask(key: string, encode: () => Promise<FloatTensor>): Promise<FloatTensor> {
    this.counts.encoded += 1
    const asked = encode()
    if (this.most > 0) this.awaited.set(key, asked)
    try {
      const answer = await asked
      // An answer of weights that have changed meanwhile is for those alone who asked for it.
      if (this.awaited.get(key) === asked) this.keep(key, answer)
      return answer
    } finally {
      if (this.awaited.get(key) === asked) this.awaited.delete(key)
    }
  }

  /** What is found goes to the end of the line, if it is still in it. */
  private found(key: string, answer: FloatTensor): FloatTensor {
    this.counts.cached += 1
    if (this.answers.delete(key)) this.answers.set(key, answer)
    return answer
  }

  private keep(key: string, answer: FloatTensor): void {
    this.answers.set(key, answer)
    this.bytes += answer.data.byteLength
    for (const [oldest, { data }] of this.answers) {
      if (this.bytes <= this.most) return
      this.answers.delete(oldest)
      this.bytes -= data.byteLength
    }
  }
}
