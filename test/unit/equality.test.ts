/** Our own equality of numbers against jest's, which `toStrictEqual()` and lists keep. */
describe('toEqual() of typed arrays', () => {
  const numbers = Float32Array.from({ length: 300_000 }, (_, index) => Math.sin(index))

  it('finds the one number that differs, alone and inside of objects', () => {
    const other = numbers.slice()
    expect(other).toEqual(numbers)
    expect({ rows: [other] }).toEqual({ rows: [numbers] })
    other[299_999] = 2
    expect(other).not.toEqual(numbers)
    expect({ rows: [other] }).not.toEqual({ rows: [numbers] })
  })

  it.each([
    [[Number.NaN], [Number.NaN], true],
    [[0], [-0], false],
    [[1], [1, 1], false],
    [[], [], true],
  ])('is that of lists: %j and %j', (ours, theirs, equal) => {
    const lists = expect(ours)
    const arrays = expect(Float32Array.from(ours))
    if (equal) {
      lists.toEqual(theirs)
      arrays.toEqual(Float32Array.from(theirs))
    } else {
      lists.not.toEqual(theirs)
      arrays.not.toEqual(Float32Array.from(theirs))
    }
  })

  it('tells types apart', () => {
    expect(Float32Array.of(1)).not.toEqual(Float64Array.of(1))
    expect(Uint8Array.of(1)).not.toEqual([1])
    expect(BigInt64Array.of(1n)).toEqual(BigInt64Array.of(1n))
    expect(BigInt64Array.of(1n)).not.toEqual(BigInt64Array.of(2n))
  })
})
