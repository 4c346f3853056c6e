import { readdirSync } from 'node:fs'

/** Names in a folder, in order; none where it is not there. That it cannot be read is the system's error. */
export function entriesIfAny(folder: string): readonly string[] {
  try {
    return readdirSync(folder).sort()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

/** Names in a folder, in order; none where it cannot be read. */
export function entriesOf(folder: string): readonly string[] {
  try {
    return readdirSync(folder).sort()
  } catch {
    return []
  }
}
