/** Why a broker takes no connection. */
import { connect } from 'node:net'
import { BrokerError } from '../index'

/** A broker that refuses says so at once. */
const ASK_MS = 1000

/** Of its line, which may go on for a page. */
const LONGEST_LINE = 200

const REDIS_PORT = 6379

/** What helps, by how its line begins. */
const REMEDIES: readonly (readonly [start: RegExp, remedy: string])[] = [
  [
    /^DENIED/,
    'Give it a password (requirepass) that the address of the queue has, or set its protected-mode to no in a network of its own.',
  ],
  [/^ERR max number of clients/, 'Raise its maxclients.'],
  [/^(NOAUTH|WRONGPASS)/, 'Its password stands in the address of the queue: redis://:PASSWORD@HOST:PORT.'],
]

/** The other side has closed the connection, as the system tells it, or in silence. */
export function isClosed(error: Error): boolean {
  return ['EPIPE', 'ECONNRESET'].includes((error as NodeJS.ErrnoException).code ?? '')
}

/** In silence. */
export function closedInSilence(): Error {
  return Object.assign(new Error('the connection was closed'), { code: 'ECONNRESET' })
}

/** An error of a connection, as its user understands it. */
export function explained(error: Error, url: string, line: string | null = null): Error {
  const said = line ?? (error.name === 'ReplyError' ? error.message : null)
  if (said === null && !isClosed(error)) return error
  const broker = URL.canParse(url) ? new URL(url).host : 'the address of the setting'
  const reason = said === null ? SILENT : saysOf(said)
  return new BrokerError(`Expected the queue's broker at ${broker} to take connections but ${reason}`, {
    // Of a connection that was refused with a word, that it ended tells nothing.
    cause: said === null ? error : undefined,
    details: { broker },
  })
}

const SILENT =
  'it closes them. Its log may say why. It may want TLS (rediss://), be in protected mode or at its maxclients.'

function saysOf(line: string): string {
  const [sentence = ''] = line.split(/(?<=\.) /, 1)
  const remedy = REMEDIES.find(([start]) => start.test(line))?.[1]
  const says = `it says '${sentence.slice(0, LONGEST_LINE)}'.`
  return remedy === undefined ? says : `${says} ${remedy}`
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
