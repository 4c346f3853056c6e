/** Pictures and tensors have hundreds of thousands of numbers: jest compares them one property at a time, this as numbers. */

type Numbers = Float32Array | Float64Array | Int32Array | Uint8Array | Uint16Array

const isNumbers = (value: unknown): value is Numbers =>
  ArrayBuffer.isView(value) && !(value instanceof DataView) && !(value instanceof BigInt64Array)

/** As toEqual() has it: NaN equals NaN, and 0 is not -0. Undefined leaves it to jest: it tells types apart. */
function areEqual(ours: unknown, theirs: unknown): boolean | undefined {
  if (!isNumbers(ours) || !isNumbers(theirs)) return undefined
  if (ours.constructor !== theirs.constructor || ours.length !== theirs.length) return undefined
  for (let index = 0; index < ours.length; index++) if (!Object.is(ours[index], theirs[index])) return false
  return true
}

// Not in the types of jest's globals.
const { addEqualityTesters } = expect as unknown as typeof import('expect').expect
addEqualityTesters([areEqual])
