import type { NativeTensor } from '../native/types'

/** A cached tensor in use: it is not freed before `dispose()`. */
export interface Lease {
  readonly tensor: NativeTensor
  dispose(): void
}

interface Entry {
  readonly tensor: NativeTensor
  users: number
}

/** Modulation tables by schedule. Nearly all requests share one, and a table depends on nothing else. */
export class ModulationCache {
  /** Least recently used first. */
  private readonly entries = new Map<string, Entry>()
  private closed = false

  constructor(
    private readonly modulate: (ratios: Float32Array) => Promise<NativeTensor>,
    private readonly capacity = 4,
  ) {}

  async acquire(ratios: Float32Array): Promise<Lease> {
    const key = ratios.join()
    const entry = this.entries.get(key) ?? { tensor: await this.modulate(ratios), users: 0 }
    entry.users += 1
    this.entries.delete(key)
    this.entries.set(key, entry)
    this.evict()
    return { tensor: entry.tensor, dispose: this.releaser(key, entry) }
  }

  /** Forgets all, for example because the weights they were made with changed. */
  clear(): void {
    for (const [key, entry] of this.entries) this.drop(key, entry)
  }

  dispose(): void {
    this.closed = true
    this.clear()
  }

  private releaser(key: string, entry: Entry): () => void {
    let released = false
    return () => {
      if (released) return
      released = true
      entry.users -= 1
      if (entry.users === 0 && (this.closed || this.entries.get(key) !== entry)) entry.tensor.dispose()
    }
  }

  private evict(): void {
    for (const [key, entry] of this.entries) {
      if (this.entries.size <= this.capacity) return
      this.drop(key, entry)
    }
  }

  /** Forgets an entry; whoever uses it last frees it. */
  private drop(key: string, entry: Entry): void {
    this.entries.delete(key)
    if (entry.users === 0) entry.tensor.dispose()
  }
}
