import * as check from '../checks/values'
import { type ModelGeometry, sizeOfGrid } from '../diffusion/sizes'
import { ImageEmbeddings, type ImageEmbeddingsFacts } from '../embeddings/image-embeddings'
import { expected } from '../errors'
import { checkTensor, type FloatTensor } from '../tensors/float-tensor'
import type { CommonOptions } from './options'
import { MOST_IMAGES } from './prompts'

const SIDE = { min: 64, max: 4096 }

/** Pixels of a picture. */
interface Size {
  readonly width: number
  readonly height: number
}

export function readSize({ width, height }: CommonOptions, defaults: Size): Size {
  return {
    width: width === undefined ? defaults.width : check.integer('width', width, SIDE),
    height: height === undefined ? defaults.height : check.integer('height', height, SIDE),
  }
}

/** Image embeddings and what is known of them. */
export interface Input extends FloatTensor {
  readonly shape: readonly [number, number, number, number]
  readonly facts: ImageEmbeddingsFacts
}

export function readEmbeddings(value: unknown, { priorChannels }: ModelGeometry): readonly Input[] {
  if (!Array.isArray(value)) return [readOne('embeddings', value, priorChannels)]
  const list = check.list('embeddings', value, 'a list of image embeddings', { min: 1, max: MOST_IMAGES })
  const inputs = list.map((one, index) => readOne(`embeddings[${index}]`, one, priorChannels))
  inputs.forEach(({ shape }, index) => {
    const wanted = inputs[0]?.shape.join(', ')
    if (shape.join(', ') !== wanted)
      throw expected(`embeddings[${index}].shape`, `[${wanted}], the first's`, shape)
  })
  return inputs
}

/** A copy: what the caller does with its own later changes no request. */
function readOne(name: string, value: unknown, channels: number): Input {
  const { shape, data } = checkTensor(name, value, [1, channels, null, null])
  const facts = value instanceof ImageEmbeddings ? value.facts : {}
  return Object.freeze({ shape: Object.freeze(shape) as Input['shape'], data: data.slice(), facts })
}

/** What they were made for, or the picture that has such a grid. */
export function sizeOf({ shape, facts }: Input, geometry: ModelGeometry): Size {
  const { width, height } = facts
  if (width !== undefined && height !== undefined) return { width, height }
  const side = (name: string, cells: number) => check.integer(name, sizeOfGrid(cells, geometry), SIDE)
  return {
    width: side('the width of the embeddings', shape[3]),
    height: side('the height of the embeddings', shape[2]),
  }
}
