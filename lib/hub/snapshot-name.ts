/** Which repository and commit a folder of the cache is. */
import { basename, dirname } from 'node:path'
import { isCommit } from './id'

/** `models--org--name/snapshots/<commit>` -> its repository and commit; null for a folder elsewhere. */
export function snapshotIn(folder: string): { readonly repository: string; readonly commit: string } | null {
  const [commit, snapshots, repository] = [folder, dirname(folder), dirname(dirname(folder))].map((one) =>
    basename(one),
  )
  if (!isCommit(commit) || snapshots !== 'snapshots' || !repository?.startsWith('models--')) return null
  return { repository: repository.slice('models--'.length).replace('--', '/'), commit }
}
