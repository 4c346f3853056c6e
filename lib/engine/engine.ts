import { bug, DisposedError, GenerationError, OutOfMemoryError, QueueFullError } from '../errors'
import { closeModel, type Model } from '../memory/loaded-model'
import { pictureOf } from '../memory/picture'
import { fromNative } from '../native/binding'
import type { NativeTensor } from '../native/types'
import { type ReadPrompt, type Request, reread } from '../request/request'
import type { Denoising, NextStep } from '../stages/denoise'
import { PARTS, type Stage } from '../stages/stage'
import type { FloatTensor } from '../tensors/float-tensor'
import { inTurn } from './batching'
import { Changes } from './changes'
import { Crowd } from './crowd'
import { type Deadline, withDeadline } from './deadline'
import { type Job, Run } from './job'
import type { FinishedImage, RunHooks } from './outcome'
import { Pace, Widths } from './pace'
import { embedded, prepare, readTexts } from './prepare'
import { RowLimit } from './row-limit'
import { type PipelineStatistics, publishRequest, Statistics, textsOf } from './statistics'

export interface EngineLimits {
  /** Batch entries of one native call; a guided image takes two. */
  readonly maxRows: number
  /** Images that may be on their way at once. */
  readonly maxQueue: number
}

/** A prompt as both text encoders' hidden states. */
export interface PromptTensors {
  readonly prior: FloatTensor
  readonly decoder: FloatTensor
}

type Sources = Pick<ReadPrompt, 'prior' | 'decoder'>

/** A prompt to encode, and how long somebody waits for it. */
export interface PromptRequest extends Sources, Deadline {
  /** The same after changes of the model that it waited for. Defaults to what was read before them. */
  readonly reread?: (() => Sources) | undefined
}

/** Turns that others may take before somebody goes before higher priorities, and before the first in order stops giving way to fuller batches. */
const PATIENCE = 32
const COURTESY = 4

/**
 * Moves jobs along, one native call at a time: choose who runs, take them one step further, repeat. Requests join and
 * leave at step boundaries. A run may end at any `await` (an abort, a callback that throws, a mate's failure): its
 * handles are freed then, those that arrive later at once, and what still waits for them finds it ended.
 */
export class Engine {
  private readonly crowd = new Crowd<Job>()
  private readonly rows: RowLimit
  /** Prompts that are being encoded for callers, not for images. */
  private readonly encodings = new Set<Promise<unknown>>()
  /** The stage that ran last. */
  private resident: Stage | null = null
  private readonly pace = new Pace()
  private readonly counters = new Statistics()
  private readonly changes = new Changes()
  private looping: Promise<void> | null = null
  /** Called when there is nothing left to do: whoever shares the work may bring some. */
  onIdle: () => void = () => undefined
  private disposal: Promise<void> | null = null

  constructor(
    private readonly model: Model,
    private readonly limits: EngineLimits,
    private readonly widths: Pick<Widths, 'record' | 'widest'> = new Widths(),
  ) {
    this.rows = new RowLimit(limits.maxRows)
  }

  /** Images on their way. */
  get size(): number {
    return this.crowd.size
  }

  /** The same and prompts: what `maxQueue` limits. */
  get load(): number {
    return this.size + this.encodings.size
  }

  /** Whether the model is to change before a request that arrives now. */
  get changing(): boolean {
    return this.changes.pending
  }

  get statistics(): PipelineStatistics {
    const running = this.crowd.members.filter(({ running }) => running).length
    const { finished, failed, stages } = this.counters
    const { now: maxRows, shortages } = this.rows
    const { priorTextEncoder, decoderTextEncoder } = this.model
    const texts = textsOf([priorTextEncoder.cache.counts, decoderTextEncoder.cache.counts])
    return { waiting: this.size - running, running, finished, failed, maxRows, shortages, stages, texts }
  }

  /** Queues a request. Rejects with the signal's reason, a callback's exception, or an error of this package. */
  async submit(request: Request, hooks: RunHooks = {}): Promise<FinishedImage[]> {
    this.refuse(request)
    const steps = {
      prior: this.model.prior.schedule(request.prior.timesteps),
      decoder: this.model.decoder.schedule(request.decoder.timesteps),
    }
    const shares = this.model.memory.shares(pictureOf(request), PARTS[request.part])
    const run = new Run(request, hooks, steps, shares)
    run.listen()
    this.adopt(run)
    return run.finished
  }

  /** Takes a run in that nobody has begun. */
  adopt(run: Run): void {
    run.stop = (reason) => this.fail(run, reason)
    run.place = this.changes.arrive()
    this.crowd.add(run.jobs)
    this.looping ??= this.loop()
  }

  /** Gives away the run that would begin next, if something else is left to do here. */
  surrender(): Run | null {
    const jobs = [...this.crowd.members].sort(inTurn)
    const run = jobs.find(({ run }) => !run.begun)?.run
    if (run === undefined || jobs.every((job) => job.run === run) || this.changing) return null
    this.crowd.remove((job) => job.run === run)
    return run
  }

  /**
   * Does `work` while nothing else is done: once all that arrived before it is finished. What arrives later waits for it, and
   * reads its prompts again.
   */
  exclusive(work: () => Promise<void>): Promise<void> {
    if (this.disposal !== null) return Promise.reject(disposed())
    const done = this.changes.add(work, [...this.encodings])
    this.looping ??= this.loop()
    return done
  }

  /** What both text encoders make of a prompt, between the steps of others. It counts as one image. */
  async embed(prompt: PromptRequest, elsewhere = 0): Promise<PromptTensors> {
    prompt.signal?.throwIfAborted()
    if (this.disposal !== null) throw disposed()
    this.checkQueue(1, elsewhere)
    const encoding = this.encode(prompt).finally(() => this.encodings.delete(encoding))
    this.encodings.add(encoding)
    return withDeadline(encoding, prompt)
  }

  private async encode(prompt: PromptRequest): Promise<PromptTensors> {
    const { priorTextEncoder, decoderTextEncoder } = this.model
    const waits = this.changing
    if (waits) await this.changes.over
    const { prior, decoder } = (waits ? prompt.reread?.() : undefined) ?? prompt
    try {
      const [forPrior, forDecoder] = await Promise.all([
        embedded(priorTextEncoder, prior),
        embedded(decoderTextEncoder, decoder),
      ])
      // Copies: what the caller does with them changes nothing that is kept.
      return { prior: copyOf(forPrior), decoder: copyOf(forDecoder) }
    } catch (error) {
      throw fromNative(error)
    }
  }

  /**
   * Takes no more requests; lets what there is finish if it is to drain, else rejects it with DISPOSED. Then waits for the
   * native call under way and frees everything. Safe twice: a second call may hurry a first one that drains.
   */
  dispose({ drain }: { readonly drain: boolean }): Promise<void> {
    if (!drain) {
      for (const { run } of this.crowd.members) this.fail(run, disposed())
      this.changes.refuse(disposed())
    }
    this.disposal ??= this.shutDown()
    return this.disposal
  }

  /** Throws for a request that cannot be taken, where `elsewhere` counts images that other engines of this queue have. */
  refuse(request: Request, elsewhere = 0): void {
    request.signal?.throwIfAborted()
    if (this.disposal !== null) throw disposed()
    this.model.memory.check(pictureOf(request), PARTS[request.part])
    this.checkQueue(request.images.length, elsewhere)
  }

  private checkQueue(asked: number, elsewhere: number): void {
    const { maxQueue } = this.limits
    const waiting = this.load + elsewhere
    if (waiting + asked <= maxQueue) return
    throw new QueueFullError(
      `Expected at most ${maxQueue} images on their way but received ${asked} more than the ${waiting} there are`,
      { details: { maxQueue, waiting, asked } },
    )
  }

  private async loop(): Promise<void> {
    await null // requests submitted in one go start together
    for (;;) {
      const batch = this.crowd.next(
        {
          maxRows: this.rows.now,
          patience: PATIENCE,
          courtesy: COURTESY,
          resident: this.model.offload === 'model' ? this.resident : null,
          // Another width would have to be recorded first.
          widest: (key) => (this.model.records ? Number.POSITIVE_INFINITY : this.widths.widest(key)),
        },
        ({ run }) => this.changes.settledAt(run.place),
      )
      if (batch.length === 0) {
        if (this.changing) {
          await this.changes.makeNext()
          this.rereadAll()
          continue
        }
        // Nothing is awaited from here to the end: whoever comes meanwhile would count on this loop.
        if (this.disposal === null) this.onIdle()
        if (this.size > 0) continue
        break
      }
      await this.takeTurn(batch).catch((error) => {
        for (const { run } of batch) this.fail(run, error) // a bug of ours must not stop the others
      })
    }
    this.looping = null
  }

  /** What waits was read before the model changed. */
  private rereadAll(): void {
    for (const run of new Set(this.crowd.members.map((job) => job.run))) {
      try {
        const request = reread(run.request, this.changes.settledAt(run.place))
        if (request === run.request) continue
        const [picture, stages] = [pictureOf(request), PARTS[request.part]]
        this.model.memory.check(picture, stages)
        run.replace(request, this.model.memory.shares(picture, stages))
      } catch (error) {
        this.fail(run, error)
      }
    }
  }

  private async takeTurn(batch: readonly Job[]): Promise<void> {
    for (const { run } of batch) run.begun = true
    const stage = batch[0]?.stage
    this.resident = stage ?? null
    if (stage === 'vqgan') await this.attempt(batch, ([job]) => this.decode(job))
    else if (stage !== undefined) await this.denoise(stage, batch)
  }

  /** One step of Stage B or C for the whole batch. Who is new to the stage is prepared first, who is done moves on. */
  private async denoise(stage: 'prior' | 'decoder', batch: readonly Job[]): Promise<void> {
    const fresh = batch.filter(({ denoising }) => denoising === null)
    if (this.model.offload !== 'none') {
      for (const job of fresh) await this.attempt([job], () => readTexts(stage, this.model, job))
    }
    for (const job of fresh) {
      job.begin()
      await this.attempt([job], async () => {
        job.denoising = await prepare(stage, this.model, job)
      })
      job.steppedAt = performance.now()
    }
    const prepared = batch.filter(({ run }) => !run.ended)
    await this.attempt(prepared, (jobs) =>
      this.timed(stage, jobs, () => this.model[stage].advance(jobs.map(rowOf))),
    )
    for (const job of prepared.filter(({ run }) => !run.ended)) {
      this.countStep(job)
      if (job.previewed(job.step)) await this.attempt([job], () => this.preview(job))
      if (job.step === job.steps) await this.attempt([job], () => this.leave(stage, job))
    }
  }

  /** Does one native call of a stage and counts it. */
  private async timed<Result>(
    stage: Stage,
    jobs: readonly Job[],
    call: () => Promise<Result>,
  ): Promise<Result> {
    const [first] = jobs
    const started = performance.now()
    const result = await call()
    const ms = performance.now() - started
    const rows = jobs.reduce((sum, job) => sum + job.rows, 0)
    if (first !== undefined) {
      const key = first.batchKey
      this.widths.record(key, jobs.length, ms)
      this.counters.turn({ stage, key, images: jobs.length, rows, ms })
    }
    this.rows.recover()
    return result
  }

  /** Shows what the prior's last prediction says is left without noise. */
  private async preview(job: Job): Promise<void> {
    const { clean } = denoisingOf(job)
    const { device, latentMean, latentStd, previewer } = this.model
    if (clean === null || previewer === null) throw bug('Expected a previewer and latents for it.')
    const embeddings = await device.affine(clean, latentMean, -latentStd)
    const pixels = await previewer.decode(embeddings).finally(() => embeddings.dispose())
    const { run, image, step, steps } = job
    const { request } = run
    this.notify(run, () => run.hooks.onPreview?.({ request, image, step, steps, pixels }))
  }

  private countStep(job: Job): void {
    const now = performance.now()
    this.pace.record(job.batchKey, now - job.steppedAt)
    job.steppedAt = now
    job.step += 1
    this.report(job)
  }

  /** From the prior's latents to image embeddings, the end of a prior's request; from the decoder's latents to the vqgan. */
  private async leave(stage: 'prior' | 'decoder', job: Job): Promise<void> {
    const { latents } = denoisingOf(job)
    if (stage === 'decoder') return job.enter('vqgan', latents)
    job.run.forgetPrior(job.image)
    const { device, latentMean, latentStd } = this.model
    const imageEmbeddings = job.scope.hold(await device.affine(latents, latentMean, -latentStd))
    if (job.run.ended) return
    if (job.run.stages.includes('decoder')) return job.enter('decoder', imageEmbeddings)
    const embeddings = await this.readFinite(imageEmbeddings, 'image embeddings')
    if (!job.run.ended) this.finish(job, { pixels: null, embeddings })
  }

  private async readFinite(tensor: NativeTensor, what: string): Promise<FloatTensor> {
    const read = await this.model.device.read(tensor)
    if (allFinite(read.data)) return read
    throw new GenerationError(`Expected ${what} of finite numbers but the model returned NaN or infinity`)
  }

  private async decode(job: Job): Promise<void> {
    if (job.input === null) throw bug('Expected latents before the vqgan but there are none.')
    job.steppedAt = performance.now()
    job.begin()
    await this.readFinite(job.input, 'latents')
    const { input } = job
    const pixels = await this.timed('vqgan', [job], () => this.model.vqgan.decode(input))
    if (!job.run.ended) this.countStep(job)
    if (!job.run.ended) this.finish(job, { pixels, embeddings: null })
  }

  private finish(job: Job, output: Pick<FinishedImage, 'pixels' | 'embeddings'>): void {
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
  private async attempt(
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

  private report(job: Job): void {
    const { run, stage, step, steps } = job
    const etaMs = this.pace.estimate(job.workLeft)
    this.notify(run, () => run.hooks.onProgress?.({ stage, index: job.image.index, step, steps, etaMs }))
  }

  /** Calls a caller's function. What it throws, now or later, ends its own request and nothing else. */
  private notify(run: Run, call: () => unknown): void {
    if (run.ended) return
    try {
      Promise.resolve(call()).catch((reason) => this.fail(run, reason))
    } catch (reason) {
      this.fail(run, reason)
    }
  }

  private fail(run: Run, reason: unknown): void {
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

  private async shutDown(): Promise<void> {
    await this.looping
    await Promise.allSettled(this.encodings)
    await closeModel(this.model)
  }
}

function rowOf(job: Job): NextStep {
  return { denoising: denoisingOf(job), step: job.step, clean: job.previewed(job.step + 1) }
}

function denoisingOf({ denoising }: Job): Denoising {
  if (denoising === null) throw bug('Expected a prepared job but received one that is not.')
  return denoising
}

function copyOf({ shape, data }: FloatTensor): FloatTensor {
  return { shape: [...shape], data: data.slice() }
}

function allFinite(values: Float32Array): boolean {
  for (const value of values) if (!Number.isFinite(value)) return false
  return true
}

function disposed(): DisposedError {
  return new DisposedError('Expected a live pipeline but it was disposed')
}
