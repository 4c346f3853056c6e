/** Types of numbers in .safetensors files, and what reads such numbers here. */
import type { Dtype } from './dtype'

/** Bytes of one number. */
export const STORED_BYTES = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  F8_E4M3: 1,
  F8_E5M2: 1,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U64: 8,
  U32: 4,
  U16: 2,
  U8: 1,
  BOOL: 1,
} as const

export type SafetensorsDtype = keyof typeof STORED_BYTES

/** What a number is stored as, without a change of it. */
export const STORED_AS = { float32: 'F32', float16: 'F16', bfloat16: 'BF16' } as const satisfies Record<
  Dtype,
  SafetensorsDtype
>

export type StoredFloat = 'F64' | (typeof STORED_AS)[Dtype]

export function isStoredFloat(dtype: string): dtype is StoredFloat {
  return dtype === 'F64' || Object.values<string>(STORED_AS).includes(dtype)
}

type Read = (view: DataView, at: number) => number

const READERS: Readonly<Partial<Record<string, Read>>> = {
  F64: (view, at) => view.getFloat64(at, true),
  F32: (view, at) => view.getFloat32(at, true),
  F16: (view, at) => half(view.getUint16(at, true)),
  BF16: (view, at) => bfloat(view.getUint16(at, true)),
  I64: (view, at) => Number(view.getBigInt64(at, true)),
  I32: (view, at) => view.getInt32(at, true),
} satisfies Partial<Record<SafetensorsDtype, Read>>

/** The first number of these bytes; NaN where there is none of a type that is read here. */
export function numberOf(dtype: SafetensorsDtype, bytes: Uint8Array): number {
  if (bytes.byteLength < STORED_BYTES[dtype]) return Number.NaN
  return READERS[dtype]?.(viewOf(bytes), 0) ?? Number.NaN
}

/** Numbers of a type that networks compute in; null for any other. */
export function numbersOf(dtype: SafetensorsDtype, bytes: Uint8Array): Float32Array | null {
  // Every machine that libtorch runs on stores numbers as these files do.
  if (dtype === 'F32') return new Float32Array(Uint8Array.from(bytes).buffer)
  const read = READERS[dtype]
  if (read === undefined || dtype === 'F64' || !isStoredFloat(dtype)) return null
  const [view, size] = [viewOf(bytes), STORED_BYTES[dtype]]
  return Float32Array.from({ length: bytes.byteLength / size }, (_, index) => read(view, index * size))
}

/** The largest absolute value of these numbers; NaN where one is NaN, or where their type is not read here. */
export function largestOf(dtype: SafetensorsDtype, bytes: Uint8Array): number {
  const [read, view, size] = [READERS[dtype], viewOf(bytes), STORED_BYTES[dtype]]
  if (read === undefined) return Number.NaN
  let largest = 0
  for (let at = 0; at < bytes.byteLength; at += size) {
    const value = Math.abs(read(view, at))
    if (!(value <= largest)) largest = value
    if (Number.isNaN(largest)) break
  }
  return largest
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 31
  const fraction = bits & 1023
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25)
}

const scratch = new DataView(new ArrayBuffer(4))

function bfloat(bits: number): number {
  scratch.setUint32(0, bits << 16)
  return scratch.getFloat32(0)
}
