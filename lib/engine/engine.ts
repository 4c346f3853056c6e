import { DisposedError, InvalidArgumentError, QueueFullError } from '../errors'
import { closeModel, type Model } from '../memory/loaded-model'
import { pictureOf } from '../memory/picture'
import { fromNative } from '../native/binding'
import { type ReadPrompt, type Request, reread } from '../request/request'
import { PARTS, type Stage } from '../stages/stage'
import type { FloatTensor } from '../tensors/float-tensor'
import { inTurn } from './batching'
import { Changes } from './changes'
import { Crowd } from './crowd'
import { type Deadline, withDeadline } from './deadline'
import { Endings } from './endings'
import { type Job, Run } from './job'
import type { FinishedImage, RunHooks } from './outcome'
import { Widths } from './pace'
import { embedded } from './prepare'
import { RowLimit } from './row-limit'
import { type PipelineStatistics, Statistics, textsOf } from './statistics'
import { Turns } from './turns'

interface EngineLimits {
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

/**
 * Turns that others may take before somebody goes before higher priorities, and before the first in order stops giving way to
 * fuller batches.
 */
const PATIENCE = 32
const COURTESY = 4

/**
 * Moves jobs along, one native call at a time: choose who runs, take them one step further (`Turns`), repeat. Requests join and
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
  private readonly counters = new Statistics()
  private readonly endings: Endings
  private readonly turns: Turns
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
    this.endings = new Endings(this.crowd, this.rows, this.counters)
    this.turns = new Turns(model, this.endings, this.rows, this.counters, widths)
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
    run.stop = (reason) => this.endings.fail(run, reason)
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
    const observed = async () => {
      await work().finally(() => this.model.memory.observe())
    }
    const done = this.changes.add(observed, [...this.encodings])
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
      for (const { run } of this.crowd.members) this.endings.fail(run, disposed())
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
    if (asked > maxQueue) throw neverFits(asked, maxQueue)
    const waiting = this.load + elsewhere
    if (waiting + asked <= maxQueue) return
    throw new QueueFullError(
      `Expected the images on their way to stay within maxQueue (${maxQueue}) but received ${asked} beside ${waiting}`,
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
      const [first] = batch
      if (first === undefined) {
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
      this.resident = first.stage
      await this.turns.take(first.stage, batch).catch((error) => {
        for (const { run } of batch) this.endings.fail(run, error) // a bug of ours must not stop the others
      })
      this.model.memory.observe(first.stage)
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
        this.endings.fail(run, error)
      }
    }
  }

  private async shutDown(): Promise<void> {
    await this.looping
    await Promise.allSettled(this.encodings)
    await closeModel(this.model)
  }
}

function copyOf({ shape, data }: FloatTensor): FloatTensor {
  return { shape: [...shape], data: data.slice() }
}

/** Not even an empty queue would take it: to wait is of no use. */
function neverFits(asked: number, maxQueue: number): InvalidArgumentError {
  return new InvalidArgumentError(
    `Expected a request of at most ${maxQueue} images (maxQueue) but received one of ${asked}`,
    { details: { maxQueue, asked } },
  )
}

function disposed(): DisposedError {
  return new DisposedError('Expected a live pipeline but it was disposed')
}
