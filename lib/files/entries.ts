import { readdirSync } from 'node:fs'

/** Names in a folder, in order; none where it cannot be read. */
export function entriesOf(folder: string): readonly string[] {
  try {
    return readdirSync(folder).sort()
  } catch {
    return []
  }
}
