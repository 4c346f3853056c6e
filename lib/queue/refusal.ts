/** Why a broker takes no connection, or does not do what it is asked: its address, its words, and what helps. */
import { connect } from 'node:net'
import { BrokerError } from '../index'

/** A broker that refuses says so at once. */
const ASK_MS = 1000

/** Of its line, which may go on for a page. */
const LONGEST_LINE = 200

const REDIS_PORT = 6379

/** What helps, by what it says. */
const REMEDIES: readonly (readonly [words: RegExp, remedy: string])[] = [
  [
    /^DENIED/,
    'Give it a password (requirepass) that the address of the queue has, or set its protected-mode to no in a network of its own.',
  ],
  [/^ERR max number of clients/, 'Raise its maxclients.'],
  [/^(NOAUTH|WRONGPASS)/, 'Its password stands in the address of the queue: redis://:PASSWORD@HOST:PORT.'],
  [
    /DB index|invalid DB|SELECT is not allowed/i,
    'End the address of the queue with the number of a database that it has, or raise its databases.',
  ],
  [
    /NOPERM|ACL failure|no permissions/i,
    'Its user may need all commands, keys and channels: ACL SETUSER NAME +@all ~* &*.',
  ],
  [/unknown command/i, 'It has to be Redis 6.2 or newer, or Valkey, without renamed commands.'],
  [/READONLY|read only replica/i, 'It is a replica: the address of the queue has to be that of the primary.'],
  [/OOM/, 'Raise its maxmemory, or give it a machine with more.'],
  [/MISCONF|NOREPLICAS/, 'Its own log says what its disk, or its replicas, lack.'],
  [/MOVED|CROSSSLOT|CLUSTERDOWN/, 'The queue is on one node: its address has to be the node of its keys.'],
]

/** The same of what no broker says, but a system, or this client. */
const FAULTS: readonly (readonly [fault: RegExp, reason: string])[] = [
  [/ECONNREFUSED/, 'nothing listens there (ECONNREFUSED). Start it, or correct the address of the queue.'],
  [
    /ENOTFOUND|EAI_/,
    'nobody knows its name (ENOTFOUND). Correct the address of the queue, or the name service of this machine.',
  ],
  [/ENOENT/, 'there is no such socket (ENOENT). Start it, or correct the address of the queue.'],
  [/EACCES|EPERM/, 'this user may not open it (EACCES). Change the permissions of its socket.'],
  [
    /EHOSTUNREACH|EHOSTDOWN|ENETUNREACH/,
    'no way leads there. Correct the address of the queue, or the network.',
  ],
  [
    /ParserError|Protocol error/,
    'what answers there is no Redis. Correct the host and the port in the address of the queue.',
  ],
  [
    /EPROTO|SSL|TLS|CERT|certificate/i,
    'TLS fails. Write redis:// for a port without TLS; NODE_EXTRA_CA_CERTS names a certificate that Node does not know.',
  ],
  [
    /timed? ?out|timeout/i,
    'it does not answer. It may be stopped or overloaded, behind a firewall, or no Redis: correct the address of the queue.',
  ],
]

const SILENT =
  'it closes them. Its log may say why. It may want TLS (rediss://), be in protected mode or at its maxclients.'

/** What was wanted of the broker. */
export type Wanted = 'take connections' | 'do what it is asked'

/** The other side has closed the connection, as the system tells it, or in silence. */
export function isClosed(error: Error): boolean {
  return ['EPIPE', 'ECONNRESET'].includes((error as NodeJS.ErrnoException).code ?? '')
}

/** In silence. */
export function closedInSilence(): Error {
  return Object.assign(new Error('the connection was closed'), { code: 'ECONNRESET' })
}

/** The broker has answered, and it was no. */
export function isRefusal(error: unknown): error is Error {
  return error instanceof Error && error.name === 'ReplyError'
}

/** An error of a connection or an answer, as its user understands it. */
export function explained(
  error: Error,
  url: string,
  { line = null, wanted = 'take connections' }: { line?: string | null; wanted?: Wanted } = {},
): BrokerError {
  if (error instanceof BrokerError) return error
  const broker = addressOf(url)
  const said = line ?? (isRefusal(error) ? error.message : null)
  const reason = said === null ? reasonOf(error) : saysOf(said)
  return new BrokerError(`Expected the queue's broker at ${broker} to ${wanted} but ${reason}`, {
    // What it said is said. Its error holds the whole command, and that of a parser all bytes.
    cause: said !== null || error.name === 'ParserError' ? undefined : error,
    details: { broker, retryAfterMs: 2000 },
  })
}

/** Host and port, or the path of a socket; without the password. */
function addressOf(url: string): string {
  if (!URL.canParse(url)) return 'the address of the setting'
  const { protocol, hostname, port, pathname } = new URL(url)
  return protocol === 'unix:' ? pathname : `${hostname}:${port || REDIS_PORT}`
}

function reasonOf(error: Error): string {
  if (isClosed(error)) return SILENT
  const { code = '' } = error as NodeJS.ErrnoException
  const text = `${code} ${error.name}: ${error.message}`
  const reason = FAULTS.find(([fault]) => fault.test(text))?.[1]
  return reason ?? `it failed: ${(error.message || code).slice(0, LONGEST_LINE)}`
}

function saysOf(line: string): string {
  const [sentence = ''] = line.split(/(?<=\.) |, with args beginning with/, 1)
  const remedy = REMEDIES.find(([words]) => words.test(line))?.[1]
  const says = `it says '${sentence.slice(0, LONGEST_LINE)}'.`
  return remedy === undefined ? says : `${says} ${remedy}`
}

/** What is said again and again is news once a while. */
export class News {
  private readonly saidAt = new Map<string, number>()

  constructor(private readonly everyMs: number) {}

  has(words: string): boolean {
    const now = performance.now()
    if (now - (this.saidAt.get(words) ?? Number.NEGATIVE_INFINITY) < this.everyMs) return false
    if (this.saidAt.size > 100) this.saidAt.clear()
    this.saidAt.set(words, now)
    return true
  }

  clear(): void {
    this.saidAt.clear()
  }
}

/**
 * Asks a broker why it closed a connection: it says one line, unasked, and closes. Whoever writes to it, as clients do at once,
 * learns only that nobody reads. Null where it says nothing.
 */
export async function refusalOf(url: string): Promise<string | null> {
  if (!URL.canParse(url)) return null
  const { protocol, hostname, port } = new URL(url)
  if (protocol !== 'redis:') return null
  return new Promise((resolve) => {
    const host = hostname.replace(/^\[(.*)\]$/, '$1')
    const socket = connect({ host, port: Number(port) || REDIS_PORT })
    let heard = ''
    const end = () => {
      socket.destroy()
      resolve(/^-([^\r\n]+)/.exec(heard)?.[1] ?? null)
    }
    socket.unref()
    socket.setTimeout(ASK_MS, end)
    socket.on('error', end)
    socket.on('close', end)
    socket.on('data', (data) => {
      heard += data.toString('latin1')
      if (heard.includes('\n')) end()
    })
  })
}
