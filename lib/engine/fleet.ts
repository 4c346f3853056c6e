import { joinSignals } from '../checks/signals'
import type { Request } from '../request/request'
import type { Engine, PromptRequest, PromptTensors } from './engine'
import type { FinishedImage, RunHooks } from './outcome'
import { type PipelineStatistics, publishRequest, type StageStatistics, textsOf } from './statistics'

/** What takes requests: an engine, or several that work as one. */
export type Executor = Pick<Engine, 'submit' | 'embed' | 'exclusive' | 'changing' | 'dispose' | 'statistics'>

/**
 * Engines of equal devices behind one queue. A request's images are dealt out to whoever has least to do; an engine that
 * runs dry takes what another one has not begun. A picture's noise does not depend on where it is made.
 */
export class Fleet implements Executor {
  constructor(private readonly engines: readonly [Engine, ...Engine[]]) {
    for (const engine of engines) engine.onIdle = () => this.feed(engine)
  }

  /** As an engine does; when one part of a request fails, its others end. */
  async submit(request: Request, hooks: RunHooks = {}): Promise<FinishedImage[]> {
    const [first] = this.engines
    first.refuse(request, this.loadBut(first))
    const stop = joinSignals(request.signal)
    const arrived = performance.now()
    const ended = (error: unknown) => {
      const { part, images } = request
      publishRequest({ part, images: images.length, ms: performance.now() - arrived, error })
    }
    try {
      const finished = await Promise.all(this.submitParts(request, stop.signal, hooks))
      ended(null)
      return finished.flat().sort((a, b) => a.image.index - b.image.index)
    } catch (reason) {
      stop.abort(reason)
      ended(reason)
      throw reason
    } finally {
      stop.release()
    }
  }

  private submitParts(request: Request, signal: AbortSignal, hooks: RunHooks): Promise<FinishedImage[]>[] {
    const parts = this.deal(request)
    return parts.map(({ engine, request: part }) =>
      engine.submit({ ...part, signal }, { ...hooks, untold: true }),
    )
  }

  async embed(prompt: PromptRequest): Promise<PromptTensors> {
    const engine = this.leastBusy()
    return engine.embed(prompt, this.loadBut(engine))
  }

  /** Images and prompts of all engines but one. */
  private loadBut(engine: Engine): number {
    return this.engines.reduce((sum, other) => sum + (other === engine ? 0 : other.load), 0)
  }

  get changing(): boolean {
    return this.engines.some(({ changing }) => changing)
  }

  /** Does `work` once, while no engine does anything. */
  async exclusive(work: () => Promise<void>): Promise<void> {
    let finish = () => {}
    const finished = new Promise<void>((resolve) => {
      finish = resolve
    })
    const held: Promise<void>[] = []
    const entered = this.engines.map(
      (engine) =>
        new Promise<void>((enter, refuse) => {
          const holding = engine.exclusive(() => {
            enter()
            return finished
          })
          holding.catch(refuse)
          held.push(holding)
        }),
    )
    try {
      await Promise.all(entered)
      await work()
    } finally {
      finish()
      await Promise.allSettled(held)
    }
  }

  async dispose(how: { readonly drain: boolean }): Promise<void> {
    await Promise.all(this.engines.map((engine) => engine.dispose(how)))
  }

  get statistics(): PipelineStatistics {
    const all = this.engines.map(({ statistics }) => statistics)
    const sum = (value: (one: PipelineStatistics) => number) =>
      all.reduce((total, one) => total + value(one), 0)
    const stage = (name: 'prior' | 'decoder' | 'vqgan'): StageStatistics => ({
      turns: sum(({ stages }) => stages[name].turns),
      steps: sum(({ stages }) => stages[name].steps),
      rows: sum(({ stages }) => stages[name].rows),
      busyMs: sum(({ stages }) => stages[name].busyMs),
    })
    return {
      waiting: sum(({ waiting }) => waiting),
      running: sum(({ running }) => running),
      finished: sum(({ finished }) => finished),
      failed: sum(({ failed }) => failed),
      maxRows: sum(({ maxRows }) => maxRows),
      shortages: sum(({ shortages }) => shortages),
      stages: { prior: stage('prior'), decoder: stage('decoder'), vqgan: stage('vqgan') },
      texts: textsOf(all.map(({ texts }) => texts)),
    }
  }

  /** Each image to the engine that has least to do, those dealt before counted in. */
  private deal(request: Request): { readonly engine: Engine; readonly request: Request }[] {
    const dealt = this.engines.map((engine) => ({ engine, images: [] as Request['images'][number][] }))
    for (const image of request.images) {
      const load = ({ engine, images }: (typeof dealt)[number]) => engine.size + images.length
      const [least] = [...dealt].sort((a, b) => load(a) - load(b))
      least?.images.push(image)
    }
    return dealt
      .filter(({ images }) => images.length > 0)
      .map(({ engine, images }) => ({ engine, request: { ...request, images } }))
  }

  private leastBusy(): Engine {
    return [...this.engines].sort((a, b) => a.size - b.size)[0] as Engine
  }

  /** Gives an engine without work a run that another has not begun. */
  private feed(idle: Engine): void {
    const others = this.engines.filter((engine) => engine !== idle).sort((a, b) => b.size - a.size)
    for (const other of others) {
      const run = other.surrender()
      if (run === null) continue
      idle.adopt(run)
      return
    }
  }
}
