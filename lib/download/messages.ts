import { DownloadError, startOf } from '../errors'
import { megabytes } from '../files/megabytes'

/** What a server answered, for messages: never its body's markup, never more than a line. */
export function shorten(text: string): string {
  const line = text
    .replace(/<[^>]*>/g, ' ')
    .replace(/\s+/g, ' ')
    .trim()
  return line.length > 200 ? `${startOf(line, 200)}…` : line
}

/** An address without what may be secret: signed redirects carry their key in the query. */
export function shownUrl(url: URL): string {
  return `${url.origin}${url.pathname}`
}

export function noSpace(
  folder: string,
  needed: number | null,
  free: number | null,
  cause?: unknown,
): DownloadError {
  const has = free === null ? 'it is full' : `it has ${megabytes(free)}`
  return new DownloadError(
    'DISK_FULL',
    `Expected ${needed === null ? 'some' : megabytes(needed)} of free space for the download in ${folder} but ${has}`,
    { cause, details: { folder, needed, free } },
  )
}
