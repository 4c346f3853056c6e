/** What the package.json files of all packages say alike. */
import { readFileSync } from 'node:fs'
import { at } from '../tooling/places.mjs'

export const checkoutManifest = () => JSON.parse(readFileSync(at('package.json'), 'utf8'))

/** `folder`: where in the repository a package comes from. */
export function sharedFields(folder) {
  const { author, homepage, bugs, repository } = checkoutManifest()
  return { author, homepage, bugs, repository: { ...repository, directory: folder } }
}
