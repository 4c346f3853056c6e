import { megabytes } from '../files/megabytes'
import { shownPath } from '../files/shown-path'
import {
  type Flavour,
  type InstallResult,
  installRuntime,
  listRuntimes,
  type Runtime,
  removeRuntime,
} from '../index'
import { interruptSignal } from './exit'
import { say } from './output'
import { showProgress } from './progress'

interface FolderFlags {
  readonly folder?: string
  readonly json?: boolean
}

interface InstallFlags extends FolderFlags {
  readonly from?: string
  readonly sha256?: string
  readonly dryRun?: boolean
  readonly quiet?: boolean
}

/** `wuerstchen runtime install [flavour]` */
export async function installedRuntime(flavour: string | undefined, flags: InstallFlags): Promise<void> {
  const { from, sha256, dryRun, folder } = flags
  const progress = await showProgress(1, { quiet: flags.quiet ?? false })
  try {
    const result = await installRuntime({
      flavour: flavour as Flavour | undefined,
      from,
      sha256,
      dryRun,
      folder,
      signal: interruptSignal(),
      onProgress: ({ step, done, total }) => progress.bytes(step, done, total),
    })
    if (flags.json) {
      progress.print(JSON.stringify(result))
      return
    }
    const { state, runtime, archives } = result
    if (runtime !== null)
      progress.print(`${shownPath(runtime.folder)}${state === 'present' ? ' (was there)' : ''}`)
    else for (const line of plan(result.flavour, archives)) progress.print(line)
  } finally {
    progress.stop()
  }
}

function plan(flavour: string, archives: InstallResult['archives']): string[] {
  const sizes = archives.map(({ size }) => size)
  const known = sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0)
  // A dry run asks no server.
  const total = sizes.includes(null) ? 'whose size its server tells when it is downloaded' : megabytes(known)
  return [
    `${flavour}: ${archives.length} ${archives.length === 1 ? 'archive' : 'archives'}, ${total}`,
    ...archives.map((one) => `${shownPath(one.from)}\n  sha256 ${one.sha256}, ${comparison(one)}`),
  ]
}

/** When the hash is compared with what is there. */
function comparison({ from, verified }: InstallResult['archives'][number]): string {
  if (verified) return 'which the file has'
  return /^https?:/.test(from) ? 'compared after the download' : 'compared when it is installed'
}

/** `wuerstchen runtime list` */
export function listedRuntimes(flags: FolderFlags): void {
  const runtimes = listRuntimes({ folder: flags.folder })
  if (flags.json) console.log(JSON.stringify(runtimes))
  else if (runtimes.length === 0) console.log("none; 'npx wuerstchen runtime install' brings one")
  else for (const runtime of runtimes) say(lineOf(runtime))
}

/** `wuerstchen runtime remove NAME` */
export async function removedRuntimes(name: string, flags: FolderFlags): Promise<void> {
  const removed = await removeRuntime(name, { folder: flags.folder })
  for (const runtime of removed) say(`removed ${lineOf(runtime)}`)
}

function lineOf({ name, version, size, folder }: Runtime): string {
  return `${name}  ${version}  ${megabytes(size)}  ${folder}`
}
