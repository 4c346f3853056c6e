import { BrokerError } from '../index'

/** What a worker, or a server's backend, says of itself: pino, or what looks like it. */
export interface WorkerLog {
  info(facts: object, message: string): void
  warn(facts: object, message: string): void
  error(facts: object, message: string): void
}

export const SILENT: WorkerLog = { info: () => undefined, warn: () => undefined, error: () => undefined }

/** Lines of a log on a broker that goes and comes back. */
export function sayOf(log: WorkerLog): (error: Error | null) => void {
  return (error) =>
    error === null
      ? log.info({}, 'the broker is back')
      : log.warn({ err: error }, 'the broker cannot be reached')
}

/** And on one that is there, but does not do what it is asked. */
export function sayRefusal(log: WorkerLog): (error: Error) => void {
  return (error) => log.error({ err: error }, 'the broker refuses')
}

/** And on one that takes everyone. */
export function sayOpen(log: WorkerLog): () => void {
  return () =>
    log.warn({}, 'the broker asks for no password, though its address has one: whoever reaches it may use it')
}

/** Whether the log has heard of it as the broker's own words. */
export function isTold(error: unknown): boolean {
  return error instanceof BrokerError && error.details?.broker !== undefined
}
