/** Drafts of processes that were killed while they wrote: nobody ever gives them their names. */

import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'

/** Drafts of `placeAtomically()`, and those that versions before it left. */
const DRAFT = /^\.wuerstchen-[0-9a-f-]{36}\.tmp$|\.\d+\.partial$/

interface SweepOptions {
  /** What else is rubbish, by the file's name. */
  readonly also?: RegExp | undefined
  /** How long a file must have been left alone. Whoever holds the only right to write there waits for nobody. */
  readonly olderThanMs: number
}

/** Removes drafts from a folder and all below it; best effort. Links are not followed. */
export async function sweepDrafts(folder: string, { also, olderThanMs }: SweepOptions): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => [])
  await Promise.all(
    entries.map(async (entry) => {
      const path = join(folder, entry.name)
      if (entry.isDirectory()) return sweepDrafts(path, { also, olderThanMs })
      if (DRAFT.test(entry.name) || also?.test(entry.name)) await removeOld(path, olderThanMs)
    }),
  )
}

async function removeOld(path: string, olderThanMs: number): Promise<void> {
  try {
    if (olderThanMs > 0 && Date.now() - (await stat(path)).mtimeMs < olderThanMs) return
    await rm(path, { force: true })
  } catch {
    // Gone meanwhile, or not ours to remove.
  }
}
