import { arch, platform } from 'node:os'
import { join, relative } from 'node:path'
import { checkNames } from './checks/names'
import { WuerstchenError } from './errors'
import { cacheSetting, hubCache, hubCacheSetting, ownCache, refuseObstacle } from './files/caches'
import { entriesOf } from './files/entries'
import { packageRoot, packageVersion } from './files/package-root'
import { isThere } from './files/probe'
import { loadSharp } from './image/sharp'
import { installationOf } from './libtorch/commands'
import { findLibtorch, type LibtorchSearch, type RejectedPlace } from './libtorch/find'
import { type GpuFindings, gpuFindings } from './libtorch/gpu'
import { npmAgain } from './libtorch/npm'
import { culpritOf, remedyFor } from './libtorch/remedy'
import { findEngines, isCheckout, reinstallation } from './native/addons'
import { compiledTorch, loadLoader, loadRuntime } from './native/binding'
import { type CpuKind, describeKernels } from './native/cpu'
import { type NumaNode, numaNodes } from './native/numa'
import { refuseUnsupportedPlatform, thisMachine } from './native/platform'
import { describeProcessor, type Processor } from './native/processor'
import type { Dtype } from './native/types'

/** Something that keeps this package from working here, and what to do about it. */
export interface Problem {
  readonly code: string
  readonly message: string
  readonly fix: string
}

/** What this machine and this installation have. Plain JSON. */
export interface Diagnosis {
  readonly wuerstchen: string
  readonly node: string
  readonly platform: string
  /** Such as `glibc 2.36`; null where there is only one. */
  readonly libc: string | null
  readonly cpu: Processor
  /** NUMA nodes whose CPUs this process may use; none where the system tells of none. */
  readonly numa: readonly NumaNode[]
  /** NVIDIA's driver and GPUs, and which runtime uses them; null on a machine without. */
  readonly gpu: GpuFindings | null
  readonly libtorch: LibtorchSearch & { readonly required: string | null }
  /** Versions of the loaded addon; null when it could not be loaded. */
  readonly addon: {
    readonly compiled: string
    readonly torch: string
    readonly capability: string
    /** The kind of CPU that kernels are chosen for. */
    readonly kernels: CpuKind
    /** What each dtype runs on here, where nothing else is chosen. */
    readonly dtypes: Readonly<Record<Dtype | 'int8', string>>
  } | null
  readonly bundledModel: { readonly folder: string; readonly present: boolean }
  readonly graphs: readonly string[]
  readonly problems: readonly Problem[]
}

const FIXES: Readonly<Record<string, string>> = {
  ERR_WUERSTCHEN_LIBTORCH_CONFLICT: 'Let every addon of this process use the same libtorch',
  ERR_WUERSTCHEN_UNSUPPORTED_PLATFORM: 'Use a platform that this package has binaries for',
}

/**
 * Looks at everything that generating a picture needs, and reports rather than throws. @throws InvalidArgumentError for a wrong
 * option.
 */
export function diagnose(options: { readonly libtorch?: string | undefined } = {}): Diagnosis {
  checkNames(options, ['libtorch'])
  const problems: Problem[] = []
  const attempt = <T>(work: () => T): T | null => {
    try {
      return work()
    } catch (error) {
      const problem = problemOf(error)
      if (!problems.some(({ message }) => message === problem.message)) problems.push(problem)
      return null
    }
  }
  attempt(() => refuseUnsupportedPlatform())
  attempt(loadLoader)
  attempt(() => findEngines())
  attempt(refuseOwnCache)
  attempt(loadSharp)
  attempt(refuseHubCache)
  const required = withoutThrowing(compiledTorch)
  const search = findLibtorch({ libtorch: options.libtorch, required })
  const runtime = attempt(() => loadRuntime(options))
  const model = join(packageRoot, 'models', 'shapes')
  const graphs = entriesOf(join(packageRoot, 'graphs'))
  if (graphs.length === 0) problems.push(missing('GRAPH_NOT_FOUND', join(packageRoot, 'graphs')))
  if (!isThere(model)) problems.push(missing('MODEL_NOT_FOUND', model))
  return {
    wuerstchen: packageVersion(),
    node: process.versions.node,
    platform: `${platform()}-${arch()}`,
    libc: libcOf(),
    cpu: describeProcessor(),
    numa: numaNodes(),
    gpu: gpuFindings(search.found),
    libtorch: { ...search, required: required === null ? null : required.join(' or ') },
    addon:
      runtime === null
        ? null
        : {
            ...runtime.addon.versions,
            capability: runtime.addon.cpu.capability,
            kernels: runtime.cpu.kind,
            dtypes: describeKernels(runtime.cpu),
          },
    bundledModel: { folder: model, present: isThere(model) },
    graphs,
    problems,
  }
}

/** Pipelines refuse it when they load. */
function refuseOwnCache(): void {
  const folder = ownCache()
  if (folder === null) return
  const setting = cacheSetting()
  const name = process.env[setting] ? setting : 'what is there'
  refuseObstacle(folder, { what: 'converted weights', name, setting })
}

/** Models of the hub cannot be kept there. */
function refuseHubCache(): void {
  const folder = hubCache()
  if (folder === null) return
  const setting = hubCacheSetting()
  const name = /^[A-Z_]+$/.test(setting) ? setting : 'what is there'
  refuseObstacle(folder, { what: 'downloaded models', name, setting })
}

function problemOf(error: unknown): Problem {
  if (!(error instanceof WuerstchenError)) {
    return { code: 'ERR_WUERSTCHEN_INTERNAL', message: String(error), fix: 'Report this: it is a bug' }
  }
  return { code: error.code, message: firstLine(error.message), fix: fixOf(error) }
}

/** By who is to blame, as the error knows it; else what mends most of its kind. */
function fixOf({ code, details = {} }: WuerstchenError): string {
  const { advice, fix, name, path, required, rejected } = details as {
    advice?: string
    fix?: string
    name?: string
    path?: string
    required?: readonly string[] | string | null
    rejected?: readonly RejectedPlace[]
  }
  // Nothing is missing: what was named is wrong.
  if (code === 'ERR_WUERSTCHEN_INVALID_ARGUMENT') return `Correct or remove ${name}`
  if (code === 'ERR_WUERSTCHEN_SHARP_FAILED') return fix ?? npmAgain()
  if (advice) return advice
  const culprit = culpritOf(rejected ?? [])
  if (culprit !== undefined) return remedyFor(culprit)
  if (code === 'ERR_WUERSTCHEN_ADDON_LOAD') return reinstallation(path ?? null)
  if (code === 'ERR_WUERSTCHEN_ADDON_NOT_FOUND') return reinstallation(null)
  return FIXES[code] ?? installationOf([required ?? []].flat())
}

function missing(code: string, path: string): Problem {
  const fix = isCheckout()
    ? `In this source checkout run: git checkout -- ${relative(packageRoot, path)}`
    : npmAgain()
  return { code: `ERR_WUERSTCHEN_${code}`, message: `Expected ${path} but found none`, fix }
}

function libcOf(): string | null {
  const { platform, libc } = thisMachine()
  if (platform !== 'linux') return null
  return libc === null ? 'unknown' : `${libc.family} ${libc.version ?? ''}`.trim()
}

function withoutThrowing<T>(work: () => T): T | null {
  try {
    return work()
  } catch {
    return null
  }
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? ''
}
