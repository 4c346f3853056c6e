/** Where bytes for a path go: links are followed, and what is no file is written into. */

import type { Stats } from 'node:fs'
import { lstat, readlink, realpath, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { codeOf } from './holder'

export interface Target {
  readonly path: string
  /** Whether it is a device or a FIFO: nothing takes its place. */
  readonly isStream: boolean
}

/** More links than a system follows. */
const MOST_LINKS = 40

/** @throws the system's error for links that lead back to themselves. */
export async function targetOf(path: string): Promise<Target> {
  const there = await statsOf(path)
  if (there === null) return { path: await endOf(path), isStream: false }
  const isStream = !there.isFile() && !there.isDirectory()
  return { path: isStream ? path : await realpath(path), isStream }
}

/** What links lead to that is not there yet. */
async function endOf(path: string): Promise<string> {
  let place = path
  for (let links = 0; links < MOST_LINKS; links++) {
    const isLink = await lstat(place).then(
      (stats) => stats.isSymbolicLink(),
      () => false,
    )
    if (!isLink) break
    // Of a link's text `..` is the folder above the real one.
    const folder = await realpath(dirname(place))
    place = resolve(folder, await readlink(join(folder, basename(place))))
  }
  return place
}

async function statsOf(path: string): Promise<Stats | null> {
  try {
    return await stat(path)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null
    throw error
  }
}
