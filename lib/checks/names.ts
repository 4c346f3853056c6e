/** Options that do not exist, and what the caller may have meant. */

import { expected, InvalidArgumentError } from '../errors'

/** Refuses what is no object of options. */
export function checkObject(name: string, options: unknown): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    throw expected(name, 'an object', options)
}

/** The same, and refuses the first name that is not known. */
export function checkNames(options: object, known: readonly string[]): void {
  checkObject('options', options)
  const unknown = Object.keys(options).find((name) => !known.includes(name))
  if (unknown === undefined) return
  const meant = nearest(unknown, known)
  const hint = meant === undefined ? `The options are ${known.join(', ')}.` : `Did you mean '${meant}'?`
  throw new InvalidArgumentError(`Unknown option '${unknown}'. ${hint}`, { details: { name: unknown } })
}

/** The known name that is the same but for case and underscores, or at most two letters in five away. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const plain = plainName(name)
  const ranked = known
    .map((candidate) => ({ candidate, distance: editDistance(plain, plainName(candidate)) }))
    .sort((a, b) => a.distance - b.distance)
  const [best] = ranked
  return best && best.distance <= Math.max(1, plain.length * 0.4) ? best.candidate : undefined
}

function plainName(name: string): string {
  return name.slice(0, 40).toLowerCase().replace(/[_-]/g, '')
}

/** Levenshtein's, one row at a time. */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, i) => i)
  for (let i = 1; i <= from.length; i++) {
    const next = [i]
    for (let j = 1; j <= to.length; j++) {
      const replaced = (row[j - 1] as number) + (from[i - 1] === to[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, (row[j] as number) + 1, (next[j - 1] as number) + 1))
    }
    row = next
  }
  return row[to.length] as number
}
