/** Standard output of every command: it may be a full disk, or a pipe whose reader is gone. */

import { WuerstchenError } from '../errors'
import { shownPath } from '../files/shown-path'
import { ExitCode, fail } from './exit'

/** A picture did not get through; `watchOutput()` tells why. */
export class OutputFailed extends Error {}

/** Ends the command with one line and a code when its output cannot be written. `| head` is no fault: it is not mentioned. */
export function watchOutput(): void {
  let failed = false
  process.stdout.on('error', (cause: NodeJS.ErrnoException) => {
    if (failed || cause.code === 'EPIPE') return
    failed = true
    const message = `Expected to write standard output but ${cause.message}`
    fail(new WuerstchenError('FILE_NOT_WRITTEN', message, { cause }))
  })
  // A command that did its work sets its own code after that.
  process.on('exit', (code) => {
    if (failed && code === ExitCode.ok) process.exitCode = ExitCode.failure
  })
}

/** A line of words, in which names of files may be: none of them breaks it or moves the cursor. */
export function say(line: string): void {
  console.log(shownPath(line))
}

/** Bytes, and nothing else, for standard output. */
export function writeOutput(bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(bytes, (error) => (error ? reject(new OutputFailed()) : resolve()))
  })
}
