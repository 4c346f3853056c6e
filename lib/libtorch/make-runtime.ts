/** Makes a runtime of its archives: under a name that nobody reads, and renamed once it is whole. */

import { randomUUID } from 'node:crypto'
import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { checkSpace } from '../download/space'
import { makeFolder } from '../files/folder'
import { invalid, openArchive, sizeOf, unpack } from './archive'
import { bring } from './bring-archives'
import type { Build } from './builds'
import { inspect, type Libtorch } from './find'
import { FLAVOURS, type Flavour } from './flavours'
import type { Installation } from './job'
import { hasCuda, libraryName } from './libraries'
import { DOWNLOADS, NOTE, type Runtime, runtimeName, STAGING } from './runtimes'
import type { Source } from './source'

/** Libraries to their archive: 2.3 for the CPU's wheel. Once an archive is here, its own sizes count. */
const UNPACKED_RATIO = 2.5

/** Only for whoever holds the folder's lock: nobody else writes there. */
export async function make(build: Build, sources: readonly Source[], job: Installation): Promise<Runtime> {
  await makeFolder(job.folder)
  await sweep(job.folder)
  await checkSpace(await estimate(sources, job.folder), job)
  const files = await bring(sources, job)
  const staging = join(job.folder, `${STAGING}${randomUUID()}`)
  try {
    const size = await unpackAll(files, staging, job)
    const runtime = { ...describe(build, staging, files[0] ?? '', job), size }
    await writeFile(join(staging, NOTE), JSON.stringify({ ...runtime, name: undefined, folder: undefined }))
    await place(staging, runtime.folder)
    await rm(join(job.folder, DOWNLOADS), { recursive: true, force: true })
    return runtime
  } catch (error) {
    await rm(staging, { recursive: true, force: true }).catch(() => undefined) // told is what went wrong first
    throw error
  }
}

/** What killed processes left behind, but not what they had downloaded. */
export async function sweep(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => [])
  const left = names.filter((name) => name.startsWith(STAGING))
  await Promise.all(left.map((name) => rm(join(folder, name), { recursive: true, force: true })))
}

/** Gives it its name. One that is there, of an archive that the caller vouched for, is replaced. */
async function place(staging: string, folder: string): Promise<void> {
  const old = `${staging}-old`
  const replaced = await rename(folder, old).then(
    () => true,
    () => false,
  )
  await rename(staging, folder)
  if (replaced) await rm(old, { recursive: true, force: true })
}

/** Bytes that will be needed, less those of a download that was begun. */
async function estimate(sources: readonly Source[], folder: string): Promise<number> {
  const sum = (ratioOf: (source: Source) => number) =>
    sources.reduce((total, source) => total + (source.size ?? 0) * ratioOf(source), 0)
  const names = await readdir(join(folder, DOWNLOADS)).catch(() => [])
  const begun = await Promise.all(names.map((name) => stat(join(folder, DOWNLOADS, name)).catch(() => null)))
  const here = begun.reduce((total, stats) => total + (stats?.blocks ?? 0) * 512, 0)
  return Math.max(0, sum(({ from }) => ('url' in from ? 1 : 0)) - here) + sum(() => UNPACKED_RATIO)
}

/** Returns the bytes of all files. */
async function unpackAll(files: readonly string[], staging: string, job: Installation): Promise<number> {
  const archives = []
  try {
    for (const file of files) archives.push(await openArchive(file))
    const total = archives.reduce((sum, archive) => sum + sizeOf(archive), 0)
    await checkSpace(total, job)
    let done = 0
    const onBytes = (bytes: number) => {
      done += bytes
      job.onProgress({ type: 'runtime', step: 'unpack', done, total })
    }
    await mkdir(staging)
    for (const archive of archives) await unpack(archive, staging, { signal: job.signal, onBytes })
    return total
  } finally {
    for (const { zip } of archives) zip.close()
  }
}

/** What was unpacked, by its own files. */
function describe(build: Build, staging: string, file: string, job: Installation): Omit<Runtime, 'size'> {
  const found = inspect({ source: 'runtime', path: staging }, job.required)
  if ('reason' in found) throw invalid(file, `it cannot be used: ${found.reason}. Nothing was installed`)
  const { version } = found
  if (version === null) throw invalid(file, `beside its ${libraryName('torch_cpu')} is no version`)
  if (build.version !== '' && !version.startsWith(build.version))
    throw invalid(file, `it holds version ${version}, not ${build.version}`)
  const flavour = build.version === '' ? flavourOf(found, version, file, job.flavour) : build.flavour
  const name = runtimeName(version, flavour, build.target)
  return { name, flavour, version, target: build.target, folder: join(job.folder, name) }
}

/** `2.13.0+cu126` -> `cu126`. @throws LibtorchError where it is not the flavour that was asked for, or none that we know. */
function flavourOf({ directory }: Libtorch, version: string, file: string, asked?: Flavour): Flavour {
  const cuda = hasCuda(directory)
  const local = version.split('+')[1] ?? 'cpu'
  // A version may be silent about its CUDA.
  const said = cuda && local === 'cpu' ? 'for CUDA' : local
  const flavour = said === 'for CUDA' && asked !== 'cpu' ? asked : FLAVOURS.find((one) => one === said)
  if (flavour !== undefined && flavour === (asked ?? flavour)) return flavour
  const what = `it is ${said}, not ${asked ?? `one of ${FLAVOURS.join(', ')}`}`
  throw invalid(file, `${what}. Nothing was installed`)
}
