/** Looks at what may be there. Nothing throws: what may not be looked at is as if it were not there. */

import { realpathSync, type Stats, statSync } from 'node:fs'

/** Null for what is not there, or may not be seen: of `node --permission`, of a folder without rights. */
export function statsIfAny(path: string): Stats | null {
  try {
    // An error is slow to make.
    return statSync(path, { throwIfNoEntry: false }) ?? null
  } catch {
    return null
  }
}

/** Without links; a path that cannot be followed stays as it is. */
export function realPath(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return path
  }
}

/** `existsSync()` of Node 20 throws under `node --permission`. */
export function isThere(path: string): boolean {
  return statsIfAny(path) !== null
}
