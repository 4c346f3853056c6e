/** Whose generator draws which image's noise. */

import { randomInt } from 'node:crypto'
import * as check from '../checks/values'
import type { NoiseState } from '../embeddings/image-embeddings'
import { expected } from '../errors'
import { MOST_IMAGES } from './prompts'

/** What one generator draws: `rows` images at once, as diffusers draws a batch. */
export interface NoiseStream {
  readonly seed: number
  readonly rows: number
  /** What it drew before this request: that many times (rows, ...shape). */
  readonly before?: { readonly draws: number; readonly shape: readonly [number, number, number] } | undefined
}

/** The generators of a request, and which row of which one each image draws. */
export interface Noise {
  readonly streams: readonly NoiseStream[]
  readonly places: readonly { readonly noiseStream: number; readonly noiseRow: number }[]
}

const MOST_IMAGES_PER_PROMPT = 64
const LARGEST_SEED = 2n ** 64n - 1n

export function readImagesPerPrompt(value: unknown, prompts: number): number {
  const count = check.integer('numImagesPerPrompt', value, { min: 1, max: MOST_IMAGES_PER_PROMPT })
  const all = count * prompts
  if (all > MOST_IMAGES)
    throw expected('numImagesPerPrompt times prompts', `at most ${MOST_IMAGES} images`, all)
  return count
}

/** One generator for all images where there is one seed, else one for each. */
export function readSeeds(seed: unknown, images: number): Noise {
  // Each its own: so that a picture can be made again by its seed alone.
  if (seed === undefined) return aGeneratorEach(randomSeeds(images))
  if (check.isList(seed)) {
    const seeds = check.list('seed', seed, 'a list with a seed for each image', { min: images, max: images })
    return aGeneratorEach(seeds.map((one, i) => readSeed(`seed[${i}]`, one)))
  }
  const places = Array.from({ length: images }, (_, row) => ({ noiseStream: 0, noiseRow: row }))
  return { streams: [{ seed: readSeed('seed', seed), rows: images }], places }
}

function aGeneratorEach(seeds: readonly number[]): Noise {
  return {
    streams: seeds.map((seed) => ({ seed, rows: 1 })),
    places: seeds.map((_, index) => ({ noiseStream: index, noiseRow: 0 })),
  }
}

function randomSeeds(count: number): number[] {
  return Array.from({ length: count }, () => randomInt(2 ** 32))
}

/**
 * As a number: of what a number cannot hold exactly the low 32 bits, which are all that torch's generator reads of any
 * seed.
 */
export function readSeed(name: string, seed: unknown): number {
  if (Number.isSafeInteger(seed) && (seed as number) >= 0) return seed as number
  if (typeof seed === 'bigint' && seed >= 0n && seed <= LARGEST_SEED)
    return Number(seed <= BigInt(Number.MAX_SAFE_INTEGER) ? seed : BigInt.asUintN(32, seed))
  throw expected(
    name,
    `an integer from 0 to ${Number.MAX_SAFE_INTEGER}, or a BigInt up to 2n ** 64n - 1n,`,
    seed,
  )
}

/** The generators of the prior, where it left them. Images of one `prior()` share theirs again. */
export function continued(states: readonly NoiseState[]): Noise {
  const keys = states.map(({ row: _, ...generator }) => JSON.stringify(generator))
  const distinct = Array.from(new Set(keys))
  const streams = distinct.map((key) => {
    const { seed, rows, draws, shape } = states[keys.indexOf(key)] as NoiseState
    return { seed, rows, before: Object.freeze({ draws, shape }) }
  })
  const places = states.map(({ row }, index) => ({
    noiseStream: distinct.indexOf(keys[index] as string),
    noiseRow: row,
  }))
  // The same row twice would be asked twice for what it gives once.
  const taken = new Set(places.map(({ noiseStream, noiseRow }) => `${noiseStream} ${noiseRow}`))
  if (taken.size < places.length) {
    throw expected('seed', 'given where the same image embeddings are decoded twice in one call', undefined)
  }
  return { streams, places }
}
