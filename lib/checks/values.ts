/** What callers may pass, one check per kind of value. Every refusal names the option. */

import { types } from 'node:util'
import { expected } from '../errors'

interface Range {
  readonly min: number
  readonly max: number
}

export function integer(name: string, value: unknown, { min, max }: Range): number {
  if (Number.isInteger(value) && (value as number) >= min && (value as number) <= max) return value as number
  throw expected(name, `an integer from ${min} to ${max}`, value)
}

export function number(name: string, value: unknown, { min, max }: Range): number {
  if (typeof value === 'number' && value >= min && value <= max) return value
  throw expected(name, `a number from ${min} to ${max}`, value)
}

export function list(name: string, value: unknown, what: string, { min, max }: Range): readonly unknown[] {
  if (isList(value) && value.length >= min && value.length <= max) return Array.from(value)
  throw expected(name, `${what}, ${min === max ? min : `${min} to ${max}`} in all,`, value)
}

/** An array or a typed array, of any realm. */
export function isList(value: unknown): value is ArrayLike<unknown> {
  return Array.isArray(value) || types.isTypedArray(value)
}

/** Text that a tokenizer can read: half a surrogate pair is no text, and a huge one is an attack. */
export function text(name: string, value: unknown, maxCharacters: number): string {
  if (typeof value !== 'string') throw expected(name, 'a string', value)
  if (value.length > maxCharacters) throw expected(name, `at most ${maxCharacters} characters long`, value)
  if (!isWellFormed(value)) throw expected(name, 'well-formed Unicode', value)
  return value
}

/** Whether no half of a surrogate pair stands alone. */
export function isWellFormed(value: string): boolean {
  return !/\p{Surrogate}/u.test(value)
}

const SMALLEST_STEPS = 1
const MOST_STEPS = 1000

export function stepCount(name: string, value: unknown): number {
  return integer(name, value, { min: SMALLEST_STEPS, max: MOST_STEPS })
}

/** From at most 1 down to exactly 0. They are compared as the float32 numbers that they are used as. */
export function timesteps(name: string, value: unknown): readonly number[] {
  const times = list(name, value, 'a list of timesteps', { min: SMALLEST_STEPS + 1, max: MOST_STEPS + 1 })
  times.forEach((time, i) => {
    checkTimestep(`${name}[${i}]`, time, i === 0 ? undefined : (times[i - 1] as number))
  })
  const last = times.length - 1
  if (times[last] !== 0) throw expected(`${name}[${last}], the last,`, '0', times[last])
  return times.map((time) => (time === 0 ? 0 : (time as number))) // no -0
}

function checkTimestep(name: string, time: unknown, previous: number | undefined): void {
  if (typeof time !== 'number' || !(time >= 0 && time <= 1))
    throw expected(name, 'a number from 1 down to 0', time)
  if (previous !== undefined && !(Math.fround(time) < Math.fround(previous))) {
    throw expected(name, `less than the timestep before it (${previous})`, time)
  }
}

/** Of any realm, and of the polyfills that servers pass on: what is used of it is what is asked for. */
export function abortSignal(name: string, value: unknown): AbortSignal {
  const signal = value as Partial<AbortSignal> | null
  const isSignal =
    typeof signal === 'object' &&
    signal !== null &&
    typeof signal.aborted === 'boolean' &&
    typeof signal.addEventListener === 'function' &&
    typeof signal.throwIfAborted === 'function'
  if (!isSignal) throw expected(name, 'an AbortSignal', value)
  return signal as AbortSignal
}

export function boolean(name: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value
  throw expected(name, 'true or false', value)
}

export function oneOf<Name extends string>(name: string, value: unknown, known: readonly Name[]): Name {
  if (known.includes(value as Name)) return value as Name
  throw expected(name, `one of ${known.slice(0, -1).join(', ')} or ${known.at(-1)}`, value)
}

export function callback<F>(name: string, value: F): F {
  if (typeof value !== 'function') throw expected(name, 'a function', value)
  return value
}
