/** What the hub says of a repository: the commit behind a revision, and every file of it with size and hash. */

import type { HubClient } from './client'
import { type RemoteFile, unusable } from './files'
import { type HubId, isCommit } from './id'

const MOST_PAGES = 100

interface Listing {
  readonly commit: string
  readonly files: readonly RemoteFile[]
}

export async function listRepository(client: HubClient, { repository, revision }: HubId): Promise<Listing> {
  const info = `/api/models/${repository}/revision/${encodeURIComponent(revision)}`
  const { value } = await client.json(info, repository)
  const commit = (value as { sha?: unknown } | null)?.sha
  if (!isCommit(commit)) throw unusable(repository, 'Expected the hub to name a commit but it did not')
  const files: RemoteFile[] = []
  let next: string | null = `/api/models/${repository}/tree/${commit}?recursive=true`
  for (let page = 0; next !== null && page < MOST_PAGES; page++) {
    const { value, headers } = await client.json(next, repository)
    if (!Array.isArray(value)) throw unusable(repository, 'Expected a list of files but received none')
    for (const entry of value) files.push(...fileOf(entry, repository))
    next = nextPage(headers.link, client.settings.endpoint)
  }
  return { commit, files }
}

const SHA1 = /^[0-9a-f]{40}$/
const SHA256 = /^[0-9a-f]{64}$/

/** A hash becomes a file's name and a path is joined to a folder: both are what they should be, or nothing is done. */
function fileOf(entry: unknown, repository: string): RemoteFile[] {
  const { type, path, size, oid, lfs } = (entry ?? {}) as Record<string, unknown>
  if (type !== 'file') return []
  const large = lfs as { oid?: unknown; size?: unknown } | undefined
  const hash = large?.oid ?? oid
  const bytes = large?.size ?? size
  if (typeof path !== 'string' || !isSafePath(path)) {
    throw unusable(repository, `Expected names of files below its root but received ${JSON.stringify(path)}`)
  }
  if (typeof hash !== 'string' || !(large ? SHA256 : SHA1).test(hash) || !isSize(bytes)) {
    throw unusable(
      repository,
      `Expected size and hash of ${path} but received ${JSON.stringify({ bytes, hash })}`,
    )
  }
  return [{ path, size: bytes, etag: hash }]
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

/** No way up, no root, no drive, no NUL, no other system's separator. */
function isSafePath(path: string): boolean {
  return (
    path.length <= 1000 &&
    !/[\\\0:]/.test(path) &&
    path.split('/').every((part) => part !== '' && part !== '.' && part !== '..')
  )
}

/** `<https://…/tree/…?cursor=…>; rel="next"`, of which only path and query are taken: it leads nowhere else. */
function nextPage(link: string | string[] | undefined, endpoint: string): string | null {
  const target = typeof link === 'string' ? /<([^>]+)>\s*;\s*rel="next"/.exec(link)?.[1] : undefined
  if (target === undefined || !URL.canParse(target, endpoint)) return null
  const { pathname, search } = new URL(target, endpoint)
  const prefix = new URL(endpoint).pathname.replace(/\/$/, '')
  return `${pathname.startsWith(prefix) ? pathname.slice(prefix.length) : pathname}${search}`
}
