/**
 * LoRA files: which low-rank changes they hold for which weights. Trainers spell the same thing in many ways; what is read here
 * is what diffusers, peft and kohya write (docs/lora.md).
 */

import { isDeepStrictEqual } from 'node:util'
import { ModelError } from '../errors'
import type { StoredDtype, StoredTensor } from '../native/types'
import { isStoredFloat, numberOf } from '../tensors/stored'
import type { GraphParameter } from './manifest'
import { readHeader, readTensor, type SafetensorsHeader, type SafetensorsTensor } from './safetensors'

/** The networks that a LoRA may change. */
const LORA_TARGETS = ['prior', 'priorTextEncoder', 'decoder'] as const
export type LoraTarget = (typeof LORA_TARGETS)[number]
type LoraParameters = Readonly<Record<LoraTarget, readonly GraphParameter[]>>

/** The networks whose weights may be changed in any way: learnt words reach the decoder's text encoder as well. */
export const CHANGE_TARGETS = [...LORA_TARGETS, 'decoderTextEncoder'] as const
export type ChangeTarget = (typeof CHANGE_TARGETS)[number]

/** A tensor of a LoRA's file. */
export interface LoraTensor extends StoredTensor {
  /** What the file calls it. */
  readonly key: string
}

/** One weight's change: scale * up @ down is added. */
export interface LoraChange {
  readonly target: ChangeTarget
  readonly parameter: string
  readonly up: LoraTensor
  readonly down: LoraTensor
  /** alpha / rank */
  readonly scale: number
}

type Part = 'up' | 'down' | 'alpha'

/** `blocks.2.attention.to_q.lora_A.weight` and its many spellings: what comes before, and which part it is. */
const SPELLINGS: readonly (readonly [RegExp, Part])[] = [
  [/^(.+)\.lora_A(?:\.[\w-]+)?\.weight$/, 'down'],
  [/^(.+)\.lora_B(?:\.[\w-]+)?\.weight$/, 'up'],
  [/^(.+?)(?:\.lora_linear_layer|\.lora|_lora)\.down\.weight$/, 'down'],
  [/^(.+?)(?:\.lora_linear_layer|\.lora|_lora)\.up\.weight$/, 'up'],
  [/^(.+)\.lora_down\.weight$/, 'down'],
  [/^(.+)\.lora_up\.weight$/, 'up'],
  [/^(.+?)(?:_lora)?\.alpha$/, 'alpha'],
]

/** What a name may begin with, and whose it is then. Kohya's names have underscores for dots. */
const PREFIXES: readonly (readonly [RegExp, LoraTarget])[] = [
  [/^(?:prior|unet|transformer)\.|^lora_(?:prior|unet)_/, 'prior'],
  [/^text_encoder\.|^lora_(?:te1?|text_encoder)_/, 'priorTextEncoder'],
  [/^decoder\.|^lora_decoder_/, 'decoder'],
]

/** Reads a LoRA file's header and finds the weight of every change. */
export async function readLora(file: string, parameters: LoraParameters): Promise<readonly LoraChange[]> {
  const header = await readHeader(file)
  const names = new NameTable(parameters)
  const found = new Map<string, Partial<Record<Part, LoraTensor>>>()
  const unknown: string[] = []
  for (const [key, tensor] of header.tensors) {
    const place = names.find(key)
    if (place === null) unknown.push(key)
    else found.set(place.id, { ...found.get(place.id), [place.part]: { ...stored(tensor, header), key } })
  }
  if (unknown.length > 0 || found.size === 0) throw notOurs(header.file, unknown)
  return Promise.all(Array.from(found, ([id, parts]) => changeOf(names.parameter(id), parts, header.file)))
}

interface Named {
  readonly target: LoraTarget
  readonly parameter: GraphParameter
}

/** Every weight that a change may be of, by its dotted name and by its name with underscores. */
class NameTable {
  private readonly byName = new Map<string, string>()
  private readonly byId = new Map<string, Named>()

  constructor(parameters: LoraParameters) {
    for (const target of LORA_TARGETS) {
      for (const parameter of parameters[target]) {
        if (!parameter.name.endsWith('.weight') || parameter.shape.length < 2) continue
        const id = `${target} ${parameter.name}`
        this.byId.set(id, { target, parameter })
        const base = parameter.name.slice(0, -'.weight'.length)
        for (const name of [
          base,
          base.replace(/^text_model\./, ''),
          base.replace(/\.to_out\.0$/, '.to_out'),
        ]) {
          this.byName.set(`${target} ${name}`, id)
          this.byName.set(`${target} ${name.replaceAll('.', '_')}`, id)
        }
      }
    }
  }

  parameter(id: string): Named {
    return this.byId.get(id) as Named
  }

  find(key: string): { readonly id: string; readonly part: Part } | null {
    for (const [pattern, part] of SPELLINGS) {
      const base = pattern.exec(key)?.[1]
      const id = base === undefined ? undefined : this.resolve(base)
      if (id !== undefined) return { id, part }
    }
    return null
  }

  private resolve(base: string): string | undefined {
    const name = base.replace(/^base_model\.model\./, '').replace('.processor.', '.')
    const [pattern, target] = PREFIXES.find(([one]) => one.test(name)) ?? []
    const bare = pattern === undefined ? name : name.replace(pattern, '')
    const targets = target === undefined ? LORA_TARGETS : [target]
    return targets.map((one) => this.byName.get(`${one} ${bare}`)).find((id) => id !== undefined)
  }
}

function stored({ dtype, ...rest }: SafetensorsTensor, { file }: SafetensorsHeader): StoredTensor {
  return { ...rest, dtype: dtype as StoredDtype, file }
}

async function changeOf(
  { target, parameter }: Named,
  { up, down, alpha }: Partial<Record<Part, LoraTensor>>,
  file: string,
): Promise<LoraChange> {
  if (up === undefined || down === undefined) {
    const has = (up ?? down ?? alpha)?.key
    throw wrong(file, `Expected both halves of the change of ${parameter.name} but found ${has} alone`)
  }
  const [out, into, ...rest] = parameter.shape
  const rank = down.shape[0] as number
  check(file, up, [out as number, rank, ...rest])
  check(file, down, [rank, into as number, ...rest])
  const strength = alpha === undefined ? rank : await readNumber(file, alpha)
  return { target, parameter: parameter.name, up, down, scale: strength / rank }
}

/** Linear weights are 2-d; those of 1x1 convolutions may be stored with or without their two ones. */
function check(file: string, tensor: LoraTensor, shape: readonly number[]): void {
  const withoutOnes = shape.slice(2).every((size) => size === 1) ? shape.slice(0, 2) : shape
  const fits = isDeepStrictEqual(tensor.shape, shape) || isDeepStrictEqual(tensor.shape, withoutOnes)
  if (fits && (shape[0] as number) > 0 && isStoredFloat(tensor.dtype)) return
  const found = `${tensor.dtype} [${tensor.shape.join(', ')}]`
  throw wrong(file, `Expected ${tensor.key} to be of floats and [${shape.join(', ')}] but found ${found}`)
}

async function readNumber(file: string, { key, dtype, offset, bytes }: LoraTensor) {
  const value = numberOf(dtype, await readTensor(file, { offset, bytes: bytes <= 8 ? bytes : 0 }))
  if (Number.isFinite(value)) return value
  throw wrong(file, `Expected ${key} to be one finite number`)
}

function wrong(file: string, what: string): ModelError {
  return new ModelError('WEIGHTS_MISMATCH', `${file}: ${what}`, { details: { file } })
}

const MOST_LISTED = 10

function notOurs(file: string, unknown: readonly string[]): ModelError {
  if (unknown.length === 0) return wrong(file, 'Expected low-rank changes but found none')
  const more = unknown.length > MOST_LISTED ? ` and ${unknown.length - MOST_LISTED} more` : ''
  const listed = unknown.slice(0, MOST_LISTED).join(', ')
  return new ModelError(
    'WEIGHTS_MISMATCH',
    `${file}: Expected changes of this model's weights but found ${listed}${more}`,
    {
      details: { file, unknown },
    },
  )
}
