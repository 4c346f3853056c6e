/** The story of `runtime install`: which build, from where, fetched or read, verified, unpacked, shown. */

import { join } from 'node:path'
import { expected, LibtorchError } from '../errors'
import { locked } from '../files/lock'
import { verifyFiles } from './bring-archives'
import { BUILDS, type Build } from './builds'
import { fittingBuild } from './commands'
import { inspect } from './find'
import type { Flavour } from './flavours'
import type { Installation } from './job'
import { make } from './make-runtime'
import { LOCK, type Runtime, readRuntime, runtimeName, TARGET } from './runtimes'
import { refuseNowhere, type Source, sourcesOf } from './source'

/** What `installRuntime()` did, or would do. */
export interface InstallResult {
  /** `present`: it was there before. `planned`: a dry run. */
  readonly state: 'installed' | 'present' | 'planned'
  readonly flavour: Flavour
  /** Null for a dry run. */
  readonly runtime: Runtime | null
  /** The archives that it is made of. */
  readonly archives: readonly {
    readonly name: string
    /** Address or path. */
    readonly from: string
    /** Bytes, where they are known. */
    readonly size: number | null
    readonly sha256: string
    /** Whether this call compared its hash. A dry run does so with files, for it downloads nothing. */
    readonly verified: boolean
  }[]
}

export async function install(job: Installation): Promise<InstallResult> {
  const { builds = BUILDS, sha256, from, folder } = job
  const flavour = job.flavour ?? fittingBuild(builds)?.flavour ?? 'cpu'
  const build = sha256 === undefined ? buildOf(flavour, builds) : ownBuild(flavour, from, sha256)
  const sources = sourcesOf(build.archives, job)
  const present = installed(folder, build)
  if (present !== null) return { flavour, archives: shown(sources), state: 'present', runtime: present }
  if (job.dryRun) {
    const measured = await verifyFiles(sources, job)
    return { flavour, archives: shown(measured, isFile), state: 'planned', runtime: null }
  }
  refuseNowhere(sources, build)
  for (;;) {
    const made = await underLock(job, async (whole): Promise<Omit<InstallResult, 'flavour'>> => {
      // Somebody else may have installed it while this one waited.
      const meanwhile = installed(folder, build)
      if (meanwhile !== null) return { state: 'present', archives: shown(sources), runtime: meanwhile }
      return {
        state: 'installed',
        runtime: await make(build, sources, whole),
        archives: shown(sources, () => true),
      }
    })
    // Null: taken for dead, for this process was stopped for a while. It waits in line like any other.
    if (made !== null) return { ...made, flavour: made.runtime?.flavour ?? flavour }
  }
}

/** Runs `work` while this process holds the folder's lock, with a signal that ends with the lock; null if others took it. */
async function underLock<T>(job: Installation, work: (job: Installation) => Promise<T>): Promise<T | null> {
  const stop = new AbortController()
  const abort = () => stop.abort(job.signal.reason)
  let displaced = false
  job.signal.throwIfAborted()
  job.signal.addEventListener('abort', abort)
  try {
    return await locked(join(job.folder, LOCK), { signal: job.signal }, (lost) => {
      lost.addEventListener('abort', () => {
        displaced = true
        stop.abort(lost.reason)
      })
      return work({ ...job, signal: stop.signal })
    })
  } catch (error) {
    if (displaced && !job.signal.aborted) return null
    throw error
  } finally {
    job.signal.removeEventListener('abort', abort)
  }
}

function buildOf(flavour: Flavour, builds: readonly Build[]): Build {
  const build = builds.find((one) => one.flavour === flavour && one.target === TARGET)
  if (build !== undefined) return build
  const available = builds.filter(({ target }) => target === TARGET).map((one) => one.flavour)
  const known = available.length > 0 ? `only ${available.join(', ')}` : 'none'
  throw new LibtorchError(
    'RUNTIME_UNAVAILABLE',
    `Expected a build of ${flavour} for ${TARGET} but this package knows the hashes of ${known}. An official archive ` +
      'that you downloaded is taken with --from FILE --sha256 HASH, and a PyTorch in a Python environment with ' +
      'WUERSTCHEN_LIBTORCH.',
    { details: { flavour, target: TARGET, available } },
  )
}

/** One archive that the caller vouches for. */
function ownBuild(flavour: Flavour, from: string | undefined, sha256: string): Build {
  if (from === undefined) throw expected('sha256', 'given together with from', sha256)
  return { flavour, target: TARGET, version: '', archives: [{ url: from, size: null, sha256 }] }
}

/** What the caller vouches for is installed again: its version is not known before. So is one that lost its libraries. */
function installed(folder: string, { version, flavour, target }: Build): Runtime | null {
  if (version === '') return null
  const name = runtimeName(version, flavour, target)
  const path = join(folder, name)
  return 'reason' in inspect({ source: 'runtime', path }, null) ? null : readRuntime(path, name)
}

const isFile = ({ from }: Source) => 'file' in from

function shown(
  sources: readonly Source[],
  verified: (source: Source) => boolean = () => false,
): InstallResult['archives'] {
  return sources.map((source) => {
    const { name, size, sha256, from } = source
    const place = 'url' in from ? from.url.href : 'file' in from ? from.file : name
    return { name, from: place, size, sha256, verified: verified(source) }
  })
}
