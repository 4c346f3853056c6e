import { isStoredFloat, numberOf, numbersOf, STORED_AS, STORED_BYTES } from '../../lib/tensors/stored'

const bytes = (...numbers: number[]) => Uint8Array.from(numbers)

describe('numbersOf()', () => {
  it.each([
    ['F32', bytes(0, 0, 0x80, 0x3f, 0, 0, 0x20, 0xc0), [1, -2.5]],
    ['BF16', bytes(0x80, 0x3f, 0x20, 0xc0, 0x80, 0x7f), [1, -2.5, Number.POSITIVE_INFINITY]],
    ['F16', bytes(0, 0x3c, 0, 0xc1, 1, 0, 0xff, 0x7b), [1, -2.5, 2 ** -24, 65504]],
    [
      'F16',
      bytes(0, 0x7c, 0, 0xfc, 1, 0x7c),
      [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN],
    ],
  ] as const)('reads %s', (dtype, stored, numbers) => {
    expect(numbersOf(dtype, stored)).toEqual(Float32Array.from(numbers))
  })

  it('reads bytes that lie anywhere', () => {
    expect(numbersOf('F32', bytes(9, 0, 0, 0x80, 0x3f, 9).subarray(1, 5))).toEqual(Float32Array.of(1))
  })

  it.each(['F64', 'I64', 'F8_E4M3', 'BOOL'] as const)(
    'has none of %s, which no network computes in',
    (dtype) => {
      expect(numbersOf(dtype, new Uint8Array(8))).toBeNull()
    },
  )
})

describe('numberOf()', () => {
  it.each([
    ['F64', bytes(0, 0, 0, 0, 0, 0, 4, 0xc0), -2.5],
    ['I64', bytes(0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), -2],
    ['I32', bytes(4, 0, 0, 0), 4],
    ['BF16', bytes(0x80, 0x40), 4],
    ['F16', bytes(0, 0x44), 4],
    ['I8', bytes(4), Number.NaN],
    ['F32', bytes(0, 0), Number.NaN],
  ] as const)('reads one of %s', (dtype, stored, number) => {
    expect(numberOf(dtype, stored)).toBe(number)
  })
})

describe('stored dtypes', () => {
  it('have the size of what they are stored as', () => {
    expect(Object.values(STORED_AS).map((dtype) => STORED_BYTES[dtype])).toEqual([4, 2, 2])
  })

  it('are floats or not', () => {
    const floats = Object.keys(STORED_BYTES).filter(isStoredFloat)
    expect(floats).toEqual(['F64', 'F32', 'F16', 'BF16'])
  })
})
