import { megabytes } from '../files/megabytes'
import { listModels } from '../index'
import { say } from './output'

/** `wuerstchen models` */
export function models(flags: { readonly cacheDir?: string; readonly json?: boolean }): void {
  const found = listModels({ cacheDir: flags.cacheDir })
  if (flags.json) {
    console.log(JSON.stringify(found))
    return
  }
  if (found.length === 0) {
    console.log("no model in the cache; 'npx wuerstchen pull warp-ai/wuerstchen' fetches one")
    return
  }
  for (const { id, commit, revisions, kind, size, complete } of found) {
    const revision = revisions.join(', ') || commit.slice(0, 12)
    say(`${id}  ${revision}  ${kind}  ${megabytes(size)}  ${complete ? 'complete' : 'incomplete'}`)
  }
}
