import type { MultiBar, SingleBar } from 'cli-progress'
import type { GenerateProgress } from '../index'

/** Shows how far the pictures of a command are. */
export interface Progress {
  update(progress: GenerateProgress): void
  stop(): void
}

const SILENT: Progress = { update: () => undefined, stop: () => undefined }

/** A bar per stage on the terminal; nothing where standard error is none. */
export async function showProgress(images: number, options: { readonly quiet: boolean }): Promise<Progress> {
  if (options.quiet || !process.stderr.isTTY) return SILENT
  const { MultiBar } = await import('cli-progress')
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

  constructor(
    private readonly all: MultiBar,
    private readonly images: number,
  ) {}

  update({ stage, steps }: GenerateProgress): void {
    if (stage === 'vqgan') return // one step: over before it can be seen
    const bar = this.bars.get(stage) ?? this.all.create(steps * this.images, 0, { stage: stage.padEnd(7) })
    this.bars.set(stage, bar)
    bar.increment()
  }

  stop(): void {
    this.all.stop()
  }
}
