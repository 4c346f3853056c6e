/** A tree without its positions. */
export function bare(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (key, one) => (key === 'start' || key === 'end' ? undefined : one)))
}
