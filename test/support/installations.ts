import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { PART_BYTES } from '../../lib/download/part-notes'
import type { Build } from '../../lib/libtorch/builds'
import type { Installation } from '../../lib/libtorch/job'
import { libraryName } from '../../lib/libtorch/libraries'
import { FileServer } from './file-server'
import { buildOf, wheelOf } from './made-up-libtorch'
import { ensureDist } from './node-process'
import { folderOf, removeFolders } from './temporary-folder'

export const CPU = libraryName('torch_cpu')
export const SMALL = wheelOf()
/** Three parts, the last one short. */
export const LARGE = wheelOf('2.13.0+cpu', randomBytes(2 * PART_BYTES + 99))

export let server: FileServer
export let folder: string

/** Every test of a file has a server of its own, and a folder for runtimes. */
export function useServer(): void {
  beforeAll(() => ensureDist())
  beforeEach(async () => {
    server = await FileServer.start({ '/small.whl': SMALL, '/large.whl': LARGE })
    folder = join(folderOf({}), 'libtorch')
  })
  afterEach(async () => {
    await server.stop()
    removeFolders()
  })
}

/** Its path. */
export const fileWith = (bytes: Buffer, name = 'own.whl') => join(folderOf({ [name]: bytes }), name)

export function jobWith(changes: Partial<Installation> = {}): Installation {
  return {
    folder,
    flavour: 'cpu',
    required: ['2.13'],
    signal: new AbortController().signal,
    onProgress: () => undefined,
    silenceMs: 1000,
    ...changes,
  }
}

export const large = (): readonly Build[] => [buildOf(server.endpoint, { '/large.whl': LARGE })]
export const small = (): readonly Build[] => [buildOf(server.endpoint, { '/small.whl': SMALL })]
export const partsAsked = () => server.seen.filter(({ path }) => path === '/large.whl').length

export function refusal(
  running: Promise<unknown>,
): Promise<Error & { code: string; details: Record<string, unknown> }> {
  return running.then(
    () => {
      throw new Error('Expected it to be rejected')
    },
    (error) => error,
  )
}

/** All files below the folder, but for what a later installation may go on with. */
export function filesIn(root: string): string[] {
  if (!existsSync(root)) return []
  const entries = readdirSync(root, { recursive: true, withFileTypes: true, encoding: 'utf8' })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(root.length + 1))
    .sort()
}
