/** What a worker, or a server's backend, says of itself: pino, or what looks like it. */
export interface WorkerLog {
  info(facts: object, message: string): void
  warn(facts: object, message: string): void
}

export const SILENT: WorkerLog = { info: () => undefined, warn: () => undefined }

/** Lines of a log on a broker that goes and comes back. */
export function sayOf(log: WorkerLog): (error: Error | null) => void {
  return (error) =>
    error === null
      ? log.info({}, 'the broker is back')
      : log.warn({ err: error }, 'the broker cannot be reached')
}
