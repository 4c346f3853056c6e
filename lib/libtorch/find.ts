import { readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { NO_HOME } from '../files/caches'
import { entriesOf } from '../files/entries'
import { obstacleTo } from '../files/links'
import { packageRoot } from '../files/package-root'
import { isThere, realPath, statsIfAny } from '../files/probe'
import { nvidiaDriver } from './flavours'
import { librariesOf, libraryName } from './libraries'
import { missingPackage, platformPackage } from './platform-package'
import { namesIn, runtimesFolder, TARGET, targetOf } from './runtimes'
import { faultAmong, type LibraryFault } from './soundness'

/** Who named a place: an option, an environment variable, or our own list. */
export type LibtorchSource =
  | 'option'
  | 'WUERSTCHEN_LIBTORCH'
  | 'LIBTORCH'
  | 'runtime'
  | 'package'
  | 'VIRTUAL_ENV'
  | 'CONDA_PREFIX'
  | 'WUERSTCHEN_PYTHON'
  | 'checkout'
  | 'system'

/** A libtorch that can be opened. */
export interface Libtorch {
  readonly source: LibtorchSource
  /** Absolute path of the folder that holds libtorch_cpu. */
  readonly directory: string
  /** As its own files say, such as `2.13.0+cpu`; null when they do not say. */
  readonly version: string | null
}

/** A place that was looked at, and why nothing there can be used. */
export interface RejectedPlace {
  readonly source: LibtorchSource
  readonly path: string
  readonly reason: string
  /** The version found there when it is the version that does not fit. */
  readonly version?: string
  /** The library that could not be opened when it is that. */
  readonly fault?: LibraryFault
}

export interface LibtorchSearch {
  readonly found: Libtorch | null
  readonly rejected: readonly RejectedPlace[]
}

interface SearchOptions {
  /** A folder named by the caller: it is used or refused, nothing else is tried. */
  readonly libtorch?: string | undefined
  /** `major.minor` of each version that fits; null accepts any. */
  readonly required: string | readonly string[] | null
  readonly environment?: NodeJS.ProcessEnv
  /** Folders of libraries that turned out not to load, and why. */
  readonly unloadable?: ReadonlyMap<string, LibraryFault> | undefined
  /** Whether there is a GPU for CUDA. Defaults to what the machine's driver says. */
  readonly gpu?: boolean | undefined
}

interface Place {
  readonly source: LibtorchSource
  readonly path: string
  /** Ends the search when it cannot be used: somebody asked for this place by name. */
  readonly decisive?: boolean
  /** The root of a Python environment, whose torch package is meant. */
  readonly python?: boolean
  /** Why it is known that nothing is there. */
  readonly missing?: string
}

/**
 * Looks for libtorch in order: the option, `WUERSTCHEN_LIBTORCH`, `LIBTORCH`, the folder of runtimes (`wuerstchen runtime`),
 * the platform package, a Python environment (`VIRTUAL_ENV`, `CONDA_PREFIX`, `WUERSTCHEN_PYTHON`, `.venv` of a source
 * checkout), system folders. The first that fits wins. Only files are read: no Python is started and no library
 * opened.
 */
export function findLibtorch(options: SearchOptions): LibtorchSearch {
  const environment = options.environment ?? process.env
  const required = environment.WUERSTCHEN_SKIP_ABI_CHECK === '1' ? null : options.required
  const rejected: RejectedPlace[] = []
  for (const place of places(options, environment)) {
    const result = inspect(place, required, options.unloadable)
    if (!('reason' in result)) return { found: result, rejected }
    rejected.push(result)
    if (place.decisive) break
  }
  return { found: null, rejected }
}

function* places(options: SearchOptions, environment: NodeJS.ProcessEnv): Generator<Place> {
  const option = options.libtorch
  if (option !== undefined) yield { source: 'option', path: option, decisive: true }
  const { WUERSTCHEN_LIBTORCH, LIBTORCH, VIRTUAL_ENV, CONDA_PREFIX, WUERSTCHEN_PYTHON } = environment
  if (WUERSTCHEN_LIBTORCH) yield { source: 'WUERSTCHEN_LIBTORCH', path: WUERSTCHEN_LIBTORCH, decisive: true }
  // Other programs read LIBTORCH too, and may need another version: not ours to insist on.
  if (LIBTORCH) yield { source: 'LIBTORCH', path: LIBTORCH }
  yield* runtimePlaces(environment, options.gpu)
  yield* packagePlaces()
  if (VIRTUAL_ENV) yield { source: 'VIRTUAL_ENV', path: VIRTUAL_ENV, python: true }
  if (CONDA_PREFIX) yield { source: 'CONDA_PREFIX', path: CONDA_PREFIX, python: true }
  if (WUERSTCHEN_PYTHON)
    yield { source: 'WUERSTCHEN_PYTHON', path: environmentOfPython(WUERSTCHEN_PYTHON), python: true }
  yield { source: 'checkout', path: join(packageRoot, '.venv'), python: true }
  yield* systemPlaces()
}

/** The newest first, and CUDA's before the CPU's where there is a GPU: elsewhere they take memory and time for nothing. */
function runtimePlaces(environment: NodeJS.ProcessEnv, gpu = nvidiaDriver() !== null): Place[] {
  const folder = runtimesFolder(environment)
  if (folder === null) return [{ source: 'runtime', path: 'libtorch', missing: NO_HOME }]
  const names = [...namesIn(folder)].sort(newestFirst)
  const preferred = names.filter((name) => /-cu\d/.test(name) === gpu)
  const ordered = [...preferred, ...names.filter((name) => !preferred.includes(name))]
  if (names.length === 0) {
    const missing = obstacleTo(folder) ?? 'nothing is installed there'
    return [{ source: 'runtime', path: folder, missing }]
  }
  return ordered.map((name) => {
    const target = targetOf(name) ?? TARGET
    const place = { source: 'runtime', path: join(folder, name) } as const
    return target === TARGET ? place : { ...place, missing: `it is for ${target}` }
  })
}

function newestFirst(a: string, b: string): number {
  return b.localeCompare(a, 'en', { numeric: true })
}

function packagePlaces(): Place[] {
  const folder = platformPackage()
  if (folder !== null) return [{ source: 'package', path: folder }]
  const missing = missingPackage()
  return missing === null ? [] : [{ source: 'package', path: missing.name, missing: missing.reason }]
}

function systemPlaces(): Place[] {
  if (process.platform === 'win32') return []
  const environments = ['/usr/local', '/usr']
  const folders = ['/opt/libtorch', '/usr/local/libtorch', '/usr/local/lib', '/usr/lib']
  if (process.platform === 'darwin') folders.unshift('/opt/homebrew/lib')
  else folders.push('/usr/lib64', `/usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`)
  return [
    ...environments.map((path) => ({ source: 'system' as const, path, python: true })),
    ...folders.map((path) => ({ source: 'system' as const, path })),
  ]
}

/** `.../bin/python3` or `...\Scripts\python.exe` -> the environment's root. A link is not followed: a venv's python is one. */
function environmentOfPython(path: string): string {
  if (!statsIfAny(path)?.isFile()) return path
  const folder = dirname(path)
  return ['bin', 'scripts'].includes(basename(folder).toLowerCase()) ? dirname(folder) : folder
}

export function inspect(
  place: Place,
  required: SearchOptions['required'],
  unloadable: SearchOptions['unloadable'] = new Map(),
): Libtorch | RejectedPlace {
  const { source, path } = place
  const reject = (reason: string, version?: string): RejectedPlace =>
    version === undefined ? { source, path, reason } : { source, path, reason, version }
  if (place.missing !== undefined) return reject(place.missing)
  if (!isThere(path)) return reject('no such folder')
  const directory = libraryFolders(place).find((folder) => isThere(join(folder, libraryName('torch_cpu'))))
  if (directory === undefined) {
    return reject(
      place.python ? 'no torch package in this Python environment' : `no ${libraryName('torch_cpu')} in it`,
    )
  }
  const version = readVersion(directory)
  if (required !== null) {
    if (version === null)
      return reject('its version is unknown: neither build-version nor version.py beside it')
    const fitting = [required].flat()
    if (!fitting.includes(majorMinor(version) ?? ''))
      return reject(`it is version ${version}, but ${fitting.join(' or ')} is needed`, version)
  }
  const real = realPath(directory)
  const fault = unloadable.get(real) ?? faultAmong(librariesOf(directory))
  return fault === null ? { source, directory: real, version } : { ...reject(fault.reason), fault }
}

/** Where in a place the libraries may be: the folder itself, a libtorch's `lib`, a torch package's `lib`. */
function libraryFolders({ path, source, python }: Place): string[] {
  const packages = torchPackages(path).map((folder) => join(folder, 'lib'))
  if (python) return packages
  if (source === 'system' || source === 'package') return [path, join(path, 'lib')]
  return [path, join(path, 'lib'), join(path, 'torch', 'lib'), ...packages]
}

/** `torch` packages of the Python environment at `root`, newest Python first. */
function torchPackages(root: string): string[] {
  const sites = [join(root, 'Lib', 'site-packages'), join(root, 'lib', 'python3', 'dist-packages')]
  for (const name of [...entriesOf(join(root, 'lib'))].reverse()) {
    if (!name.startsWith('python3.')) continue
    sites.push(join(root, 'lib', name, 'site-packages'), join(root, 'lib', name, 'dist-packages'))
  }
  return sites.map((site) => join(site, 'torch')).filter((folder) => isThere(folder))
}

/** A libtorch archive says its version in `build-version`, a torch package in `version.py`; both lie above `lib`. */
function readVersion(directory: string): string | null {
  for (const folder of [dirname(directory), directory]) {
    const stated = readText(join(folder, 'build-version'))?.trim()
    if (stated) return stated
    const assigned = readText(join(folder, 'version.py'))?.match(/^__version__\s*=\s*['"]([^'"]+)['"]/m)?.[1]
    if (assigned) return assigned
  }
  return null
}

/** `2.13.0+cpu` -> `2.13`: the part that libtorch's C++ interface depends on. */
export function majorMinor(version: string): string | null {
  return /^\d+\.\d+/.exec(version)?.[0] ?? null
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}
