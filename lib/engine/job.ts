import type { Step } from '../diffusion/scheduler'
import { bug } from '../errors'
import type { NativeNoise, NativeTensor } from '../native/types'
import type { GenerateProgress, ImageRequest, PromptTokens, Request } from '../request'
import type { Denoising } from '../stages/denoise'
import type { Pixels } from '../stages/vqgan'
import { STAGES, type Stage } from './batching'
import { Scope } from './scope'

/** Where one picture's time went, in milliseconds of wall clock; steps shared with other pictures count in full. */
export interface ImageTimings {
  /** Waiting for its first turn. */
  readonly queuedMs: number
  /** Text encoding and Stage C. */
  readonly priorMs: number
  /** Stage B. */
  readonly decoderMs: number
  /** Stage A. */
  readonly vqganMs: number
  /** The sum of the others. */
  readonly totalMs: number
}

/** A picture as it leaves the engine: as large as it was generated, not yet cropped. */
export interface FinishedImage {
  readonly image: ImageRequest
  readonly pixels: Pixels
  readonly timings: ImageTimings
}

/** What the engine tells whoever submitted a request. An exception thrown in one rejects that request. */
export interface RunHooks {
  readonly onProgress?: ((progress: GenerateProgress) => void) | undefined
  /** Takes each image when it is finished; the request then resolves with none, so that nothing holds them all. */
  readonly onImage?: ((image: FinishedImage) => void) | undefined
}

/** A request on its way. Only the engine changes one. */
export class Run {
  readonly images: FinishedImage[] = []
  /** Images that are not finished. */
  left: number
  /** What its images share, freed when the run ends. */
  readonly scope = new Scope()
  readonly noises = new Map<number, NativeNoise>()
  readonly priorConditions = new Map<string, readonly NativeTensor[]>()
  readonly decoderTexts = new Map<string, NativeTensor>()
  readonly decoderNegatives = new Map<string, readonly NativeTensor[]>()
  readonly jobs: readonly Job[]
  readonly finished: Promise<FinishedImage[]>
  ended = false
  private readonly prompts: ReadonlyMap<string, PromptTokens>
  private settle!: { resolve(images: FinishedImage[]): void; reject(reason: unknown): void }
  private onEnd: (() => void) | undefined

  constructor(
    readonly request: Request,
    readonly hooks: RunHooks,
    readonly steps: { readonly prior: readonly Step[]; readonly decoder: readonly Step[] },
  ) {
    this.prompts = new Map(request.prompts.map((prompt) => [prompt.text, prompt]))
    this.jobs = request.images.map((image) => new Job(this, image))
    this.left = this.jobs.length
    this.finished = new Promise((resolve, reject) => {
      this.settle = { resolve, reject }
    })
  }

  /** Calls `listener` when the caller aborts, until the run ends. */
  listen(listener: () => void): void {
    const { signal } = this.request
    signal?.addEventListener('abort', listener, { once: true })
    this.onEnd = () => signal?.removeEventListener('abort', listener)
  }

  tokens(text: string): PromptTokens {
    const prompt = this.prompts.get(text)
    if (prompt === undefined) throw bug(`Expected every text of a request among its prompts but one is not.`)
    return prompt
  }

  /** Stops a preparation that nobody waits for any more; the reason was already given. */
  throwIfEnded(): void {
    if (this.ended) throw new Error('the run has ended')
  }

  /** Ends the run with its pictures, or with the reason why there are none, and frees it. The first end counts. */
  end(outcome: { readonly images: FinishedImage[] } | { readonly reason: unknown }): void {
    if (this.ended) return
    this.ended = true
    this.onEnd?.()
    if ('images' in outcome) this.settle.resolve(outcome.images)
    else this.settle.reject(outcome.reason)
    // A native call under way keeps what it uses until it returns.
    for (const job of this.jobs) job.scope.dispose()
    this.scope.dispose()
  }
}

/** One image on its way. Only the engine changes one. */
export class Job {
  stage: Stage = 'prior'
  /** Steps done in this stage. */
  step = 0
  waited = 0
  /** When its last step ended, or could have begun. */
  steppedAt = 0
  /** Set once the stage was begun. */
  denoising: Denoising | null = null
  /** What the stage before left: image embeddings for the decoder, latents for the vqgan. */
  input: NativeTensor | null = null
  /** What this stage allocated, freed when the image leaves it. */
  scope = new Scope()
  /** `performance.now()` of the arrival, of each stage's begin and of the end. */
  readonly times: number[] = [performance.now()]

  private readonly tokens: PromptTokens

  constructor(
    readonly run: Run,
    readonly image: ImageRequest,
  ) {
    this.tokens = run.tokens(image.prompt)
  }

  get batchKey(): string {
    return this.keyIn(this.stage)
  }

  private keyIn(stage: Stage): string {
    const { sizes } = this.run.request
    const { tokens } = this
    switch (stage) {
      case 'prior':
        return `prior ${sizes.priorHeight}x${sizes.priorWidth} ${tokens.prior.ids.length}`
      case 'decoder':
        // The maps made of the image embeddings have the latents' size: the prior's grid plays no part.
        return `decoder ${sizes.latentHeight}x${sizes.latentWidth} ${tokens.decoder.ids.length}`
      case 'vqgan':
        return `vqgan ${sizes.latentHeight}x${sizes.latentWidth}`
    }
  }

  get rows(): number {
    return this.stage !== 'vqgan' && this.run.request[this.stage].guided ? 2 : 1
  }

  /** Steps of this stage. */
  get steps(): number {
    return this.stepsIn(this.stage)
  }

  /** Steps still to do, in this stage and those after it. */
  get workLeft(): { readonly key: string; readonly steps: number }[] {
    const stages = STAGES.slice(STAGES.indexOf(this.stage))
    return stages.map((stage, index) => ({
      key: this.keyIn(stage),
      steps: this.stepsIn(stage) - (index === 0 ? this.step : 0),
    }))
  }

  private stepsIn(stage: Stage): number {
    return stage === 'vqgan' ? 1 : this.run.steps[stage].length
  }

  /** On to the next stage, with what it starts from; everything else of the last one is freed. */
  enter(stage: Stage, input: NativeTensor): void {
    this.scope.dispose(input)
    this.scope = new Scope()
    this.scope.hold(input)
    this.stage = stage
    this.step = 0
    this.denoising = null
    this.input = input
  }

  get timings(): ImageTimings {
    const [arrived = 0, prior = 0, decoder = 0, vqgan = 0, end = 0] = this.times
    return {
      queuedMs: prior - arrived,
      priorMs: decoder - prior,
      decoderMs: vqgan - decoder,
      vqganMs: end - vqgan,
      totalMs: end - arrived,
    }
  }
}
