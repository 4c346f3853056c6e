import type { ErrorObject } from 'ajv'

/** What ajv found, in the words that this package uses: name, expected, received. */
export function mistakeOf(
  error: ErrorObject,
  root: string,
): { readonly name: string; readonly message: string } {
  const path = pathOf(error.instancePath)
  const name = path === '' ? root : path
  if (error.keyword === 'additionalProperties') {
    const { additionalProperty } = error.params as { additionalProperty: string }
    const known = Object.keys((error.parentSchema as { properties?: object } | undefined)?.properties ?? {})
    const near = nearest(additionalProperty, known)
    const hint = near === null ? '' : ` Did you mean '${near}'?`
    return {
      name: join(path, additionalProperty),
      message: `Unknown option ${shown(join(path, additionalProperty))}.${hint}`,
    }
  }
  if (error.keyword === 'required') {
    const { missingProperty } = error.params as { missingProperty: string }
    return {
      name: join(path, missingProperty),
      message: `Expected ${join(path, missingProperty)} but it is missing`,
    }
  }
  return { name, message: `Expected ${name} to be ${wanted(error)} but received ${shown(error.data)}` }
}

function wanted({ keyword, params, parentSchema }: ErrorObject): string {
  const schema = (parentSchema ?? {}) as Record<string, number | string | undefined>
  switch (keyword) {
    case 'type':
      return typeNames([params.type].flat())
    case 'enum':
      return `one of ${(params.allowedValues as unknown[]).filter((value) => value !== null).join(', ')}`
    case 'minimum':
    case 'maximum':
      return `from ${schema.minimum} to ${schema.maximum}`
    case 'minLength':
      return schema.minLength === 1 ? 'a non-empty string' : `at least ${schema.minLength} characters long`
    case 'maxLength':
      return `at most ${schema.maxLength} characters long`
    case 'minItems':
    case 'maxItems':
      return `a list of ${schema.minItems ?? 0} to ${schema.maxItems} entries`
    case 'pattern':
      return String(schema['x-expected'] ?? `text like ${params.pattern}`)
    default:
      return `valid (${keyword})`
  }
}

const TYPES: Readonly<Record<string, string>> = {
  integer: 'an integer',
  number: 'a number',
  string: 'a string',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
}

function typeNames(types: readonly string[]): string {
  return types.flatMap((type) => TYPES[type] ?? []).join(' or ')
}

/** `/keys/0/name` -> `keys[0].name` */
function pathOf(pointer: string): string {
  return pointer
    .split('/')
    .slice(1)
    .reduce((path, part) => (/^\d+$/.test(part) ? `${path}[${part}]` : join(path, part)), '')
}

function join(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`
}

const LONGEST_SHOWN = 60

function shown(value: unknown): string {
  if (Array.isArray(value)) return `a list of ${value.length}`
  if (typeof value === 'object' && value !== null) return 'an object'
  if (typeof value !== 'string') return String(value)
  const start = Array.from(value.slice(0, 2 * LONGEST_SHOWN))
    .slice(0, LONGEST_SHOWN)
    .join('')
  const quoted = JSON.stringify(start).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")
  return start.length < value.length ? `'${quoted}…' (${value.length} characters)` : `'${quoted}'`
}

/** The known name that a few letters turn this one into. */
export function nearest(name: string, known: readonly string[]): string | null {
  if (name.length > 40) return null
  const ranked = known.map((one) => [distance(name.toLowerCase(), one.toLowerCase()), one] as const)
  const [best] = ranked.sort(([a], [b]) => a - b)
  return best !== undefined && best[0] <= Math.ceil(name.length / 3) ? best[1] : null
}

function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
