/** libtorch, installed by this package itself: for GPUs, and where no platform package brings it. */

import { rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { callbacks } from './checks/callbacks'
import { checkNames } from './checks/names'
import { joinSignals } from './checks/signals'
import * as check from './checks/values'
import { noSpace } from './download/messages'
import { shownProxies, Unreachable } from './download/network-error'
import { bug, DownloadError, expected, InvalidArgumentError, WuerstchenError } from './errors'
import { absolute } from './files/absolute'
import { cacheSetting, NO_HOME, refuseObstacle } from './files/caches'
import { entriesIfAny } from './files/entries'
import { obstacleTo } from './files/links'
import { locked } from './files/lock'
import { FLAVOURS, type Flavour } from './libtorch/flavours'
import { type InstallResult, install } from './libtorch/install'
import type { Installation, RuntimeProgress } from './libtorch/job'
import { sweep } from './libtorch/make-runtime'
import {
  DOWNLOADS,
  LOCK,
  type Runtime,
  runtimesFolder,
  runtimesIn,
  STAGING,
  TARGET,
} from './libtorch/runtimes'
import { compiledTorch } from './native/binding'

export interface RuntimesOptions {
  /** Folder of the runtimes. Defaults to `libtorch` in WUERSTCHEN_CACHE or ~/.cache/wuerstchen, where it is also looked for. */
  readonly folder?: string | undefined
}

export interface InstallRuntimeOptions extends RuntimesOptions {
  /** `cpu`, or CUDA 12.6 or 13.0. Defaults to what this machine's GPU and its driver run; without a GPU, `cpu`. */
  readonly flavour?: Flavour | undefined
  /**
   * Where the official archives are taken from instead: a file, a folder, or an http(s) address. A folder, or an address that
   * ends with a slash, has them under their names. WUERSTCHEN_LIBTORCH_MIRROR names such an address for every installation.
   */
  readonly from?: string | undefined
  /** sha256 of the archive in `from`, 64 hexadecimal digits, for an official one whose hash this package does not know. */
  readonly sha256?: string | undefined
  /** Says what would be done, and writes nothing. Files of `from` are compared with their hashes. Defaults to `false`. */
  readonly dryRun?: boolean | undefined
  readonly onProgress?: ((progress: RuntimeProgress) => void) | undefined
  /** Stops the installation; what is downloaded stays for the next one. */
  readonly signal?: AbortSignal | undefined
}

const NAMES: Readonly<Record<keyof InstallRuntimeOptions, true>> = {
  folder: true,
  flavour: true,
  from: true,
  sha256: true,
  dryRun: true,
  onProgress: true,
  signal: true,
}

/**
 * Downloads an official libtorch, checks it against the hashes in this package, and puts its libraries where pipelines look
 * for them. Safe to call from several processes at once; one that is there is left as it is.
 * @throws DownloadError, LibtorchError, InvalidArgumentError; rejects with the signal's reason when it aborts.
 */
export async function installRuntime(options: InstallRuntimeOptions = {}): Promise<InstallResult> {
  checkNames(options, Object.keys(NAMES))
  const { signal } = options
  if (signal !== undefined) check.abortSignal('signal', signal)
  const calls = callbacks()
  const onProgress = options.onProgress && check.callback('onProgress', options.onProgress)
  const stop = joinSignals(signal)
  const job = { ...checked(options, calls.calling(onProgress)), signal: stop.signal }
  try {
    const installed = await install(job)
    await calls.finished()
    return installed
  } catch (error) {
    signal?.throwIfAborted()
    if (calls.threw(error)) throw error
    throw asOurs(error, job)
  } finally {
    stop.release()
  }
}

function checked(
  options: InstallRuntimeOptions,
  onProgress: Installation['onProgress'],
): Omit<Installation, 'signal'> {
  const { flavour, from, sha256, dryRun = false } = options
  check.boolean('dryRun', dryRun)
  if (sha256 !== undefined && !(typeof sha256 === 'string' && /^[0-9a-f]{64}$/i.test(sha256)))
    throw expected('sha256', '64 hexadecimal digits', sha256)
  return {
    folder: folderOf(options),
    flavour: flavour === undefined ? undefined : check.oneOf('flavour', flavour, FLAVOURS),
    from: from === undefined ? undefined : nonEmpty('from', from),
    mirror: process.env.WUERSTCHEN_LIBTORCH_MIRROR,
    sha256: sha256?.toLowerCase(),
    required: compiledIfAny(),
    dryRun,
    onProgress,
  }
}

/** The runtimes that were installed, also those for other machines that share the folder. */
export function listRuntimes(options: RuntimesOptions = {}): readonly Runtime[] {
  checkNames(options, ['folder'])
  if (options.folder === undefined && runtimesFolder() === null) return []
  return runtimesIn(folderOf(options))
}

/**
 * Removes installed runtimes, and what unfinished installations left behind.
 * @param name a runtime's name, a flavour for all of it that this machine uses, or `'all'`.
 * @returns what was removed.
 */
export async function removeRuntime(
  name: string,
  options: RuntimesOptions = {},
): Promise<readonly Runtime[]> {
  checkNames(options, ['folder'])
  const folder = folderOf(options)
  const chosen = runtimesIn(folder).filter((one) => isMeant(one, name))
  if (chosen.length === 0 && name !== 'all') throw notInstalled(name, folder)
  try {
    await locked(join(folder, LOCK), {}, async () => {
      for (const runtime of chosen) await rename(runtime.folder, join(folder, `${STAGING}${runtime.name}`))
      await sweep(folder)
      if (name === 'all') await rm(join(folder, DOWNLOADS), { recursive: true, force: true })
    })
  } catch (error) {
    throw asOurs(error, { folder })
  }
  return chosen
}

function isMeant({ name, flavour, target }: Runtime, wanted: string): boolean {
  return wanted === 'all' || wanted === name || (wanted === flavour && target === TARGET)
}

function notInstalled(name: unknown, folder: string): Error {
  const names = runtimesIn(folder).map((one) => one.name)
  return expected(
    'name',
    `'all' or one of ${names.join(', ') || 'the runtimes, of which none is installed'}`,
    name,
  )
}

/** Behind a file, or a link that leads nowhere, there is nothing to list, and nothing can be put there. */
function folderOf({ folder: given }: RuntimesOptions): string {
  const folder =
    given === undefined ? (runtimesFolder() ?? refuseHomeless()) : absolute(nonEmpty('folder', given))
  const setting = given === undefined ? cacheSetting() : 'option folder'
  const reason = obstacleTo(folder) ?? unreadable(folder)
  refuseObstacle(folder, { what: 'runtimes', name: 'folder', setting }, reason)
  return folder
}

function refuseHomeless(): never {
  throw new InvalidArgumentError(
    `Expected a folder for runtimes but ${NO_HOME}. Name one with --folder, or with WUERSTCHEN_CACHE`,
    { details: { name: 'folder' } },
  )
}

/** One that is not there has nothing; one that cannot be read is another matter. */
function unreadable(folder: string): string | null {
  try {
    entriesIfAny(folder)
    return null
  } catch (error) {
    return (error as Error).message
  }
}

function nonEmpty(name: string, value: unknown): string {
  if (typeof value === 'string' && value !== '') return value
  throw expected(name, 'a non-empty string', value)
}

/** A package without its engine can still fetch a libtorch. */
function compiledIfAny(): Installation['required'] {
  try {
    return compiledTorch()
  } catch {
    return null
  }
}

/** Whatever was thrown on the way becomes one of our errors. */
function asOurs(error: unknown, { folder }: Pick<Installation, 'folder'>): WuerstchenError {
  if (error instanceof WuerstchenError) return error
  if (error instanceof Unreachable) {
    const { message, cause, details } = error
    const help = `What may help: ${shownProxies()}, WUERSTCHEN_LIBTORCH_MIRROR, or --from with archives that you have.`
    return new DownloadError('DOWNLOAD_FAILED', `${message} ${help}`, {
      cause,
      ...(details ? { details } : {}),
    })
  }
  const { code, message } = (error ?? {}) as NodeJS.ErrnoException
  if (code === 'ENOSPC' || code === 'EDQUOT') return noSpace(folder, null, null, error)
  if (typeof code === 'string' && /^E[A-Z0-9]+$/.test(code)) {
    return new WuerstchenError(
      'FILE_NOT_WRITTEN',
      `Expected to write runtimes below ${folder} but ${message}`,
      {
        cause: error,
        details: { file: folder },
      },
    )
  }
  return bug(`An installation failed: ${error instanceof Error ? error.message : String(error)}.`, {
    cause: error,
  })
}
