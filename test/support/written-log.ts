import type { Logger } from '../../lib/server/log'
import type { Json } from './http-server'

/** A log as a program has its own, and what was written to it. */
export function writtenLog(): { readonly logger: Logger; lines(): Json[]; errors(): Json[] } {
  const { pino } = require('pino') as typeof import('pino') // fastify's
  const written: string[] = []
  const logger = pino({}, { write: (line: string) => void written.push(line) })
  const isError = ({ level }: Json) => level >= 50
  const lines = () => written.map((line) => JSON.parse(line))
  return { logger, lines, errors: () => lines().filter(isError) }
}
