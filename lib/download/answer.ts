/** What a server answered: content, or one of the many ways to say no. */

import { HubError, ModelError } from '../errors'
import { shorten, shownUrl } from './messages'
import { Passing, unreachable } from './network-error'

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** Fails as the network does, and only then. */
  readonly body: AsyncIterable<Buffer>
  /** What was not read is not wanted. */
  readonly discard: () => Promise<void>
}

interface Asked {
  readonly repository: string
  readonly withToken: boolean
}

const LONGEST_ASKED_PAUSE_MS = 120_000 // of a server's Retry-After
const LONGEST_TEXT = 32 * 1024 * 1024

export function isContent(status: number): boolean {
  return status === 200 || status === 206
}

/** The answer if it has content; else what it means is thrown. */
export async function accepted(answer: Answer, url: URL, asked: Asked): Promise<Answer> {
  const { status, headers, body } = answer
  if (isContent(status)) return answer
  const told = shorten(await readText(body, 4096).catch(() => ''))
  const what = `${shownUrl(url)} answered ${status}${told && ` (${told})`}`
  const code = headers['x-error-code']
  if (status === 404 || code === 'RepoNotFound' || code === 'RevisionNotFound') throw notFound(asked, what)
  if (status === 401 || status === 403) throw denied(asked, what)
  if (status === 429 || status === 408 || status >= 500)
    throw new Passing(what, retryAfter(headers['retry-after']))
  throw unreachable(`Expected a file of ${asked.repository} but ${what}`)
}

function notFound({ repository, withToken }: Asked, what: string): ModelError {
  const hint = withToken ? '' : ' If it is private, a token is needed (option token or HF_TOKEN).'
  return new ModelError('MODEL_NOT_FOUND', `Expected ${repository} to be on the hub but ${what}.${hint}`, {
    details: { repository },
  })
}

function denied({ repository, withToken }: Asked, what: string): HubError {
  const hint = withToken
    ? "The token that was sent does not open it: accept the model's conditions on its page, or use another."
    : 'Pass a token (option token or HF_TOKEN) of an account that may read it.'
  return new HubError('HUB_ACCESS_DENIED', `Expected ${repository} to be readable but ${what}. ${hint}`, {
    details: { repository },
  })
}

/** Seconds or a date, as RFC 9110 has it. */
function retryAfter(value: string | string[] | undefined): number | null {
  if (typeof value !== 'string') return null
  const ms = /^\d+$/.test(value.trim()) ? 1000 * Number(value) : Date.parse(value) - Date.now()
  return Number.isFinite(ms) ? Math.min(LONGEST_ASKED_PAUSE_MS, Math.max(0, ms)) : null
}

export async function readText(body: AsyncIterable<Buffer>, longest = LONGEST_TEXT): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of body) {
    length += chunk.length
    if (length > longest) break
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
