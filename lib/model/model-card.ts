/** The one key that a hub repository keeps in its README.md alone. */

/**
 * `prior:` of the YAML header of a model card: the id of the repository with the prior, or null. Only a plain or quoted
 * scalar is understood, which is all that the hub's cards have there.
 */
export function priorOfCard(card: string): string | null {
  const header = /^\uFEFF?---[^\S\n]*\r?\n(.*?)\r?\n---[^\S\n]*(?:\r?\n|$)/s.exec(card)?.[1]
  const line = header?.split(/\r?\n/).find((one) => one.startsWith('prior:'))
  const value = line?.slice('prior:'.length).trim() ?? ''
  return unquote(value) || null
}

function unquote(value: string): string {
  const quoted = /^(["'])(.*?)\1/.exec(value)
  return quoted ? (quoted[2] as string) : value.replace(/(^|\s+)#.*$/, '').trim()
}
