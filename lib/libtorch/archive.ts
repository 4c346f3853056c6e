/** Official archives of libtorch, wheels and zips: which of their files are needed, and how these get out of them. */

import { open as openFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Entry, ZipFile } from 'yauzl'
import { LibtorchError, WuerstchenError } from '../errors'
import { makeFolder } from '../files/folder'
import { whyNotRead } from '../files/open'
import { shownPath } from '../files/shown-path'

/** A file of an archive, and where it is kept. */
interface Kept {
  readonly entry: Entry
  /** Path below the runtime's folder, with forward slashes. */
  readonly path: string
}

interface OpenedArchive {
  readonly file: string
  readonly zip: ZipFile
  readonly kept: readonly Kept[]
}

/** As each system spells a shared library: `libc10.so`, `libgomp.so.1`, `libc10.dylib`, `c10.dll`. */
const LIBRARY = /^[^/]+(\.so(\.\w+)*|\.dylib|\.dll)$/
/** For Python, for tests, and what nothing here opens. */
const NOT_NEEDED =
  /^(lib)?(torch_python|torch_global_deps|shm|aoti_custom_ops|backend_with_compiler|jitbackend_test|torchbind_test|nvblas|cufftw|[a-z-]+\.alt)\b/

/** Where a file of an archive is kept, or null. Wheels keep their layout, for their libraries find each other by it. */
function keptAs(name: string): string | null {
  const archive = /^libtorch\/(.*)$/.exec(name)?.[1]
  if (archive !== undefined) {
    if (archive === 'build-version') return archive
    const library = /^lib\/([^/]+)$/.exec(archive)?.[1]
    return library !== undefined && isNeeded(library) ? archive : null
  }
  if (name === 'torch/version.py') return name
  const library = /^(?:torch\/(?:lib|\.dylibs)|nvidia\/[\w.]+\/(?:lib|bin))\/([^/]+)$/.exec(name)?.[1]
  if (library !== undefined) return isNeeded(library) ? name : null
  return /^[\w.+-]+\.dist-info\/(licenses\/.*|LICEN[CS]E[^/]*|NOTICE[^/]*|License[^/]*)$/.test(name)
    ? name
    : null
}

function isNeeded(library: string): boolean {
  return LIBRARY.test(library) && !NOT_NEEDED.test(library)
}

/**
 * Reads an archive's list of files. All names are checked, also of files that are not needed.
 * @throws LibtorchError with RUNTIME_INVALID for what is no such archive, or one that would write elsewhere.
 */
export async function openArchive(file: string): Promise<OpenedArchive> {
  // Only who installs needs it.
  const { open: openZip } = require('yauzl') as typeof import('yauzl')
  const zip = await new Promise<ZipFile>((resolve, reject) => {
    // Names that are absolute, climb, or have backslashes are errors of its own.
    openZip(file, { lazyEntries: true, autoClose: false, strictFileNames: true }, (error, opened) =>
      error ? reject(faultOf(file, error)) : resolve(opened),
    )
  })
  try {
    return { file, zip, kept: await readKept(file, zip) }
  } catch (error) {
    zip.close()
    throw error
  }
}

function readKept(file: string, zip: ZipFile): Promise<readonly Kept[]> {
  const kept = new Map<string, Kept>()
  return new Promise((resolve, reject) => {
    zip.on('error', (error: Error) => reject(faultOf(file, error)))
    zip.on('end', () => resolve([...kept.values()]))
    zip.on('entry', (entry: Entry) => {
      const path = entry.fileName.endsWith('/') ? null : keptAs(entry.fileName)
      if (path !== null && (isLink(entry) || kept.has(path))) {
        const what = isLink(entry) ? 'is a link' : 'is in it twice'
        reject(invalid(file, `${entry.fileName} ${what}`))
        return
      }
      if (path !== null) kept.set(path, { entry, path })
      zip.readEntry()
    })
    zip.readEntry()
  })
}

/** By the mode that a Unix noted: a link could lead a later file elsewhere. */
function isLink({ externalFileAttributes }: Entry): boolean {
  return ((externalFileAttributes >>> 16) & 0o170000) === 0o120000
}

/** Bytes that all kept files have. */
export function sizeOf({ kept }: OpenedArchive): number {
  return kept.reduce((sum, { entry }) => sum + entry.uncompressedSize, 0)
}

interface UnpackOptions {
  readonly signal: AbortSignal
  /** Called with the bytes of each piece written. */
  readonly onBytes: (bytes: number) => void
}

/** Writes the kept files below a folder, and to the disk. */
export async function unpack(
  { file, zip, kept }: OpenedArchive,
  folder: string,
  options: UnpackOptions,
): Promise<void> {
  for (const { entry, path } of kept) {
    const target = join(folder, path)
    await makeFolder(dirname(target))
    const handle = await openFile(target, 'wx', 0o644)
    try {
      for await (const chunk of await streamOf(file, zip, entry)) {
        options.signal.throwIfAborted()
        for (let at = 0; at < chunk.length; )
          at += (await handle.write(chunk, at, chunk.length - at)).bytesWritten
        options.onBytes(chunk.length)
      }
      await handle.sync()
    } finally {
      await handle.close()
    }
  }
}

async function streamOf(file: string, zip: ZipFile, entry: Entry): Promise<AsyncIterable<Buffer>> {
  const stream = await new Promise<AsyncIterable<Buffer>>((resolve, reject) => {
    zip.openReadStream(entry, (error, opened) => (error ? reject(faultOf(file, error)) : resolve(opened)))
  })
  return reading(file, stream, faultOf)
}

/** Whoever installs would take what fails while an archive is read for the folder of runtimes: it is told of the archive. */
export async function* reading(
  file: string,
  stream: AsyncIterable<Buffer>,
  told: (file: string, error: Error) => Error = notRead,
): AsyncGenerator<Buffer> {
  const chunks = stream[Symbol.asyncIterator]()
  try {
    for (;;) {
      const { done, value } = await chunks.next().catch((error: Error) => {
        throw told(file, error)
      })
      if (done) return
      yield value
    }
  } finally {
    await chunks.return?.()
  }
}

/** The system's own error says that the file was not read; any other, what is in it. */
function faultOf(file: string, error: Error): WuerstchenError {
  return 'syscall' in error ? notRead(file, error) : invalid(file, error.message, error)
}

export function notRead(file: string, cause: unknown): WuerstchenError {
  return new WuerstchenError(
    'FILE_NOT_READ',
    `Expected ${shownPath(file)} to be an archive that can be read but ${whyNotRead(cause)}`,
    { cause, details: { file } },
  )
}

export function invalid(file: string, what: string, cause?: unknown): LibtorchError {
  return new LibtorchError(
    'RUNTIME_INVALID',
    `Expected ${file} to be an official archive of libtorch (a wheel of torch, or libtorch-*.zip) but ${what}`,
    { cause, details: { file } },
  )
}
