/** Writing where a caller says. */

import { statSync } from 'node:fs'
import { dirname } from 'node:path'
import { WuerstchenError } from '../errors'
import { makeFolder } from './folder'
import { obstacleTo } from './links'
import { shownPath } from './shown-path'
import { writeFileAtomically } from './write'

/** Writes the whole file or none. */
export async function saveFile(path: string, data: Uint8Array): Promise<void> {
  await writeFileAtomically(path, data).catch((cause: Error) => {
    throw notWritten(path, dirname(path), cause)
  })
}

/** Makes the folder that a file is to be saved in: what is wrong with it shows before the file is there. */
export async function prepareFile(path: string): Promise<void> {
  await makeFolder(dirname(path)).catch((cause: Error) => {
    throw notWritten(path, dirname(path), cause)
  })
  if (isFolder(path)) throw refusal(path, 'it is a folder.')
}

/** The same of a folder for files that have no names yet. */
export async function prepareFolder(path: string): Promise<void> {
  await makeFolder(path).catch((cause: Error) => {
    throw notWritten(path, path, cause)
  })
}

function notWritten(path: string, folder: string, cause: Error): WuerstchenError {
  const obstacle = obstacleTo(folder)
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

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory()
  } catch {
    return false
  }
}
