import type { FastifyInstance } from 'fastify'
import { WuerstchenError } from '../index'
import { flagOf } from './config/read'

export interface Address {
  readonly host: string
  readonly port: number
  /** The setting that the port is of. */
  readonly setting: 'port' | 'workerPort'
}

/** Begins to listen; resolves with the address, such as http://127.0.0.1:8080. */
export async function listenOn(app: FastifyInstance, address: Address): Promise<string> {
  const { host, port } = address
  try {
    return await app.listen({ host, port })
  } catch (error) {
    throw listenError(address, error as NodeJS.ErrnoException)
  }
}

/** What the system says in four letters, with what mends it. */
export function listenError({ host, port, setting }: Address, cause: NodeJS.ErrnoException): Error {
  const message = `Expected ${messageOf(host, port, `${setting} (${flagOf(setting)})`, cause)}`
  return new WuerstchenError('LISTEN_FAILED', message, { cause, details: { host, port, setting } })
}

const ANOTHER_HOST = 'Set host (--host) to one of its addresses, or to 0.0.0.0 for all of them.'

function messageOf(host: string, port: number, setting: string, { code, message }: NodeJS.ErrnoException) {
  switch (code) {
    case 'EADDRINUSE':
      return `port ${port} of ${host} to be free but another program has it. Stop that one, or choose another ${setting}.`
    case 'EACCES':
      return `to listen on port ${port} of ${host} but this user may not. Choose a ${setting} from 1024 on, or give the process the right: CAP_NET_BIND_SERVICE.`
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `host to be this machine but the name '${host}' is unknown. ${ANOTHER_HOST}`
    case 'EADDRNOTAVAIL':
      return `host to be this machine but it does not have the address ${host}. ${ANOTHER_HOST}`
    default:
      return `to listen on port ${port} of ${host} but received ${code}: ${message}`
  }
}
