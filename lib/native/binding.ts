import { basename, dirname, join } from 'node:path'
import { bug, DisposedError, LibtorchError, ModelError, OutOfMemoryError, WuerstchenError } from '../errors'
import { refuseNoWorkingFolder } from '../files/absolute'
import { isThere, realPath } from '../files/probe'
import { installationOf } from '../libtorch/commands'
import { findLibtorch, type Libtorch, type LibtorchSearch, majorMinor } from '../libtorch/find'
import { librariesOf, libraryName } from '../libtorch/libraries'
import { culpritOf, isNamed, remedyFor } from '../libtorch/remedy'
import { damageOf, type LibraryFault } from '../libtorch/soundness'
import { engineFor, findEngines, findLoader, reinstallation } from './addons'
import { type Cpu, cpuOf } from './cpu'
import { adviceFor, refuseUnsupportedPlatform } from './platform'
import type { NativeAddon, NativeErrorCode, NativeLoader } from './types'

/** The native half, ready to open devices. */
export interface NativeRuntime {
  readonly addon: NativeAddon
  readonly libtorch: Libtorch
  readonly cpu: Cpu
  /** Absolute path of the addon. */
  readonly engine: string
}

let loader: NativeLoader | undefined
let runtime: NativeRuntime | undefined

/** Absolute path of the library that records what a CUDA device is given; null where this build has none. */
export function findCudaRecorder(): string | null {
  const path = join(dirname(runtime?.engine ?? findEngines()[0].path), libraryName('wuerstchen_cuda'))
  return isThere(path) ? path : null
}

/** The addon without libtorch: it loads wherever this package has a build. */
export function loadLoader(): NativeLoader {
  loader ??= requireAddon<NativeLoader>(findLoader())
  return loader
}

/** `major.minor` of each libtorch that there is an engine for; null if one would take any. */
export function compiledTorch(): readonly string[] | null {
  const versions = findEngines().map(({ torch }) => torch)
  return versions.includes(null) ? null : versions.filter((version) => version !== null)
}

/**
 * Opens libtorch and loads the addon, once per process. Blocks for about 0.2 s the first time.
 * @throws LibtorchError, whose details hold every place that was searched.
 */
export function loadRuntime(options: { readonly libtorch?: string | undefined } = {}): NativeRuntime {
  if (runtime !== undefined) return sameRuntime(runtime, options.libtorch)
  refuseUnsupportedPlatform()
  // libtorch finds its own libraries from there, and ends the process where it cannot.
  refuseNoWorkingFolder()
  runtime = firstThatLoads(options.libtorch)
  return runtime
}

/** A place that turns out not to load is passed over like any other that does not fit, where nothing of it stays open. */
function firstThatLoads(wanted: string | undefined): NativeRuntime {
  const required = compiledTorch()
  const unloadable = new Map<string, LibraryFault>()
  for (;;) {
    const search = findLibtorch({ libtorch: wanted, required, unloadable })
    const libtorch = search.found ?? refuseSearch(search, required)
    const engine = engineFor(findEngines(), libtorch.version)
    try {
      openLibtorch(loadLoader(), libtorch, engine.torch)
    } catch (error) {
      if (!(error instanceof Unopened) || error.isHalfOpen || isNamed(libtorch)) throw error
      unloadable.set(libtorch.directory, { file: libtorch.directory, reason: messageOf(error.cause) })
      continue
    }
    const addon = requireAddon<NativeAddon>(engine.path)
    checkVersions(addon)
    return { addon, libtorch, cpu: cpuOf(addon), engine: engine.path }
  }
}

/** A process has one libtorch: whoever names another one is told, not ignored. */
function sameRuntime(loaded: NativeRuntime, wanted: string | undefined): NativeRuntime {
  if (wanted === undefined) return loaded
  const { found } = findLibtorch({ libtorch: wanted, required: null })
  if (found === null || found.directory === loaded.libtorch.directory) return loaded
  throw conflict(found.directory, loaded.libtorch.directory)
}

/** The error for a search that found nothing: what helps in one line, then what was tried. */
function refuseSearch({ rejected }: LibtorchSearch, required: readonly string[] | null): never {
  const culprit = culpritOf(rejected)
  const wrong = culprit?.fault ? undefined : rejected.find(({ version }) => version !== undefined)?.version
  const wanted = required === null ? 'libtorch' : `libtorch ${required.join(' or ')}`
  const summary =
    culprit === undefined
      ? `Expected ${wanted} but found ${wrong ?? 'none'}: run '${installationOf(required ?? [])}', or set WUERSTCHEN_LIBTORCH to a ` +
        `folder that holds ${libraryName('torch_cpu')}`
      : `Expected ${wanted} in ${culprit.path} (${culprit.source}) but ${culprit.reason}. ${remedyFor(culprit)}`
  const tried = rejected.map(({ source, path, reason }) => `  ${source}: ${path}: ${reason}`)
  const help = "; 'npx wuerstchen doctor' says more"
  throw new LibtorchError(
    culprit?.fault ? 'ADDON_LOAD' : wrong === undefined ? 'LIBTORCH_NOT_FOUND' : 'LIBTORCH_VERSION',
    [summary + help, ...tried].join('\n'),
    { details: { required, rejected } },
  )
}

/** libtorch could not be opened. */
class Unopened extends LibtorchError {
  /** Whether a part of it was opened, which stays open for as long as the process lives. */
  readonly isHalfOpen: boolean

  constructor({ source, directory }: Libtorch, isHalfOpen: boolean, cause: unknown) {
    const reason = messageOf(cause)
    const again = remedyFor({ source, path: directory, reason })
    const advice = adviceFor(reason, again) || again
    super('ADDON_LOAD', `libtorch in ${directory} (${source}) could not be opened: ${reason}. ${advice}`, {
      cause,
      details: { path: directory, source, advice },
    })
    this.name = 'LibtorchError'
    this.isHalfOpen = isHalfOpen
  }
}

/** What stays of a libtorch that could not be opened. */
let halfOpen: { readonly directory: string; readonly reason: string } | undefined

/** Two copies of libtorch in one process abort it when they register their operators: a second one is refused here. */
function openLibtorch(native: NativeLoader, libtorch: Libtorch, required: string | null): void {
  if (halfOpen !== undefined && halfOpen.directory !== libtorch.directory)
    throw conflictWithHalf(libtorch.directory, halfOpen)
  const library = join(libtorch.directory, libraryName('torch_cpu'))
  const prefix = libraryName('torch_cpu')
  const other = native.mapped(prefix).find((path) => realPath(path) !== realPath(library))
  if (other !== undefined) throw conflict(libtorch.directory, dirname(other))
  const isOpen = () => native.mapped(libraryName('c10')).some((path) => path.startsWith(libtorch.directory))
  try {
    native.open(librariesOf(libtorch.directory))
    halfOpen = undefined
  } catch (error) {
    const { directory } = libtorch
    if (isOpen()) halfOpen = { directory, reason: messageOf(error) }
    throw new Unopened(libtorch, halfOpen !== undefined, error)
  }
  const opened = native.torchVersion(library)
  if (required === null || opened === null || process.env.WUERSTCHEN_SKIP_ABI_CHECK === '1') return
  if (majorMinor(opened) !== required) throw wrongVersion(required, opened)
}

/** What was known only after loading: the version that the addon itself names. */
function checkVersions({ versions }: NativeAddon): void {
  if (process.env.WUERSTCHEN_SKIP_ABI_CHECK === '1') return
  if (majorMinor(versions.compiled) !== majorMinor(versions.torch))
    throw wrongVersion(versions.compiled, versions.torch)
}

function wrongVersion(required: string, found: string): LibtorchError {
  return new LibtorchError('LIBTORCH_VERSION', `Expected libtorch ${required} but found ${found}`, {
    details: { required, found },
  })
}

function conflict(wanted: string, loaded: string): LibtorchError {
  return new LibtorchError(
    'LIBTORCH_CONFLICT',
    `Expected to open libtorch from ${wanted} but this process already has another one from ${loaded}, ` +
      'and one process can hold only one. Use that one, or a worker process',
    { details: { wanted, loaded } },
  )
}

function conflictWithHalf(
  wanted: string,
  { directory, reason }: NonNullable<typeof halfOpen>,
): LibtorchError {
  return new LibtorchError(
    'LIBTORCH_CONFLICT',
    `Expected to open libtorch from ${wanted} but this process has opened a part of the one in ${directory}, which did not ` +
      `load (${reason}) and cannot be closed. Start a new process`,
    { details: { wanted, loaded: directory } },
  )
}

function requireAddon<T>(path: string): T {
  refuseUnsound(path)
  try {
    return require(path) as T
  } catch (error) {
    const reason = messageOf(error)
    const advice = adviceFor(`${(error as { code?: unknown } | null)?.code}: ${reason}`, reinstallation(path))
    const message = `The native part ${basename(path)} could not be loaded from ${path}: ${reason.replace(/\.$/, '')}${advice && `. ${advice}`}`
    throw new LibtorchError('ADDON_LOAD', message, { cause: error, details: { path, advice } })
  }
}

/** The linker would not say it as well; a file that is cut short would end the process. */
function refuseUnsound(path: string): void {
  const fault = damageOf(path)
  if (fault === null) return
  const advice = reinstallation(path)
  throw new LibtorchError(
    'ADDON_LOAD',
    `Expected ${path} to be whole and for this machine but ${fault.reason}. ${advice}`,
    {
      details: { path, ...fault, advice },
    },
  )
}

/** Any error that came out of a native call, as one of ours. Native errors may belong to another realm than this file. */
export function fromNative(error: unknown): unknown {
  if (error instanceof WuerstchenError) return error
  const options = { cause: error }
  const message = messageOf(error)
  switch ((error as { code?: NativeErrorCode } | null)?.code) {
    case 'OUT_OF_MEMORY':
      return new OutOfMemoryError(message, options)
    case 'DISPOSED':
      return new DisposedError(message, options)
    case 'WEIGHTS_FAILED':
      return new ModelError('WEIGHTS_INVALID', message, options)
    case 'GRAPH_FAILED':
      return new ModelError('GRAPH_INVALID', message, options)
    case 'INVALID_ARGUMENT':
    case 'INTERNAL':
      return bug(message.replace(/\.?( This is a bug\.)?$/, '.'), options)
    default:
      return error
  }
}

/** By what it has: an error of another realm is no instance of ours. */
export function messageOf(error: unknown): string {
  const message = (error as { message?: unknown } | null)?.message
  return typeof message === 'string' ? message : String(error)
}
