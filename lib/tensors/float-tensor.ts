import { types } from 'node:util'
import { expected } from '../errors'
import { volume } from './shape'

/** Numbers on this side of the border, row-major. */
export interface FloatTensor {
  readonly shape: readonly number[]
  readonly data: Float32Array
}

/** `(1, T, C)`; a null is a size that may be anything from 1 on. */
type Shape = readonly (number | null)[]

/** A tensor from a caller, of this shape, of finite numbers. */
export function checkTensor(name: string, value: unknown, shape: Shape): FloatTensor {
  const { shape: given, data } = (value ?? {}) as Partial<FloatTensor>
  // Not instanceof: it may come from another realm.
  if (!types.isFloat32Array(data) || !Array.isArray(given)) {
    throw expected(name, '{ shape, data } with a Float32Array as data', value)
  }
  const fits = given.length === shape.length && given.every((size, axis) => isSize(size, shape[axis]))
  if (!fits) throw expected(`${name}.shape`, `[${shape.map((size) => size ?? 'any').join(', ')}]`, given)
  const numbers = volume(given)
  if (data.length !== numbers) throw expected(`${name}.data`, `${numbers} numbers`, data)
  const wrong = data.findIndex((number) => !Number.isFinite(number))
  if (wrong >= 0) throw expected(`${name}.data[${wrong}]`, 'a finite number', data[wrong])
  return { shape: [...given], data }
}

function isSize(size: unknown, wanted: number | null | undefined): boolean {
  return Number.isSafeInteger(size) && (size as number) >= 1 && (wanted === null || size === wanted)
}

/** a + weight * (b - a), number by number; both have one shape. */
export function lerp(a: FloatTensor, b: FloatTensor, weight: number): FloatTensor {
  const data = a.data.map((value, index) => value + weight * ((b.data[index] as number) - value))
  return { shape: a.shape, data }
}
