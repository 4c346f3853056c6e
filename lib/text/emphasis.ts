/** The arithmetic of weights: from what a text encoder answers to what the model reads. Numbers are (1, T, C), row-major. */

import type { GivenChunk, PlannedChunk, TextPlan } from './plan'
import type { Tokens } from './tokenizer'

interface Hidden {
  readonly shape: readonly number[]
  readonly data: Float32Array
}

/** Runs a text encoder on one chunk. */
export type Encode = (tokens: Pick<Tokens, 'ids' | 'mask'>) => Promise<Hidden>

/** All chunks of a plan, one after the other: (1, chunks * T, C). */
export async function embedPlan(plan: TextPlan, encode: Encode): Promise<Hidden> {
  const empty = await encode(plan.empty)
  const parts: Float32Array[] = []
  for (const { weight, members } of plan.parts) {
    const length = Math.max(...members.map(({ chunks }) => chunks.length))
    const encoded: { factor: number; data: Float32Array }[] = []
    for (const { factor, chunks } of members) {
      const data: Float32Array[] = []
      for (const chunk of chunks) data.push(await embedChunk(chunk, empty, encode))
      while (data.length < length) data.push(empty.data)
      encoded.push({ factor, data: joined(data) })
    }
    const sum = encoded.length === 1 && encoded[0]?.factor === 1 ? encoded[0].data : blended(encoded)
    parts.push(weight === 1 ? sum : away(sum, joined(Array.from({ length }, () => empty.data)), weight))
  }
  const data = joined(parts)
  const channels = empty.shape[2] as number
  return { shape: [1, data.length / channels, channels], data }
}

async function embedChunk(
  chunk: PlannedChunk | GivenChunk,
  empty: Hidden,
  encode: Encode,
): Promise<Float32Array> {
  if ('given' in chunk) return chunk.given.data
  const { tokens, weights, emphasis, without } = chunk
  const { data } = await encode(tokens)
  if (emphasis === 'a1111') return weights === null ? data : scaled(data, weights)
  const weighted = (values: Float32Array) => (weights === null ? values : raised(values, empty.data, weights))
  const base = weighted(data)
  if (without.length === 0) return base
  const answers = [{ factor: 1, data: base }]
  for (const { mask, strength } of without) {
    const answer = mask === null ? base : weighted((await encode({ ids: tokens.ids, mask })).data)
    answers.push({ factor: strength, data: answer })
  }
  const total = answers.reduce((sum, { factor }) => sum + factor, 0)
  return blended(answers.map(({ factor, data: answer }) => ({ factor: factor / total, data: answer })))
}

/** Compel: each token as far from the empty text as its weight says. Those of weight 1 stay bit for bit. */
function raised(values: Float32Array, empty: Float32Array, weights: Float64Array): Float32Array {
  const channels = values.length / weights.length
  return values.map((value, index) => {
    const weight = weights[Math.floor(index / channels)] as number
    const base = empty[index] as number
    return weight === 1 ? value : base + (value - base) * weight
  })
}

/** AUTOMATIC1111: each token times its weight, then all times what brings the mean back. */
function scaled(values: Float32Array, weights: Float64Array): Float32Array {
  const channels = values.length / weights.length
  const multiplied = Float64Array.from(
    values,
    (value, index) => value * (weights[Math.floor(index / channels)] as number),
  )
  const ratio = mean(values) / mean(multiplied)
  return Float32Array.from(multiplied, (value) => value * ratio)
}

function mean(values: Float32Array | Float64Array): number {
  let sum = 0
  for (const value of values) sum += value
  return sum / values.length
}

/** empty + (values - empty) * weight */
function away(values: Float32Array, empty: Float32Array, weight: number): Float32Array {
  return values.map((value, index) => (empty[index] as number) + (value - (empty[index] as number)) * weight)
}

function blended(members: readonly { readonly factor: number; readonly data: Float32Array }[]): Float32Array {
  const sum = new Float64Array(members[0]?.data.length ?? 0)
  for (const { factor, data } of members) {
    for (let index = 0; index < sum.length; index++)
      sum[index] = (sum[index] as number) + factor * (data[index] as number)
  }
  return Float32Array.from(sum)
}

function joined(pieces: readonly Float32Array[]): Float32Array {
  if (pieces.length === 1) return pieces[0] as Float32Array
  const all = new Float32Array(pieces.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const piece of pieces) {
    all.set(piece, at)
    at += piece.length
  }
  return all
}
