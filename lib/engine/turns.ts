import { bug, GenerationError } from '../errors'
import type { Model } from '../memory/loaded-model'
import type { NativeTensor } from '../native/types'
import type { Denoising, NextStep } from '../stages/denoise'
import type { Stage } from '../stages/stage'
import type { FloatTensor } from '../tensors/float-tensor'
import type { Endings } from './endings'
import type { Job } from './job'
import { Pace, type Widths } from './pace'
import { prepare, readTexts } from './prepare'
import type { RowLimit } from './row-limit'
import type { Statistics } from './statistics'

/** One turn of a batch: its jobs go one step further, and from stage to stage. */
export class Turns {
  private readonly pace = new Pace()

  constructor(
    private readonly model: Model,
    private readonly endings: Endings,
    private readonly rows: RowLimit,
    private readonly counters: Statistics,
    private readonly widths: Pick<Widths, 'record'>,
  ) {}

  /** Of a batch of one stage. What goes wrong ends the requests that it concerns. */
  async take(stage: Stage, batch: readonly Job[]): Promise<void> {
    for (const { run } of batch) run.begun = true
    if (stage === 'vqgan') await this.endings.attempt(batch, ([job]) => this.decode(job))
    else await this.denoise(stage, batch)
  }

  /** One step of Stage B or C for the whole batch. Who is new to the stage is prepared first, who is done moves on. */
  private async denoise(stage: 'prior' | 'decoder', batch: readonly Job[]): Promise<void> {
    const fresh = batch.filter(({ denoising }) => denoising === null)
    if (this.model.offload !== 'none') {
      for (const job of fresh) await this.endings.attempt([job], () => readTexts(stage, this.model, job))
    }
    for (const job of fresh) {
      job.begin()
      await this.endings.attempt([job], async () => {
        job.denoising = await prepare(stage, this.model, job)
      })
      job.steppedAt = performance.now()
    }
    const prepared = batch.filter(({ run }) => !run.ended)
    await this.endings.attempt(prepared, (jobs) =>
      this.timed(stage, jobs, () => this.model[stage].advance(jobs.map(rowOf))),
    )
    for (const job of prepared.filter(({ run }) => !run.ended)) {
      this.countStep(job)
      if (job.previewed(job.step)) await this.endings.attempt([job], () => this.preview(job))
      if (job.step === job.steps) await this.endings.attempt([job], () => this.leave(stage, job))
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
    this.endings.notify(run, () => run.hooks.onPreview?.({ request, image, step, steps, pixels }))
  }

  private countStep(job: Job): void {
    const now = performance.now()
    this.pace.record(job.batchKey, now - job.steppedAt)
    job.steppedAt = now
    job.step += 1
    this.report(job)
  }

  private report(job: Job): void {
    const { run, stage, step, steps } = job
    const etaMs = this.pace.estimate(job.workLeft)
    this.endings.notify(run, () =>
      run.hooks.onProgress?.({ stage, index: job.image.index, step, steps, etaMs }),
    )
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
    if (!job.run.ended) this.endings.finish(job, { pixels: null, embeddings })
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
    if (!job.run.ended) this.endings.finish(job, { pixels, embeddings: null })
  }
}

function rowOf(job: Job): NextStep {
  return { denoising: denoisingOf(job), step: job.step, clean: job.previewed(job.step + 1) }
}

function denoisingOf({ denoising }: Job): Denoising {
  if (denoising === null) throw bug('Expected a prepared job but received one that is not.')
  return denoising
}

function allFinite(values: Float32Array): boolean {
  for (const value of values) if (!Number.isFinite(value)) return false
  return true
}
