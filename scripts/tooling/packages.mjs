/** Whether the Node packages of a folder are those of its lock file, whoever ran npm. */
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** npm writes it last: without one an installation was cut short. */
const INSTALLED = join('node_modules', '.package-lock.json')

/** Both files as they were when all packages were found to be right: several stages ask. */
let right = null

/**
 * What npm says is installed is not enough: `npm ci --dry-run` writes there what it would install. So each package tells its
 * own version, too.
 */
export function packagesMatch(root) {
  if (!existsSync(join(root, INSTALLED))) return false
  const state = stateOf(root)
  if (state === right) return true
  const wanted = packagesIn(root, 'package-lock.json')
  const installed = packagesIn(root, INSTALLED)
  const isThere = ([path, { version, optional }]) =>
    path === '' || (path in installed ? installed[path].version === version : optional === true)
  const isSo = ([path, { version }]) => versionIn(join(root, path)) === version
  const matches =
    Object.entries(wanted).every(isThere) &&
    Object.keys(installed).every((path) => path in wanted) &&
    Object.entries(installed).every(isSo)
  if (matches) right = state
  return matches
}

/** Of a package in its folder; undefined where there is none. */
export function versionIn(folder) {
  const file = join(folder, 'package.json')
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).version : undefined
}

const packagesIn = (root, file) => JSON.parse(readFileSync(join(root, file), 'utf8')).packages

const stateOf = (root) =>
  ['package-lock.json', INSTALLED]
    .map((file) => statSync(join(root, file)))
    .map(({ ino, mtimeMs, ctimeMs, size }) => [ino, mtimeMs, ctimeMs, size].join())
    .join()
