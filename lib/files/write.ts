/** The one way to write a file: under a name of its own, and renamed once it is whole. */

import { randomUUID } from 'node:crypto'
import { rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { types } from 'node:util'
import { makeFolder } from './folder'

/**
 * Lets `make` write a draft, then gives it its name: readers never see a half, and a failure leaves what was there. The
 * draft's name is random: a process id is another process's, too, where containers share a volume.
 */
export async function placeAtomically(path: string, make: (draft: string) => Promise<void>): Promise<void> {
  const draft = join(dirname(path), `.wuerstchen-${randomUUID()}.tmp`)
  try {
    await make(draft)
    await rename(draft, path)
  } catch (error) {
    await rm(draft, { force: true }).catch(() => undefined) // told is what went wrong first
    throw withoutDraft(error, draft, path)
  }
}

/** The error in terms of the file that was asked for: the draft's name tells nobody anything. */
function withoutDraft(error: unknown, draft: string, path: string): unknown {
  if (!types.isNativeError(error) || !error.message.includes(draft)) return error
  const [message, stack] = [error.message, error.stack].map((text) => text?.replaceAll(draft, () => path))
  return Object.assign(error, { message, stack }, 'path' in error && { path })
}

/** Writes a whole file or none. */
export async function writeFileAtomically(path: string, data: Uint8Array | string): Promise<void> {
  await placeAtomically(path, (draft) => writeFile(draft, data, { flag: 'wx' }))
}

/** The same where the folder may have to be made first. */
export async function writeIntoFolder(path: string, data: Uint8Array | string): Promise<void> {
  await makeFolder(dirname(path))
  await writeFileAtomically(path, data)
}
