/** Where this package's own binaries lie: prebuilt in an installed package, or built in a source checkout. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { LibtorchError } from '../errors'
import { entriesOf } from '../files/entries'
import { packageRoot } from '../files/package-root'
import { isThere } from '../files/probe'
import { majorMinor } from '../libtorch/find'
import { npmAgain } from '../libtorch/npm'

/** Where a source checkout's build of the engine lies: another one where the sanitizers made it (scripts/sanitizers.mjs). */
const BUILD = process.env.WUERSTCHEN_ENGINE_BUILD ?? 'build-cmake'

/** The addon that links libtorch, compiled for one of its versions: libtorch's C++ interface changes with each minor. */
interface Engine {
  readonly path: string
  /** `major.minor` of the libtorch that it fits; null if its build did not write it down. */
  readonly torch: string | null
}

const TARGET = `${process.platform}-${process.arch}`
const ENGINE = 'wuerstchen.node'

/** Absolute path of the addon without libtorch. */
export function findLoader(root: string = packageRoot): string {
  const paths = [join(prebuilds(root), 'loader.node'), join(root, 'build', 'Release', 'loader.node')]
  return paths.find((path) => isThere(path)) ?? refuseMissing('loader', root, paths)
}

/** The engines that are there, the one for the newest libtorch first. At least one. */
export function findEngines(root: string = packageRoot): readonly [Engine, ...Engine[]] {
  const built = join(root, BUILD, 'Release')
  const folders = [...engineFolders(prebuilds(root)), built]
  const engines = folders.map(engineIn).filter((engine) => engine !== null)
  const [first, ...others] = engines
  if (first !== undefined) return [first, ...others]
  return refuseMissing('engine', root, [join(prebuilds(root), 'torch-*', ENGINE), join(built, ENGINE)])
}

/** The engine for a version of libtorch. An unknown version gets the first, which checks again when it is loaded. */
export function engineFor(engines: readonly [Engine, ...Engine[]], version: string | null): Engine {
  if (version === null) return engines[0]
  const wanted = majorMinor(version)
  return engines.find(({ torch }) => torch === wanted) ?? engines[0]
}

const prebuilds = (root: string) => join(root, 'prebuilds', TARGET)

/** `torch-2.14`, `torch-2.13`, … of a platform's folder. */
function engineFolders(folder: string): string[] {
  const minorOf = (name: string) => Number(name.split('.')[1] ?? 0)
  return entriesOf(folder)
    .filter((name) => name.startsWith('torch-'))
    .sort((a, b) => minorOf(b) - minorOf(a))
    .map((name) => join(folder, name))
}

function engineIn(folder: string): Engine | null {
  const path = join(folder, ENGINE)
  if (!isThere(path)) return null
  const written = join(folder, 'torch-version')
  return { path, torch: isThere(written) ? majorMinor(readFileSync(written, 'utf8').trim()) : null }
}

/** What brings this package's own binaries again. A build leaves files alone that are there: a damaged one must go first. */
export function reinstallation(damaged: string | null, root: string = packageRoot): string {
  if (!isCheckout(root)) return npmAgain()
  return damaged === null ? BUILD_AGAIN : `Remove ${damaged}. ${BUILD_AGAIN}`
}

const BUILD_AGAIN = 'In this source checkout run: npm run build'

export function isCheckout(root: string = packageRoot): boolean {
  return isThere(join(root, 'binding.gyp'))
}

/** Says what is missing by what is there instead: a checkout, other platforms, or nothing. */
function refuseMissing(name: 'loader' | 'engine', root: string, paths: readonly string[]): never {
  const details = { name, paths, target: TARGET }
  const platforms = entriesOf(join(root, 'prebuilds'))
  const expected = `Expected the native part '${name}' for ${TARGET}`
  if (isCheckout(root)) {
    const message = `${expected} at one of ${paths.join(', ')} but found none. ${BUILD_AGAIN}`
    throw new LibtorchError('ADDON_NOT_FOUND', message, { details })
  }
  if (platforms.length > 0 && !platforms.includes(TARGET)) {
    throw new LibtorchError(
      'UNSUPPORTED_PLATFORM',
      `${expected} but this package has binaries for ${platforms.join(', ')} only. ` +
        'On another platform build from a source checkout: npm run build',
      { details: { ...details, platforms } },
    )
  }
  throw new LibtorchError(
    'ADDON_NOT_FOUND',
    `${expected} in ${root} but found none: its folder prebuilds is not complete. A bundler or a copy may have left ` +
      `files out: keep wuerstchen external to bundles. ${npmAgain()}`,
    { details },
  )
}
