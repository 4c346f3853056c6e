/** Writing where a caller says. */

import { WuerstchenError } from '../errors'
import { writeFileAtomically } from './write'

/** Writes the whole file or none. */
export async function saveFile(path: string, data: Uint8Array): Promise<void> {
  await writeFileAtomically(path, data).catch((cause: Error) => {
    throw new WuerstchenError('FILE_NOT_WRITTEN', `Expected to write ${path} but ${cause.message}`, {
      cause,
      details: { file: path },
    })
  })
}
