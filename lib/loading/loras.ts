import { expected, InvalidArgumentError, show } from '../errors'
import type { Model } from '../memory/loaded-model'
import { CHANGE_TARGETS, type ChangeTarget, type LoraChange, type LoraTarget } from '../model/lora'
import { fromNative } from '../native/binding'
import type { RebindOptions, WeightBinding, WeightDelta } from '../native/types'
import { explained } from './lora-faults'

/** A LoRA at work. */
export interface LoadedLora {
  readonly name: string
  /** Where its caller has it. */
  readonly file: string
  /** What its changes are multiplied by; 0 is off. */
  readonly scale: number
  readonly changes: readonly LoraChange[]
  /** Whether it is a learnt word: no LoRA to those who ask for LoRAs, whatever its name. */
  readonly isWord?: boolean
}

/** Where a caller names a LoRA. */
type NameArgument = 'name' | 'scales'

/** The weights as they were loaded, by network. */
type LoraBases = Readonly<Record<LoraTarget, readonly WeightBinding[]>> &
  Readonly<Partial<Record<ChangeTarget, readonly WeightBinding[]>>>

/**
 * Which LoRAs are at work. Weights are always computed anew from the files, so that taking one away leaves the very numbers
 * that were there before it. Only weights that some LoRA changes become private memory.
 */
export class Loras {
  private active: readonly LoadedLora[] = []
  /** Whose weights may have no value: a change failed, and so did its undoing. */
  private unsettled: readonly LoadedLora[] = []

  constructor(
    /** The same model on one or several devices. */
    private readonly models: readonly (Pick<Model, ChangeTarget> & Partial<Pick<Model, 'kept'>>)[],
    private readonly bases: LoraBases,
  ) {}

  get list(): readonly LoadedLora[] {
    return this.active.filter(({ isWord }) => isWord !== true)
  }

  /** What a LoRA may change. */
  get parameters(): LoraBases {
    return this.bases
  }

  async add(lora: LoadedLora): Promise<void> {
    const rivals = lora.isWord === true ? this.words : this.list
    const taken = rivals.some(({ name }) => name === lora.name)
    if (taken) throw expected('name', 'one that no loaded LoRA has', lora.name)
    await this.set([...this.active, lora])
  }

  async rescale(scales: ReadonlyMap<string, number>): Promise<void> {
    const loras = new Set([...scales.keys()].map((name) => this.find(name, 'scales')))
    await this.set(
      this.active.map((lora) =>
        loras.has(lora) ? { ...lora, scale: scales.get(lora.name) ?? lora.scale } : lora,
      ),
    )
  }

  async remove(name: string): Promise<void> {
    const lora = this.find(name, 'name')
    await this.set(this.active.filter((one) => one !== lora))
  }

  async removeWord(name: string): Promise<void> {
    const word = this.words.find((one) => one.name === name)
    await this.set(this.active.filter((one) => one !== word))
  }

  /** @throws InvalidArgumentError for a name that no LoRA has: the argument itself, or a key of `scales`. */
  check(names: readonly string[], argument: NameArgument): void {
    for (const name of names) this.find(name, argument)
  }

  private get words(): readonly LoadedLora[] {
    return this.active.filter(({ isWord }) => isWord === true)
  }

  private find(name: string, argument: NameArgument): LoadedLora {
    const found = this.list.find((one) => one.name === name)
    if (found !== undefined) return found
    const names = this.list.map((one) => one.name).join(', ') || 'there are none'
    const isWord = this.words.some((one) => one.name === name)
    const hint = isWord ? '; that is a word, for unloadTextualInversion()' : ''
    const known = `${names}${hint}`
    if (argument === 'scales')
      throw new InvalidArgumentError(
        `Expected scales to name loaded LoRAs (${known}) but received ${show(name)}`,
        {
          details: { name: 'scales' },
        },
      )
    throw expected('name', `that of a loaded LoRA (${known})`, name)
  }

  /** Whether every weight has a value. */
  get isSettled(): boolean {
    return this.unsettled.length === 0
  }

  /** Values for the weights that have none; nothing may be running. */
  async settle(): Promise<void> {
    if (!this.isSettled) await this.set(this.active)
  }

  /** All LoRAs from now on. Nothing may be running; when it fails, those of before are at work. */
  private async set(next: readonly LoadedLora[]): Promise<void> {
    const touched = [...this.active, ...this.unsettled, ...next]
    const begun: ChangeTarget[] = []
    try {
      for (const target of CHANGE_TARGETS) {
        begun.push(target)
        await this.bind(target, touched, next)
      }
    } catch (error) {
      await this.restore(begun, touched)
      throw await explained(fromNative(error), next)
    }
    this.unsettled = []
    this.active = next
  }

  /** The values of before. A network that cannot have them refuses to run, until a later change gives it some. */
  private async restore(begun: readonly ChangeTarget[], touched: readonly LoadedLora[]): Promise<void> {
    const doubtful = this.isSettled ? begun : CHANGE_TARGETS
    const restored = await Promise.allSettled(
      doubtful.map((target) => this.bind(target, touched, this.active, { orRefuse: true })),
    )
    this.unsettled = restored.every(({ status }) => status === 'fulfilled') ? [] : touched
  }

  /** The weights of one network on all devices. All have ended when it rejects. */
  private async bind(
    target: ChangeTarget,
    touched: readonly LoadedLora[],
    loras: readonly LoadedLora[],
    how?: RebindOptions,
  ): Promise<void> {
    const names = new Set(touched.flatMap((lora) => parametersOf(lora, target)))
    if (names.size === 0) return
    const bindings = (this.bases[target] ?? []).filter(({ name }) => names.has(name))
    const changed = bindings.map((base) => ({ ...base, deltas: deltasOf(base.name, target, loras) }))
    const ends = await Promise.allSettled(
      this.models.map((model) => {
        const kept = model.kept?.[target]
        // What no LoRA changes was computed before, where it is kept.
        const values = changed.map((one) => (one.deltas.length === 0 ? (kept?.get(one.name) ?? one) : one))
        return model[target].rebind(values, how)
      }),
    )
    const failed = ends.find((end) => end.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }
}

function parametersOf({ changes }: LoadedLora, target: ChangeTarget): string[] {
  return changes.filter((change) => change.target === target).map(({ parameter }) => parameter)
}

function deltasOf(
  parameter: string,
  target: ChangeTarget,
  loras: readonly LoadedLora[],
): readonly WeightDelta[] {
  return loras.flatMap(({ changes, scale }) =>
    changes
      .filter((change) => change.target === target && change.parameter === parameter && scale !== 0)
      .map(({ up, down, scale: own }) => ({ up, down, scale: own * scale })),
  )
}
