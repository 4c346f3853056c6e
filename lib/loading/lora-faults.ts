/** Which LoRA, file and tensor is to blame where weights cannot be changed: the native side knows the weight alone. */

import { ModelError } from '../errors'
import type { LoraChange, LoraTensor } from '../model/lora'
import { readTensor } from '../model/safetensors'
import { largestOf } from '../tensors/stored'

/** What the native side says of a change that may not be finite. */
const NOT_FINITE = /^Expected finite numbers in the change of /
const FLOAT32_MAX = (2 - 2 ** -23) * 2 ** 127

/** A LoRA or a word at work. */
interface Suspect {
  readonly name: string
  readonly file: string
  readonly scale: number
  readonly changes: readonly LoraChange[]
  readonly isWord?: boolean
}

/** The same failure by name, where it is one of these LoRAs. Their files are read again: that is worth an answer. */
export async function explained(error: unknown, loras: readonly Suspect[]): Promise<unknown> {
  if (!(error instanceof ModelError) || error.code !== 'ERR_WUERSTCHEN_WEIGHTS_INVALID') return error
  const active = loras.filter(({ scale }) => scale !== 0)
  if (active.length === 0) return error
  // One that cannot be mapped: the native side names it.
  const unread = active.find(({ changes }) => changes.some(({ up }) => error.message.includes(up.file)))
  if (unread !== undefined)
    return faulty(
      unread,
      { what: `Expected ${nameOf(unread)} to change weights but ${error.message}` },
      error,
    )
  if (!NOT_FINITE.test(error.message)) return error
  for (const lora of active) {
    const fault = await faultOf(lora).catch(() => null) // its file has just gone
    if (fault !== null) return faulty(lora, fault, error)
  }
  const all = active.map((lora) => `${nameOf(lora)} of ${lora.file}`).join(', ')
  return new ModelError('WEIGHTS_INVALID', `${error.message}, by ${all}`, {
    cause: error,
    details: { files: active.map(({ file }) => file), loras: active.map(({ name }) => name) },
  })
}

interface Fault {
  readonly what: string
  readonly tensor?: string
}

/** The first number that is none, or a product that float32 does not hold. */
async function faultOf({ changes, scale, ...lora }: Suspect): Promise<Fault | null> {
  for (const { up, down, parameter, scale: own } of changes) {
    const [left, right] = [await largestIn(up), await largestIn(down)]
    for (const [tensor, largest] of [
      [up, left],
      [down, right],
    ] as const) {
      if (!Number.isFinite(largest))
        return {
          tensor: tensor.key,
          what: `Expected ${nameOf(lora)} to have finite numbers but ${tensor.key} has ${largest}`,
        }
    }
    const rank = down.shape[0] ?? 1
    if (Math.abs(scale * own) * rank * left * right < FLOAT32_MAX) continue
    const what = `Expected finite numbers in the change of ${parameter} by ${nameOf(lora)}`
    return { tensor: up.key, what: `${what} but scale ${scale} makes ${up.key} times ${down.key} too large` }
  }
  return null
}

async function largestIn(tensor: LoraTensor): Promise<number> {
  return largestOf(tensor.dtype, await readTensor(tensor.file, tensor))
}

function faulty({ name, file }: Suspect, { what, tensor }: Fault, cause: Error): ModelError {
  return new ModelError('WEIGHTS_INVALID', `${file}: ${what}`, {
    cause,
    details: { file, lora: name, tensor },
  })
}

function nameOf({ name, isWord }: Pick<Suspect, 'name' | 'isWord'>): string {
  return `the ${isWord === true ? 'word' : 'LoRA'} '${name}'`
}
