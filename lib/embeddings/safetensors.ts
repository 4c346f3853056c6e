/** Embeddings as .safetensors bytes: what Python's safetensors reads and writes. */

import { types } from 'node:util'
import { expected, ModelError } from '../errors'
import { readRegular } from '../files/open'
import { parseBytes, readHeader, type SafetensorsTensor } from '../model/safetensors'
import type { FloatTensor } from '../tensors/float-tensor'
import { numbersOf } from '../tensors/stored'

const ALIGNMENT = 8

/** `facts` go into the header under our name, as JSON. */
export function encode(tensors: Readonly<Record<string, FloatTensor>>, facts: object): Uint8Array {
  let offset = 0
  const entries = Object.entries(tensors).map(([name, { shape, data }]) => {
    const begin = offset
    offset += data.byteLength
    return [name, { dtype: 'F32', shape, data_offsets: [begin, offset] }] as const
  })
  const header = { __metadata__: { wuerstchen: JSON.stringify(facts) }, ...Object.fromEntries(entries) }
  const text = Buffer.from(JSON.stringify(header))
  const padded = Math.ceil(text.length / ALIGNMENT) * ALIGNMENT
  const bytes = Buffer.alloc(8 + padded + offset, ' ')
  bytes.writeBigUInt64LE(BigInt(padded))
  text.copy(bytes, 8)
  let at = 8 + padded
  for (const { data } of Object.values(tensors)) {
    // Every machine that libtorch runs on stores numbers as these files do.
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at)
    at += data.byteLength
  }
  return bytes
}

interface Decoded {
  readonly tensors: ReadonlyMap<string, FloatTensor>
  /** What we wrote beside them; nothing of it was checked. Empty for files of others. */
  readonly facts: Readonly<Record<string, unknown>>
}

/** Where a caller has a file. */
export function checkPath(path: unknown): string {
  if (typeof path === 'string' && path !== '' && !path.includes('\0')) return path
  throw expected('path', 'the path of a .safetensors file', path)
}

/** Bytes of a caller; of any realm. */
export function checkBytes(bytes: unknown): Uint8Array {
  if (types.isUint8Array(bytes)) return bytes
  throw expected('bytes', 'a Uint8Array of a .safetensors file', bytes)
}

/** A whole file, once its header says that it may be one of these: whatever else lies there may be huge. */
export async function readBytes(path: string): Promise<Uint8Array> {
  await readHeader(path)
  return readRegular(path).catch((cause: Error) => {
    throw new ModelError(
      'WEIGHTS_INVALID',
      `${path}: Expected a file that can be read but ${cause.message}`,
      {
        cause,
        details: { file: path },
      },
    )
  })
}

/** Every tensor as float32. `name` is how messages call the bytes. */
export function decode(bytes: Uint8Array, name: string): Decoded {
  const { tensors, metadata } = parseBytes(bytes, name)
  const read = Array.from(tensors, ([key, tensor]) => [key, readTensor(bytes, tensor, key, name)] as const)
  return { tensors: new Map(read), facts: parseFacts(metadata.wuerstchen) }
}

function readTensor(
  all: Uint8Array,
  { dtype, shape, offset, bytes }: SafetensorsTensor,
  key: string,
  name: string,
) {
  const data = numbersOf(dtype, all.subarray(offset, offset + bytes))
  if (data === null) {
    throw new ModelError(
      'WEIGHTS_INVALID',
      `${name}: Expected ${key} to be F32, F16 or BF16 but found ${dtype}`,
    )
  }
  return { shape, data }
}

function parseFacts(text: string | undefined): Readonly<Record<string, unknown>> {
  try {
    const facts: unknown = JSON.parse(text ?? '{}')
    return typeof facts === 'object' && facts !== null ? (facts as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}
