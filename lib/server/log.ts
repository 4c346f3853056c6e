import { type FastifyBaseLogger, fastify } from 'fastify'
import type { DestinationStream } from 'pino'
import type { ServerConfig } from './config/schema'
import { openLogOutput } from './log-output'

/** What pino's loggers look like. */
export type Logger = FastifyBaseLogger

/** One JSON object a line on standard output, of servers and workers alike; levels are words. */
export function loggingOf(level: ServerConfig['logLevel']) {
  if (level === 'silent') return false
  return {
    level,
    base: { service: 'wuerstchen' },
    formatters: { level: (word: string) => ({ level: word }) },
    ...outputOf(),
  }
}

/** The server's log for whoever has no server. */
export function openLog(level: ServerConfig['logLevel']): Logger {
  return fastify({ logger: loggingOf(level) }).log
}

/** A program that took over the standard output gets the lines by its own `write()`, as pino does it. */
function outputOf(): { readonly stream?: DestinationStream } {
  const { stdout } = process
  return stdout.write === stdout.constructor.prototype.write ? { stream: openLogOutput() } : {}
}
