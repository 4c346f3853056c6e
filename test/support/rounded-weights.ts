/** Weights rounded to 8 bits as kernels round them, for the graph to compute with. */
import { readFileSync, writeFileSync } from 'node:fs'
import type { WeightBinding } from '../../lib/native/types'
import { numbersOf } from '../../lib/tensors/stored'

const LINEARS = /(channelwise\.[04]|to_[qkv]|to_out\.0)\.weight$/
const PASS = 256 // of a row of a weight has one scale

/** The same weights in a file of float32, those of the kernels' products rounded to 8 bits as the kernels do. */
export function roundLinears(weights: readonly WeightBinding[], file: string): readonly WeightBinding[] {
  const parts = weights.map((binding) => {
    const values = floatsOf(binding)
    if (!LINEARS.test(binding.name)) return values
    const depth = binding.shape[1] as number
    for (let row = 0; row < values.length; row += depth) {
      for (let start = 0; start < depth; start += PASS)
        roundPass(values.subarray(row + start, row + Math.min(start + PASS, depth)))
    }
    return values
  })
  writeFileSync(file, Buffer.concat(parts.map(({ buffer }) => Buffer.from(buffer))))
  let offset = 0
  return weights.map(({ name, shape }, index) => {
    const bytes = 4 * (parts[index] as Float32Array).length
    offset += bytes
    return { name, shape, file, dtype: 'F32' as const, offset: offset - bytes, bytes }
  })
}

function roundPass(values: Float32Array): void {
  const scale = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 127
  if (scale > 0)
    values.forEach((value, index) => {
      values[index] = Math.round(value / scale) * scale
    })
}

function floatsOf({ name, file, offset, bytes, dtype }: WeightBinding): Float32Array {
  const numbers = numbersOf(dtype, readFileSync(file).subarray(offset, offset + bytes))
  if (numbers === null) throw new Error(`Expected ${name} to be of floats but received ${dtype}`)
  return numbers
}
