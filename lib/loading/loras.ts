import { expected } from '../errors'
import type { Model } from '../memory/loaded-model'
import { CHANGE_TARGETS, type ChangeTarget, type LoraChange, type LoraTarget } from '../model/lora'
import { fromNative } from '../native/binding'
import type { WeightBinding, WeightDelta } from '../native/types'

/** A LoRA at work. */
export interface LoadedLora {
  readonly name: string
  /** What its changes are multiplied by; 0 is off. */
  readonly scale: number
  readonly changes: readonly LoraChange[]
  /** Whether it is a learnt word: no LoRA to those who ask for LoRAs, whatever its name. */
  readonly isWord?: boolean
}

/** The weights as they were loaded, by network. */
export type LoraBases = Readonly<Record<LoraTarget, readonly WeightBinding[]>> &
  Readonly<Partial<Record<ChangeTarget, readonly WeightBinding[]>>>

/**
 * Which LoRAs are at work. Weights are always computed anew from the files, so that taking one away leaves the very numbers
 * that were there before it. Only weights that some LoRA changes become private memory.
 */
export class Loras {
  private active: readonly LoadedLora[] = []

  constructor(
    /** The same model on one or several devices. */
    private readonly models: readonly Pick<Model, ChangeTarget>[],
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
    const loras = new Set([...scales.keys()].map((name) => this.find(name)))
    await this.set(
      this.active.map((lora) =>
        loras.has(lora) ? { ...lora, scale: scales.get(lora.name) ?? lora.scale } : lora,
      ),
    )
  }

  async remove(name: string): Promise<void> {
    const lora = this.find(name)
    await this.set(this.active.filter((one) => one !== lora))
  }

  async removeWord(name: string): Promise<void> {
    const word = this.words.find((one) => one.name === name)
    await this.set(this.active.filter((one) => one !== word))
  }

  /** @throws InvalidArgumentError for a name that no LoRA has. */
  check(names: readonly string[]): void {
    for (const name of names) this.find(name)
  }

  private get words(): readonly LoadedLora[] {
    return this.active.filter(({ isWord }) => isWord === true)
  }

  private find(name: string): LoadedLora {
    const known = this.list.find((one) => one.name === name)
    if (known !== undefined) return known
    const names = this.list.map((one) => one.name).join(', ') || 'there are none'
    const isWord = this.words.some((one) => one.name === name)
    const hint = isWord ? '; that is a word, for unloadTextualInversion()' : ''
    throw expected('name', `that of a loaded LoRA (${names}${hint})`, name)
  }

  /** All LoRAs from now on. Nothing may be running; when it fails, those of before are at work. */
  private async set(next: readonly LoadedLora[]): Promise<void> {
    const before = this.active
    try {
      await this.apply(before, next)
    } catch (error) {
      await this.apply(next, before)
      throw fromNative(error)
    }
    this.active = next
  }

  private async apply(before: readonly LoadedLora[], after: readonly LoadedLora[]): Promise<void> {
    for (const target of CHANGE_TARGETS) {
      const touched = new Set([...before, ...after].flatMap((lora) => parametersOf(lora, target)))
      if (touched.size === 0) continue
      const bindings = (this.bases[target] ?? []).filter(({ name }) => touched.has(name))
      const changed = bindings.map((base) => ({ ...base, deltas: deltasOf(base.name, target, after) }))
      await Promise.all(this.models.map((model) => model[target].rebind(changed)))
    }
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
