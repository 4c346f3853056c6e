import type { MultiBar, SingleBar } from 'cli-progress'
import type { GenerateProgress, LoadProgress } from '../index'

/** Shows how far the pictures of a command are, and prints lines that the bars do not overwrite. */
export interface Progress {
  load(progress: LoadProgress): void
  update(progress: GenerateProgress): void
  /** Bytes of one step. */
  bytes(step: string, done: number, total: number): void
  /** A line on standard output. */
  print(line: string): void
  /** A line on standard error. */
  warn(line: string): void
  stop(): void
}

const PLAIN: Progress = {
  load: () => undefined,
  update: () => undefined,
  bytes: () => undefined,
  print: (line) => console.log(line),
  warn: (line) => console.error(line),
  stop: () => undefined,
}

/** A bar per stage on the terminal; lines alone where standard error is none. */
export async function showProgress(images: number, options: { readonly quiet: boolean }): Promise<Progress> {
  if (options.quiet || !process.stderr.isTTY) return PLAIN
  const { MultiBar } = require('cli-progress') as typeof import('cli-progress')
  return new Bars(
    new MultiBar({
      stream: process.stderr,
      format: '{stage} {bar} {value}/{total}  {eta_formatted} left',
      barCompleteChar: '█',
      barIncompleteChar: '░',
      clearOnComplete: true,
      hideCursor: true,
    }),
    images,
  )
}

class Bars implements Progress {
  private readonly bars = new Map<string, SingleBar>()
  /** Held back until the bars are gone. */
  private readonly lines: (() => void)[] = []

  constructor(
    private readonly all: MultiBar,
    private readonly images: number,
  ) {}

  load(progress: LoadProgress): void {
    if (progress.type === 'load') {
      this.advance('loading', progress.of)
      return
    }
    this.bytes(progress.repository, progress.receivedTotal, progress.total)
  }

  bytes(step: string, done: number, total: number): void {
    const megabytes = (bytes: number) => Math.round(bytes / 1e6)
    const bar = this.bars.get(step) ?? this.all.create(megabytes(total), 0, { stage: `${step} (MB)` })
    this.bars.set(step, bar)
    bar.update(megabytes(done))
  }

  update({ stage, steps }: GenerateProgress): void {
    this.advance(stage, steps * this.images)
  }

  print(line: string): void {
    if (process.stdout.isTTY) this.lines.push(() => console.log(line))
    else console.log(line)
  }

  warn(line: string): void {
    this.lines.push(() => console.error(line))
  }

  stop(): void {
    this.all.stop()
    for (const write of this.lines.splice(0)) write()
  }

  private advance(stage: string, total: number): void {
    const bar = this.bars.get(stage) ?? this.all.create(total, 0, { stage: stage.padEnd(7) })
    this.bars.set(stage, bar)
    bar.increment()
  }
}
