/** Writing where a caller says. */

import { constants, lstatSync, statSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { WuerstchenError } from '../errors'
import { makeFolder } from './folder'
import { obstacleTo } from './links'
import { shownPath } from './shown-path'
import { targetOf } from './target'
import { writeFileAtomically } from './write'

/** Writes the whole file or none. Links are followed; a device or FIFO is written into. */
export async function saveFile(path: string, data: Uint8Array): Promise<void> {
  try {
    const target = await targetOf(path)
    if (target.isStream) await writeFile(target.path, data, { flag: constants.O_WRONLY })
    else await writeFileAtomically(target.path, data)
  } catch (cause) {
    throw notWritten(path, dirname(path), cause as Error)
  }
}

/** Makes the folder that a file is to be saved in: what is wrong with it shows before the file is there. */
export async function prepareFile(path: string): Promise<void> {
  await makeFolder(dirname(path)).catch((cause: Error) => {
    throw notWritten(path, dirname(path), cause)
  })
  if (isFolder(path)) throw refusal(path, 'it is a folder.')
  await refuseLostLink(path)
}

/** A link's folder is another's: it is not made. */
async function refuseLostLink(path: string): Promise<void> {
  try {
    const target = await targetOf(path)
    if (!isFolder(dirname(target.path))) throw new Error(`${dirname(target.path)} is no folder`)
  } catch (cause) {
    throw notWritten(path, dirname(path), cause as Error)
  }
}

/** The same of a folder for files that have no names yet. */
export async function prepareFolder(path: string): Promise<void> {
  await makeFolder(path).catch((cause: Error) => {
    throw notWritten(path, path, cause)
  })
}

function notWritten(path: string, folder: string, cause: Error): WuerstchenError {
  const obstacle = obstacleTo(folder) ?? (isLink(path) && !isFolder(path) ? obstacleTo(path) : null)
  const reason =
    obstacle === null ? shownPath(cause.message) : `${obstacle}. Put a folder there, or name another path.`
  return refusal(path, reason, cause)
}

function refusal(path: string, reason: string, cause?: Error): WuerstchenError {
  return new WuerstchenError('FILE_NOT_WRITTEN', `Expected to write ${shownPath(path)} but ${reason}`, {
    cause,
    details: { file: path },
  })
}

function isLink(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ?? false
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory()
  } catch {
    return false
  }
}
