/** Opens files and nothing else: a FIFO would be waited for until somebody writes to it, a device may never end. */

import { closeSync, constants, fstatSync, openSync, readFileSync, type Stats, statSync } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import { shownPath } from './shown-path'

/** Should a FIFO take the file's place after it was looked at, it is not waited for either. */
const FLAGS = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)

export async function openRegular(path: string): Promise<FileHandle> {
  // A device is not even opened: that alone may do something.
  check(await stat(path))
  const handle = await open(path, FLAGS)
  try {
    check(await handle.stat())
    return handle
  } catch (error) {
    await handle.close()
    throw error
  }
}

export async function readRegular(path: string): Promise<Buffer> {
  const handle = await openRegular(path)
  try {
    return await handle.readFile()
  } finally {
    await handle.close()
  }
}

/** For small files. */
export function readRegularSync(path: string): string {
  check(statSync(path))
  const file = openSync(path, FLAGS)
  try {
    check(fstatSync(file))
    return readFileSync(file, 'utf8')
  } finally {
    closeSync(file)
  }
}

/** Why a file cannot be read, on one line. */
export function whyNotRead(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  return WHY[code ?? ''] ?? shownPath(message)
}

const WHY: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'a part of its path is a file',
  EISDIR: 'it is a folder',
  EACCES: 'this user may not read it',
}

function check(stats: Stats): void {
  if (!stats.isFile()) throw new Error(`it is ${kindOf(stats)} and no file`)
}

function kindOf(stats: Stats): string {
  if (stats.isDirectory()) return 'a folder'
  if (stats.isFIFO()) return 'a FIFO'
  return stats.isSocket() ? 'a socket' : 'a device'
}
