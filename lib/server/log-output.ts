import { pino } from 'pino'
import { warn } from '../checks/warn'

/** Lines that wait for a full disk or a slow reader; those after them are lost. */
const MOST_BYTES = 1_048_576

/**
 * Standard output for lines of a log. Servers outlive it: while it cannot be written they go on, with one warning on
 * standard error, and what waits is written with the first line that gets through.
 */
export function openLogOutput(): ReturnType<typeof pino.destination> {
  const output = pino.destination({ dest: process.stdout.fd ?? 1, sync: false, maxLength: MOST_BYTES })
  let failed = false
  output.on('error', (error: NodeJS.ErrnoException) => {
    if (!failed)
      warn(`Expected to write the log to standard output but ${error.message}. ${outcomeOf(error)}`)
    failed = true
  })
  output.on('write', () => {
    failed = false
  })
  // At the end of a process it would try for ever.
  const flushSync = output.flushSync.bind(output)
  output.flushSync = () => {
    if (!failed) flushSync()
  }
  return output
}

/** pino gives up a pipe whose reader is gone, and tries anything else again. */
function outcomeOf({ code }: NodeJS.ErrnoException): string {
  return code === 'EPIPE'
    ? 'Its reader is gone: this process goes on without a log.'
    : 'This process goes on, and tries again with every line.'
}
