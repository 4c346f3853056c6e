/** LoRAs made at random for the small model, and models whose files have their changes in them. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  type GeneratedImage,
  type GenerateOptions,
  type PipelineOptions,
  WuerstchenPipeline,
} from '../../lib'
import { decode, encode } from '../../lib/embeddings/safetensors'
import { volume } from '../../lib/tensors/shape'
import { QUICK, type SmallModel, smallModel } from './models'
import { folderOf, removeFolders } from './temporary-folder'

export interface Tensor {
  readonly shape: readonly number[]
  readonly data: Float32Array
}
export type Tensors = Readonly<Record<string, Tensor>>

export const TO_Q = 'blocks.2.attention.to_q'
export const PROJECTION = 'projection'
export const TEXT = 'encoder.layers.0.mlp.fc1'
export const WEIGHTS = 'diffusion_pytorch_model.safetensors'

export let small: SmallModel
export let weights: Record<'prior' | 'text', Map<string, Tensor>>
export let pipeline: WuerstchenPipeline
export let textPrefix: string

/** For `beforeAll()` and `afterAll()`: the small model, and its weights as they lie in files. */
export async function openSmall(): Promise<void> {
  small = smallModel()
  const read = (path: string) => new Map(decode(readFileSync(join(small.prior, path)), path).tensors)
  weights = { prior: read(`prior/${WEIGHTS}`), text: read('text_encoder/model.safetensors') }
  textPrefix = [...weights.text.keys()].some((key) => key.startsWith('text_model.')) ? 'text_model.' : ''
  pipeline = await WuerstchenPipeline.fromPretrained(small.folder, small.options)
}

export async function closeSmall(): Promise<void> {
  await pipeline?.dispose()
  removeFolders()
}

let seed = 1
export function random(shape: readonly number[], size = 1): Tensor {
  const data = new Float32Array(volume(shape))
  for (let index = 0; index < data.length; index++) {
    seed = (seed * 16807) % 2147483647
    data[index] = size * ((seed / 2147483647) * 2 - 1)
  }
  return { shape, data }
}

export interface Change {
  readonly up: Tensor
  readonly down: Tensor
}

export function changeOf(weight: Tensor, rank = 3): Change {
  const [out, into, ...ones] = weight.shape as [number, number, ...number[]]
  return { up: random([out, rank, ...ones], 0.5), down: random([rank, into, ...ones], 0.5) }
}

/** W + scale * up @ down, number by number. */
export function changed(weight: Tensor, { up, down }: Change, scale: number): Tensor {
  const [out, into] = weight.shape as [number, number]
  const rank = down.shape[0] as number
  const data = Float32Array.from(weight.data)
  for (let row = 0; row < out; row++) {
    for (let column = 0; column < into; column++) {
      let sum = 0
      for (let inner = 0; inner < rank; inner++) {
        sum += (up.data[row * rank + inner] as number) * (down.data[inner * into + column] as number)
      }
      data[row * into + column] = (weight.data[row * into + column] as number) + scale * sum
    }
  }
  return { shape: weight.shape, data }
}

export function fileOf(tensors: Tensors, name = 'style.safetensors'): string {
  const file = join(folderOf({}), name)
  writeFileSync(file, encode(tensors, {}))
  return file
}

/** The small model with other tensors in its prior or its text encoder. */
export function modelWith(changes: { readonly prior?: Tensors; readonly text?: Tensors }): {
  folder: string
  prior: string
} {
  const root = folderOf({})
  const [folder, prior] = [join(root, 'small'), join(root, 'small-prior')]
  cpSync(small.folder, folder, { recursive: true })
  cpSync(small.prior, prior, { recursive: true })
  for (const [part, file] of [
    ['prior', `prior/${WEIGHTS}`],
    ['text', 'text_encoder/model.safetensors'],
  ] as const) {
    if (changes[part] === undefined) continue
    const tensors = { ...Object.fromEntries(weights[part]), ...changes[part] }
    writeFileSync(join(prior, file), encode(tensors, {}))
  }
  return { folder, prior }
}

export async function pictureOf(folder: string, options: PipelineOptions = {}): Promise<Buffer> {
  await using other = await WuerstchenPipeline.fromPretrained(folder, { ...small.options, ...options })
  return await drawn(other)
}

export async function drawn(one: WuerstchenPipeline, options: GenerateOptions = {}): Promise<Buffer> {
  const { images } = await one.generate('a red circle', { ...QUICK, ...options })
  return Buffer.from((images[0] as GeneratedImage).data)
}

export function largest(a: Buffer, b: Buffer): number {
  return a.reduce((most, value, index) => Math.max(most, Math.abs(value - (b[index] as number))), 0)
}

export const weight = (name: string, part: 'prior' | 'text' = 'prior') =>
  weights[part].get(`${name}.weight`) as Tensor
