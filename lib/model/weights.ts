/** Where each parameter of a graph lies in a checkpoint's files; checked before anything native sees it. */

import { isDeepStrictEqual } from 'node:util'
import { warn } from '../checks/warn'
import { ModelError } from '../errors'
import type { StoredDtype, WeightBinding } from '../native/types'
import { isStoredFloat } from '../tensors/stored'
import type { GraphEntry, GraphParameter } from './manifest'
import type { SafetensorsHeader, SafetensorsTensor } from './safetensors'

/** A tensor, the file that holds it and its name there. */
interface Stored extends SafetensorsTensor {
  readonly file: string
  readonly storedName: string
}

/** Names, or for `misshapen` what is wrong with each. */
interface Problems {
  readonly missing: readonly string[]
  readonly extra: readonly string[]
  readonly misshapen: readonly string[]
}

/**
 * One binding per parameter of the graph, in its order. What is missing or misshapen is an error that tells all at once;
 * what is left over is a warning, as in diffusers: training leaves counters and scales behind that no network reads.
 */
export function bindWeights(
  entry: GraphEntry,
  headers: readonly SafetensorsHeader[],
): readonly WeightBinding[] {
  const stored = collect(headers)
  const problems = problemsOf(entry, stored)
  if (problems.missing.length > 0 || problems.misshapen.length > 0) throw mismatch(entry, headers, problems)
  if (problems.extra.length > 0) {
    const files = headers.map(({ file }) => file).join(', ')
    warn(
      `The weights of the ${entry.class} have more than it reads, ${listed('left over', problems.extra)}. Read from ${files}.`,
    )
  }
  return entry.parameters.map(({ name, shape }) => {
    const { file, dtype, offset, bytes } = stored.get(plain(name)) as Stored
    return { name, file, dtype: dtype as StoredDtype, shape, offset, bytes }
  })
}

/** Between the weights of two checkpoints of one network: at 0 the first's, at 1 the second's. */
export function mixWeights(
  a: readonly WeightBinding[],
  b: readonly WeightBinding[],
  weight: number,
): readonly WeightBinding[] {
  return a.map((binding, index) => {
    const { name: _, ...other } = b[index] as WeightBinding
    // Counters of training, such as a batch norm's, are not numbers to be mixed.
    return INTEGER.includes(binding.dtype) ? binding : { ...binding, mix: { other, weight } }
  })
}

/** transformers 5 drops this prefix of a text encoder's names, older files have it. No other network's names do. */
const OPTIONAL_PREFIX = 'text_model.'

function plain(name: string): string {
  return name.startsWith(OPTIONAL_PREFIX) ? name.slice(OPTIONAL_PREFIX.length) : name
}

function collect(headers: readonly SafetensorsHeader[]): ReadonlyMap<string, Stored> {
  const stored = new Map<string, Stored>()
  for (const { file, tensors } of headers) {
    for (const [name, tensor] of tensors) {
      const twin = stored.get(plain(name))
      if (twin) throw twice(name, file, twin)
      stored.set(plain(name), { ...tensor, file, storedName: name })
    }
  }
  return stored
}

function twice(name: string, file: string, twin: Stored): ModelError {
  return new ModelError(
    'WEIGHTS_INVALID',
    `${file}: Expected each tensor once but ${name} is also ${twin.storedName} in ${twin.file}`,
    { details: { file, tensor: name } },
  )
}

function problemsOf({ parameters, ignored }: GraphEntry, stored: ReadonlyMap<string, Stored>): Problems {
  const known = new Set([...parameters.map(({ name }) => name), ...ignored].map(plain))
  return {
    missing: parameters.map(({ name }) => name).filter((name) => !stored.has(plain(name))),
    extra: Array.from(stored.values(), ({ storedName }) => storedName).filter(
      (name) => !known.has(plain(name)),
    ),
    misshapen: parameters.flatMap((parameter) => {
      const tensor = stored.get(plain(parameter.name))
      return tensor && !fits(parameter, tensor) ? [comparison(parameter, tensor)] : []
    }),
  }
}

const INTEGER: readonly string[] = ['I64', 'I32'] satisfies StoredDtype[]

/** Integers are counters, such as a batch norm's num_batches_tracked: scalars. All else is floating. */
function fits({ shape }: GraphParameter, tensor: Stored): boolean {
  const isCounter = shape.length === 0 && INTEGER.includes(tensor.dtype)
  return isDeepStrictEqual(tensor.shape, shape) && (isCounter || isStoredFloat(tensor.dtype))
}

function comparison({ name, shape }: GraphParameter, tensor: Stored): string {
  return `${name} (${tensor.dtype} [${tensor.shape.join(', ')}] where the network has [${shape.join(', ')}])`
}

function mismatch(entry: GraphEntry, headers: readonly SafetensorsHeader[], problems: Problems): ModelError {
  const files = headers.map(({ file }) => file)
  const lists = [
    listed('missing', problems.missing),
    listed('left over', problems.extra),
    listed('of another shape or dtype', problems.misshapen),
  ].filter((list) => list !== null)
  const where = files.join(', ') || 'no file'
  return new ModelError(
    'WEIGHTS_MISMATCH',
    `The weights do not belong to the ${entry.class} that the config describes: ${lists.join('; ')}. Read from ${where}.`,
    { details: { files, ...problems } },
  )
}

const MOST_LISTED = 10

function listed(what: string, names: readonly string[]): string | null {
  if (names.length === 0) return null
  const more = names.length > MOST_LISTED ? ` and ${names.length - MOST_LISTED} more` : ''
  return `${names.length} ${what}: ${names.slice(0, MOST_LISTED).join(', ')}${more}`
}
