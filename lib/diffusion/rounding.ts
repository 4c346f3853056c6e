/** Numbers as narrow types hold them, rounded half to even as torch does. */

export type Rounding = 'float32' | 'bfloat16' | 'float16'

/** Bits of the significand, the leading one among them, and the exponent of the smallest normal number. */
const FORMATS = {
  float32: { bits: 24, least: -126 },
  bfloat16: { bits: 8, least: -126 },
  float16: { bits: 11, least: -14 },
} as const

/** `value` as `dtype` holds it; nothing here overflows any of them. */
export function roundTo(value: number, dtype: Rounding): number {
  const single = Math.fround(value) // torch rounds twice: to float32 first
  if (single === 0 || dtype === 'float32') return single
  const { bits, least } = FORMATS[dtype]
  const exponent = Math.max(Math.floor(Math.log2(Math.abs(single))), least)
  const unit = 2 ** (exponent - bits + 1)
  return roundHalfEven(single / unit) * unit
}

function roundHalfEven(value: number): number {
  const floor = Math.floor(value)
  const rest = value - floor
  if (rest !== 0.5) return Math.round(value)
  return floor % 2 === 0 ? floor : floor + 1
}
