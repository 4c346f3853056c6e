/** Floating-point types that networks compute in and weights are held in. */
export type Dtype = 'float32' | 'float16' | 'bfloat16'

const BYTES: Readonly<Record<Dtype, number>> = { float32: 4, float16: 2, bfloat16: 2 }

/** Bytes of one number. */
export function bytesOf(dtype: Dtype): number {
  return BYTES[dtype]
}
