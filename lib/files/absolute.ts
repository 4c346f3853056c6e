import { resolve } from 'node:path'
import { InvalidArgumentError } from '../errors'

/** @throws InvalidArgumentError where this process's working folder was deleted: relative paths mean nothing then. */
export function refuseNoWorkingFolder(what = 'the process'): void {
  try {
    process.cwd()
  } catch (cause) {
    throw new InvalidArgumentError(
      `Expected ${what} to have a working folder that exists but it was deleted. Start the process in another folder.`,
      { cause, details: { name: 'cwd' } },
    )
  }
}

/** A caller's path from the root on. */
export function absolute(path: string): string {
  try {
    return resolve(path)
  } catch (error) {
    refuseNoWorkingFolder(`the relative path '${path}'`)
    throw error
  }
}
