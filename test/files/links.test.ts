/** Folders behind links that lead nowhere: one clear error, which names the setting and the link. */
import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import {
  installRuntime,
  listModels,
  listRuntimes,
  pullModel,
  removeRuntime,
  WuerstchenPipeline,
} from '../../lib'
import { makeFolder } from '../../lib/files/folder'
import { brokenLink } from '../../lib/files/links'
import { weightsCacheOf } from '../../lib/loading/weights-cache'
import { openStore } from '../../lib/queue/store'
import { storeMistakes } from '../../lib/server/config/contradictions'
import { runCli } from '../support/node-process'
import { folderOf, removeFolders } from '../support/temporary-folder'

afterEach(removeFolders)

/** A link to nothing, and one to itself, with what is said of them. */
function links(): (readonly [string, string])[] {
  const folder = folderOf({ there: {} })
  const [nowhere, loop, fine] = ['nowhere', 'loop', 'fine'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ]
  symlinkSync('/nonexistent/disk', nowhere)
  symlinkSync(loop, loop)
  symlinkSync('there', fine)
  for (const path of [fine, folder, join(folder, 'new', 'cache')]) expect(brokenLink(path)).toBeNull()
  return [
    [nowhere, `${nowhere} is a link to /nonexistent/disk, which does not exist`],
    [loop, `${loop} is a link to ${loop}, which leads back to it`],
  ]
}

const refusalOf = async (work: () => unknown): Promise<Error & { code: string }> => {
  try {
    await work()
  } catch (error) {
    return error as never
  }
  throw new Error('Expected it to be rejected')
}

describe('a link that leads nowhere', () => {
  it('is named by whoever makes a folder there, or below', async () => {
    for (const [link, reason] of links()) {
      expect((await refusalOf(() => makeFolder(link))).message).toBe(reason)
      expect((await refusalOf(() => makeFolder(join(link, 'a', 'b')))).message).toBe(reason)
    }
  })

  it('in place of the cache of models is told of by all that read it', async () => {
    for (const [link, reason] of links()) {
      for (const cacheDir of [link, join(link, 'hub')]) {
        const refusal = {
          code: 'ERR_WUERSTCHEN_CACHE_UNUSABLE',
          message: expect.stringMatching(/^Expected the folder of downloaded models \(option cacheDir\) /),
          details: { folder: cacheDir, setting: 'option cacheDir' },
        }
        for (const work of [
          () => listModels({ cacheDir }),
          () => pullModel('tests/small', { cacheDir }),
          () => WuerstchenPipeline.fromPretrained('tests/small', { cacheDir, localFilesOnly: true }),
        ]) {
          const error = await refusalOf(work)
          expect(error).toMatchObject(refusal)
          expect(error.message).toContain(reason)
        }
      }
    }
  })

  it('in place of the cache of models ends commands with one line', () => {
    for (const [link, reason] of links()) {
      for (const [args, variables, setting] of [
        [['models'], { HF_HOME: link }, 'HF_HOME'],
        [['pull', 'tests/small'], { HF_HUB_CACHE: link }, 'HF_HUB_CACHE'],
      ] as const) {
        const unset: Record<string, string> = { HF_HUB_CACHE: '', HF_HOME: '' }
        const { status, stdout, stderr } = runCli(args, { ...unset, ...variables })
        expect([status, stdout]).toEqual([1, ''])
        expect(stderr).toContain(`(${setting})`)
        expect(stderr).toContain(reason)
      }
    }
  })

  it('in place of the folder of runtimes is told of by all calls', async () => {
    for (const [folder, reason] of links()) {
      for (const work of [
        () => listRuntimes({ folder }),
        () => removeRuntime('all', { folder }),
        () => installRuntime({ folder, dryRun: true }),
      ]) {
        expect(await refusalOf(work)).toMatchObject({
          code: 'ERR_WUERSTCHEN_INVALID_ARGUMENT',
          message: `Expected the folder of runtimes (option folder) to be a folder but ${reason}`,
        })
      }
    }
  })

  it('in place of the cache of weights is told of, by option and by variable', async () => {
    for (const [link, reason] of links()) {
      const error = await refusalOf(() => weightsCacheOf(join(link, 'weights')))
      expect(error).toMatchObject({
        code: 'ERR_WUERSTCHEN_INVALID_ARGUMENT',
        message: `Expected the folder of converted weights (option weightsCache) to be a folder but ${reason}`,
      })
      const named = await refusalOf(() => weightsCacheOf(undefined, { env: { WUERSTCHEN_CACHE: link } }))
      expect(named.message).toContain('(WUERSTCHEN_CACHE)')
      expect(weightsCacheOf(false, { env: { WUERSTCHEN_CACHE: link } })).toBeNull()
    }
  })

  it('in place of the store of a queue is told of before a server starts, and by the store', async () => {
    for (const [store, reason] of links()) {
      expect(storeMistakes({ queue: 'redis://x', store })).toEqual([expect.stringContaining(reason)])
      expect((await refusalOf(() => openStore(store).identity())).message).toContain(reason)
    }
  })
})
