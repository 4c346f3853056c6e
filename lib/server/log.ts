import { type FastifyBaseLogger, fastify } from 'fastify'
import type { ServerConfig } from './config/schema'

/** What pino's loggers look like. */
export type Logger = FastifyBaseLogger

/** One JSON object a line on standard output, of servers and workers alike; levels are words. */
export function loggingOf(level: ServerConfig['logLevel']) {
  if (level === 'silent') return false
  return {
    level,
    base: { service: 'wuerstchen' },
    formatters: { level: (word: string) => ({ level: word }) },
  }
}

/** The server's log for whoever has no server. */
export function openLog(level: ServerConfig['logLevel']): Logger {
  return fastify({ logger: loggingOf(level) }).log
}
