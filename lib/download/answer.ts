/** What a server answered: content, or one of the many ways to say no. */

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

const LONGEST_ASKED_PAUSE_MS = 120_000 // of a server's Retry-After
const LONGEST_TEXT = 32 * 1024 * 1024

export function isContent(status: number): boolean {
  return status === 200 || status === 206
}

/** What an answer without content says, for messages. */
export async function saidBy({ status, body }: Answer, url: URL): Promise<string> {
  const told = shorten(await readText(body, 4096).catch(() => ''))
  return `${shownUrl(url)} answered ${status}${told && ` (${told})`}`
}

/** What an answer without content means, where `said` is what it says and `wanted` what was asked for. */
export function refusal({ status, headers }: Answer, said: string, wanted: string): Error {
  if (status === 429 || status === 408 || status >= 500)
    return new Passing(said, retryAfter(headers['retry-after']))
  return unreachable(`Expected ${wanted} but ${said}`)
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
