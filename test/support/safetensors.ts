import { volume } from '../../lib/tensors/shape'
/** A .safetensors file with this header, whatever it claims, before `dataBytes` zeros. */
export function safetensorsOf(header: object | string, dataBytes: number): Buffer {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(text.length))
  return Buffer.concat([length, text, Buffer.alloc(dataBytes)])
}

/** A true file: tensors of these shapes, float32, one after another. */
export function weightsOf(
  shapes: Readonly<Record<string, readonly number[]>>,
  dtype = 'F32',
  size = 4,
): Buffer {
  let end = 0
  const entries = Object.entries(shapes).map(([name, shape]) => {
    const begin = end
    end += size * volume(shape)
    return [name, { dtype, shape, data_offsets: [begin, end] }]
  })
  return safetensorsOf(Object.fromEntries(entries), end)
}
