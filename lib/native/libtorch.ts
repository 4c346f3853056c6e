import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { packageRoot } from '../files/package-root'

/** Who named a place: an option, an environment variable, or our own list. */
export type LibtorchSource =
  | 'option'
  | 'WUERSTCHEN_LIBTORCH'
  | 'LIBTORCH'
  | 'cache'
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
}

export interface LibtorchSearch {
  readonly found: Libtorch | null
  readonly rejected: readonly RejectedPlace[]
}

export interface SearchOptions {
  /** A folder named by the caller: it is used or refused, nothing else is tried. */
  readonly libtorch?: string | undefined
  /** `major.minor` the addon was compiled against; null accepts any version. */
  readonly required: string | null
  readonly environment?: NodeJS.ProcessEnv
}

interface Place {
  readonly source: LibtorchSource
  readonly path: string
  /** Ends the search when it cannot be used: somebody asked for this place by name. */
  readonly decisive?: boolean
  /** The root of a Python environment, whose torch package is meant. */
  readonly python?: boolean
}

const LIBRARY_NAMES: Partial<Record<NodeJS.Platform, (name: string) => string>> = {
  darwin: (name) => `lib${name}.dylib`,
  win32: (name) => `${name}.dll`,
}

/** `torch_cpu` -> `libtorch_cpu.so`, as this platform spells it. */
export function libraryName(name: string): string {
  return LIBRARY_NAMES[process.platform]?.(name) ?? `lib${name}.so`
}

/** Where files of ours that are no part of the package live: `WUERSTCHEN_HOME`, or the user's cache folder. */
export function cacheDirectory(environment: NodeJS.ProcessEnv = process.env): string {
  if (environment.WUERSTCHEN_HOME) return environment.WUERSTCHEN_HOME
  return join(environment.XDG_CACHE_HOME || join(homedir(), '.cache'), 'wuerstchen')
}

/**
 * Looks for libtorch in order: the option, `WUERSTCHEN_LIBTORCH`, `LIBTORCH`, the managed cache, a Python environment
 * (`VIRTUAL_ENV`, `CONDA_PREFIX`, `WUERSTCHEN_PYTHON`, `.venv` of a source checkout), system folders. The first that
 * fits wins. Only files are read: no Python is started and no library opened.
 */
export function findLibtorch(options: SearchOptions): LibtorchSearch {
  const environment = options.environment ?? process.env
  const required = environment.WUERSTCHEN_SKIP_ABI_CHECK === '1' ? null : options.required
  const rejected: RejectedPlace[] = []
  for (const place of places(options.libtorch, environment)) {
    const result = inspect(place, required)
    if (!('reason' in result)) return { found: result, rejected }
    rejected.push(result)
    if (place.decisive) break
  }
  return { found: null, rejected }
}

function* places(option: string | undefined, environment: NodeJS.ProcessEnv): Generator<Place> {
  if (option !== undefined) yield { source: 'option', path: option, decisive: true }
  const { WUERSTCHEN_LIBTORCH, LIBTORCH, VIRTUAL_ENV, CONDA_PREFIX, WUERSTCHEN_PYTHON } = environment
  if (WUERSTCHEN_LIBTORCH) yield { source: 'WUERSTCHEN_LIBTORCH', path: WUERSTCHEN_LIBTORCH, decisive: true }
  // Other programs read LIBTORCH too, and may need another version: not ours to insist on.
  if (LIBTORCH) yield { source: 'LIBTORCH', path: LIBTORCH }
  yield* cachePlaces(environment)
  if (VIRTUAL_ENV) yield { source: 'VIRTUAL_ENV', path: VIRTUAL_ENV, python: true }
  if (CONDA_PREFIX) yield { source: 'CONDA_PREFIX', path: CONDA_PREFIX, python: true }
  if (WUERSTCHEN_PYTHON)
    yield { source: 'WUERSTCHEN_PYTHON', path: environmentOfPython(WUERSTCHEN_PYTHON), python: true }
  yield { source: 'checkout', path: join(packageRoot, '.venv'), python: true }
  yield* systemPlaces()
}

function cachePlaces(environment: NodeJS.ProcessEnv): Place[] {
  const folder = join(cacheDirectory(environment), 'libtorch')
  const names = entriesOf(folder).sort().reverse() // newer versions first, and cu* before cpu
  if (names.length === 0) return [{ source: 'cache', path: folder }]
  return names.map((name) => ({ source: 'cache', path: join(folder, name) }))
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
  if (!statSync(path, { throwIfNoEntry: false })?.isFile()) return path
  const folder = dirname(path)
  return ['bin', 'scripts'].includes(basename(folder).toLowerCase()) ? dirname(folder) : folder
}

function inspect(place: Place, required: string | null): Libtorch | RejectedPlace {
  const { source, path } = place
  const reject = (reason: string, version?: string): RejectedPlace =>
    version === undefined ? { source, path, reason } : { source, path, reason, version }
  if (!existsSync(path)) return reject('no such folder')
  const directory = libraryFolders(place).find((folder) => existsSync(join(folder, libraryName('torch_cpu'))))
  if (directory === undefined) {
    return reject(
      place.python ? 'no torch package in this Python environment' : `no ${libraryName('torch_cpu')} in it`,
    )
  }
  const version = readVersion(directory)
  if (required !== null) {
    if (version === null)
      return reject('its version is unknown: neither build-version nor version.py beside it')
    if (majorMinor(version) !== required)
      return reject(`it is version ${version}, but ${required} is needed`, version)
  }
  return { source, directory: realpathSync(directory), version }
}

/** Where in a place the libraries may be: the folder itself, a libtorch's `lib`, a torch package's `lib`. */
function libraryFolders({ path, source, python }: Place): string[] {
  const packages = torchPackages(path).map((folder) => join(folder, 'lib'))
  if (python) return packages
  if (source === 'system' || source === 'cache') return [path, join(path, 'lib')]
  return [path, join(path, 'lib'), join(path, 'torch', 'lib'), ...packages]
}

/** `torch` packages of the Python environment at `root`, newest Python first. */
function torchPackages(root: string): string[] {
  const sites = [join(root, 'Lib', 'site-packages'), join(root, 'lib', 'python3', 'dist-packages')]
  for (const name of entriesOf(join(root, 'lib')).reverse()) {
    if (!name.startsWith('python3.')) continue
    sites.push(join(root, 'lib', name, 'site-packages'), join(root, 'lib', name, 'dist-packages'))
  }
  return sites.map((site) => join(site, 'torch')).filter((folder) => existsSync(folder))
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

/** The libraries to open, in the order in which each finds those it needs already open. */
export function librariesOf(directory: string): string[] {
  const threads = entriesOf(directory).filter((name) => /^lib(gomp|omp|iomp5)[-.]/.test(name))
  const wanted = ['c10', 'torch_cpu', 'c10_cuda', 'torch_cuda', 'torch'].map(libraryName)
  return [...threads, ...wanted].map((name) => join(directory, name)).filter((path) => existsSync(path))
}

function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}
