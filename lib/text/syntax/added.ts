/**
 * The list with one more item; null is the empty one. Most lists of a prompt stay at one item, and one that begins empty takes
 * room for 17 with its first.
 */
export function added<T>(list: T[] | null, item: T): T[] {
  if (list === null) return [item]
  list.push(item)
  return list
}
