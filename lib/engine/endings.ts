import { OutOfMemoryError } from '../errors'
import { fromNative } from '../native/binding'
import type { Crowd } from './crowd'
import type { Job, Run } from './job'
import type { FinishedImage } from './outcome'
import type { RowLimit } from './row-limit'
import { publishRequest, type Statistics } from './statistics'

/** How images and requests end: finished, failed alone, or with their request; and what their callers hear of it. */
export class Endings {
  constructor(
    private readonly crowd: Crowd<Job>,
    private readonly rows: RowLimit,
    private readonly counters: Statistics,
  ) {}

  /** Hands an image to whoever asked for it; with its last one a request ends. */
  finish(job: Job, output: Pick<FinishedImage, 'pixels' | 'embeddings'>): void {
    const { run } = job
    const image = { request: run.request, image: job.image, timings: job.timings, ...output }
    this.crowd.remove((other) => other === job)
    run.noises.get(job.image.noiseStream)?.release(job.image.noiseRow)
    job.scope.dispose()
    run.left -= 1
    this.counters.finished += 1
    if (run.hooks.onImage === undefined) run.images.push(image)
    else this.notify(run, () => run.hooks.onImage?.(image))
    if (run.left > 0 || run.ended) return
    run.end({ images: run.images.sort((a, b) => a.image.index - b.image.index) })
    this.published(run, null)
  }

  /**
   * Does one thing for these jobs together. If that fails each is tried alone, so that a job fails only by itself; then
   * its request ends with it.
   */
  async attempt(
    jobs: readonly Job[],
    work: (jobs: readonly [Job, ...Job[]]) => Promise<void>,
  ): Promise<void> {
    const [first, ...others] = jobs.filter(({ run }) => !run.ended)
    if (first === undefined) return
    try {
      await work([first, ...others])
    } catch (error) {
      const reason = fromNative(error)
      if (others.length === 0) return this.fail(first.run, reason)
      if (reason instanceof OutOfMemoryError) this.rows.shrink()
      for (const job of [first, ...others]) await this.attempt([job], work)
    }
  }

  /** Calls a caller's function. What it throws, now or later, ends its own request and nothing else. */
  notify(run: Run, call: () => unknown): void {
    if (run.ended) return
    try {
      Promise.resolve(call()).catch((reason) => this.fail(run, reason))
    } catch (reason) {
      this.fail(run, reason)
    }
  }

  /** Ends a request and all of its images. */
  fail(run: Run, reason: unknown): void {
    if (run.ended) return
    this.crowd.remove((job) => job.run === run)
    this.counters.failed += run.left
    run.end({ reason })
    this.published(run, reason)
  }

  private published({ request, hooks, arrived }: Run, error: unknown): void {
    if (hooks.untold) return
    const { part, images } = request
    publishRequest({ part, images: images.length, ms: performance.now() - arrived, error })
  }
}
