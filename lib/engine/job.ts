import type { Step } from '../diffusion/scheduler'
import { bug } from '../errors'
import type { MemoryShares } from '../memory/memory'
import { tokensIn } from '../memory/picture'
import type { NativeNoise, NativeTensor } from '../native/types'
import type { ImageRequest, ReadPrompt, Request, Stretch } from '../request/request'
import type { Denoising } from '../stages/denoise'
import { PARTS, type Stage } from '../stages/stage'
import { Clock, type ImageTimings } from './clock'
import { onDeadline } from './deadline'
import type { FinishedImage, RunHooks } from './outcome'
import { Scope } from './scope'

/** A request on its way. Only the engine changes one. */
export class Run {
  readonly images: FinishedImage[] = []
  /** Images that are not finished. */
  left: number
  /** What its images share, freed when the run ends. */
  readonly scope = new Scope()
  readonly noises = new Map<number, NativeNoise>()
  readonly priorTexts = new Map<string, NativeTensor>()
  readonly priorConditions = new Map<string, readonly NativeTensor[]>()
  readonly decoderTexts = new Map<string, NativeTensor>()
  readonly decoderNegatives = new Map<string, readonly NativeTensor[]>()
  /** What its images go through. */
  readonly stages: readonly Stage[]
  readonly jobs: readonly Job[]
  readonly finished: Promise<FinishedImage[]>
  readonly arrived = performance.now()
  /** Some image of it had a turn. */
  begun = false
  ended = false
  /** Its place among requests and changes of the model: set by the engine that has it. */
  place = 0
  private prompts: ReadonlyMap<string, ReadPrompt> = new Map()
  /** Images that have not left the prior, by the texts that they condition on there. */
  private readonly priorUsers = new Map<string, number>()
  private settle!: { resolve(images: FinishedImage[]): void; reject(reason: unknown): void }
  private onEnd: (() => void) | undefined
  /** Ends it with a reason: set by the engine that has it. */
  stop: (reason: unknown) => void = () => undefined

  constructor(
    public request: Request,
    readonly hooks: RunHooks,
    readonly steps: { readonly prior: readonly Step[]; readonly decoder: readonly Step[] },
    /** What each image takes of the memory. */
    public shares: MemoryShares,
  ) {
    this.stages = PARTS[request.part]
    this.jobs = request.images.map((image) => new Job(this, image))
    this.left = this.jobs.length
    this.replace(request, shares)
    this.finished = new Promise((resolve, reject) => {
      this.settle = { resolve, reject }
    })
  }

  /** The same request with its prompts read again; nothing of it has begun. */
  replace(request: Request, shares: MemoryShares): void {
    this.request = request
    this.shares = shares
    this.prompts = new Map(request.prompts.map((prompt) => [prompt.key, prompt]))
    this.priorUsers.clear()
    for (const [index, image] of request.images.entries()) {
      for (const key of keysOf(image)) this.priorUsers.set(key, (this.priorUsers.get(key) ?? 0) + 1)
      const job = this.jobs[index] as Job
      job.image = image
    }
  }

  /** Has it stopped when the caller aborts or the time is up, until the run ends. */
  listen(): void {
    this.onEnd = onDeadline(this.request, (reason) => this.stop(reason))
  }

  /** Whether anybody will look at previews of its images. */
  get previews(): boolean {
    return this.request.previewEvery > 0 && this.hooks.onPreview !== undefined
  }

  prompt(key: string): ReadPrompt {
    const prompt = this.prompts.get(key)
    if (prompt === undefined)
      throw bug('Expected every prompt of a request among its prompts but one is not.')
    return prompt
  }

  /** Stops a preparation that nobody waits for any more; the reason was already given. */
  throwIfEnded(): void {
    if (this.ended) throw new Error('the run has ended')
  }

  /** An image has left the prior: frees what it conditioned on there, unless others of the request will need it. */
  forgetPrior(image: ImageRequest): void {
    for (const key of keysOf(image)) {
      const users = (this.priorUsers.get(key) ?? 0) - 1
      this.priorUsers.set(key, users)
      if (users > 0) continue
      for (const tensor of this.priorConditions.get(key) ?? []) this.scope.free(tensor)
      this.priorConditions.delete(key)
    }
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

/** What the prior reads of an image's prompts, from which step on. */
export function stretchesOf({ stretches, promptKey, negativeKey }: ImageRequest): readonly Stretch[] {
  return stretches ?? [{ from: 0, promptKey, negativeKey }]
}

function keysOf(image: ImageRequest): string[] {
  return stretchesOf(image).flatMap(({ promptKey, negativeKey }) => [promptKey, negativeKey])
}

/** One image on its way. Only the engine changes one. */
export class Job {
  stage: Stage
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
  private readonly clock = new Clock()

  constructor(
    readonly run: Run,
    public image: ImageRequest,
  ) {
    this.stage = run.stages[0] as Stage
  }

  get batchKey(): string {
    return this.keyIn(this.stage)
  }

  private keyIn(stage: Stage): string {
    const { sizes } = this.run.request
    const { prior, decoder } = this.run.prompt(this.image.promptKey)
    switch (stage) {
      case 'prior':
        return `prior ${sizes.priorHeight}x${sizes.priorWidth} ${tokensIn(prior)}`
      case 'decoder':
        // The maps made of the image embeddings have the latents' size: the prior's grid plays no part.
        return `decoder ${sizes.latentHeight}x${sizes.latentWidth} ${tokensIn(decoder)}`
      case 'vqgan':
        return `vqgan ${sizes.latentHeight}x${sizes.latentWidth}`
    }
  }

  get priority(): number {
    return this.run.request.priority
  }

  get arrival(): number {
    return this.run.arrived
  }

  get kept(): number {
    return this.run.shares.kept
  }

  get share(): number {
    return this.run.shares.steps[this.stage]
  }

  get mostShare(): number {
    return Math.max(...this.run.stages.map((stage) => this.run.shares.steps[stage]))
  }

  get rows(): number {
    return this.rowsIn(this.stage)
  }

  get mostRows(): number {
    return Math.max(...this.run.stages.map((stage) => this.rowsIn(stage)))
  }

  private rowsIn(stage: Stage): number {
    return stage !== 'vqgan' && this.run.request[stage].guided ? 2 : 1
  }

  /** Steps of this stage. */
  get steps(): number {
    return this.stepsIn(this.stage)
  }

  /** Steps still to do, in this stage and those after it. */
  get workLeft(): { readonly key: string; readonly steps: number }[] {
    const { stages } = this.run
    return stages.slice(stages.indexOf(this.stage)).map((stage, index) => ({
      key: this.keyIn(stage),
      steps: this.stepsIn(stage) - (index === 0 ? this.step : 0),
    }))
  }

  private stepsIn(stage: Stage): number {
    return stage === 'vqgan' ? 1 : this.run.steps[stage].length
  }

  /** Whether the step that comes next, or the last one, `done`, is one that a preview is made of. */
  previewed(done: number): boolean {
    const { previews, request } = this.run
    return this.stage === 'prior' && previews && done % request.previewEvery === 0
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

  /** It had a turn. */
  get running(): boolean {
    return this.clock.running
  }

  /** The stage begins now. */
  begin(): void {
    this.clock.begin(this.stage)
  }

  /** Where the time went until now. */
  get timings(): ImageTimings {
    return this.clock.timings()
  }
}
