/** A repository on the hub, and the revision wanted of it. */

import { expected } from '../errors'

export interface HubId {
  /** `organisation/name` */
  readonly repository: string
  /** A branch, tag or commit. */
  readonly revision: string
}

const REPOSITORY = /^[A-Za-z0-9](?:[\w.-]*[\w-])?\/[A-Za-z0-9_](?:[\w.-]*[\w-])?$/
const REVISION = /^[A-Za-z0-9](?:[\w.-]*\/)*[\w.-]*[\w-]$|^[A-Za-z0-9]$/
const COMMIT = /^[0-9a-f]{40}$/

const DEFAULT_REVISION = 'main'

/** `organisation/name` or `organisation/name@revision`, or null for what can be no id of a model. */
export function parseHubId(text: string): HubId | null {
  const [repository = '', revision = DEFAULT_REVISION, ...more] = text.split('@')
  if (more.length > 0 || !isRepository(repository) || !isRevision(revision)) return null
  return { repository, revision }
}

function isRepository(text: string): boolean {
  return text.length <= 96 && REPOSITORY.test(text) && !text.includes('..') && !text.includes('--')
}

/** It becomes part of a path below refs/, so it may not climb. */
function isRevision(text: string): boolean {
  return text.length <= 200 && REVISION.test(text) && !text.includes('..') && !text.includes('//')
}

export function isCommit(text: unknown): text is string {
  return typeof text === 'string' && COMMIT.test(text)
}

export function checkRevision(revision: unknown): string {
  if (typeof revision === 'string' && isRevision(revision)) return revision
  throw expected('revision', 'a branch, a tag or a commit', revision)
}
