/** Folders behind links that lead nowhere, or behind plain files: one clear error, which names the setting and what is there. */
import { existsSync, symlinkSync, writeFileSync } from 'node:fs'
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
import { obstacleTo } from '../../lib/files/links'
import { saveFile } from '../../lib/files/save'
import { weightsCacheOf } from '../../lib/loading/weights-cache'
import { openStore } from '../../lib/queue/store'
import { storeMistakes } from '../../lib/server/config/contradictions'
import { runCli } from '../support/node-process'
import { folderOf, removeFolders } from '../support/temporary-folder'

afterEach(removeFolders)

/** A link to nothing, one to itself, a file, and a link to it, with what is said of them. */
function links(): (readonly [string, string])[] {
  const folder = folderOf({ 'there/inside': '' })
  const names = ['nowhere', 'loop', 'fine', 'file', 'to-file']
  const [nowhere, loop, fine, file, toFile] = names.map((name) => join(folder, name)) as Five
  writeFileSync(file, '')
  symlinkSync('file', toFile)
  symlinkSync('/nonexistent/disk', nowhere)
  symlinkSync(loop, loop)
  symlinkSync('there', fine)
  for (const path of [fine, folder, join(folder, 'new', 'cache')]) expect(obstacleTo(path)).toBeNull()
  return [
    [nowhere, `${nowhere} is a link to /nonexistent/disk, which does not exist`],
    [loop, `${loop} is a link to ${loop}, which leads back to it`],
    [file, `${file} is a file and no folder`],
    [toFile, `${toFile} is a link to file, which is a file and no folder`],
  ]
}

type Five = [string, string, string, string, string]

const refusalOf = async (work: () => unknown): Promise<Error & { code: string }> => {
  try {
    await work()
  } catch (error) {
    return error as never
  }
  throw new Error('Expected it to be rejected')
}

describe('a path that leads to no folder', () => {
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

  it('in place of the folder of runtimes ends commands with one line', () => {
    for (const [link, reason] of links()) {
      for (const command of ['list', 'remove all'])
        for (const [flags, variables] of [
          [['--folder', link], {}],
          [[], { WUERSTCHEN_CACHE: link }],
        ] as const) {
          const { status, stdout, stderr } = runCli(['runtime', ...command.split(' '), ...flags], variables)
          expect([status, stdout]).toEqual([2, ''])
          expect(stderr).toContain(reason)
        }
    }
  })

  it('in place of the folder of a picture is told of by all that write one', async () => {
    for (const [link, reason] of links()) {
      const file = join(link, 'cat.png')
      const message = `Expected to write ${file} but ${reason}. Put a folder there, or name another path.`
      const refusal = { code: 'ERR_WUERSTCHEN_FILE_NOT_WRITTEN', message, details: { file } }
      expect(await refusalOf(() => saveFile(file, new Uint8Array(1)))).toMatchObject(refusal)
    }
  })

  it('in place of the folder of a picture ends generate before its work', () => {
    for (const [link, reason] of links()) {
      const captions = join(folderOf({ captions: 'a cat' }), 'captions')
      for (const args of [
        ['a cat', '-o', join(link, 'cat.png')],
        ['a cat', '-o', join(link, 'new', 'cat.png')],
        ['--captions', captions, '--out-dir', link],
      ]) {
        // A model that is not there would be what it tells of, had it begun.
        const { status, stderr } = runCli(['generate', ...args, '--model', '/nonexistent/model'])
        expect(status).toBe(1)
        expect(stderr).toContain('error [ERR_WUERSTCHEN_FILE_NOT_WRITTEN]: Expected to write ')
        expect(stderr).toContain(`${reason}. Put a folder there, or name another path.`)
      }
    }
  })

  it('that is a folder in place of a picture ends generate before its work', () => {
    const folder = folderOf({ 'cat.png/inside': '' })
    const file = join(folder, 'cat.png')
    const { status, stderr } = runCli(['generate', 'a cat', '-o', file, '--model', '/nonexistent/model'])
    expect(status).toBe(1)
    expect(stderr).toContain(
      `[ERR_WUERSTCHEN_FILE_NOT_WRITTEN]: Expected to write ${file} but it is a folder.`,
    )
    expect(existsSync(join(file, 'inside'))).toBe(true)
  })

  it('is shown on one line, whatever its name is', async () => {
    const link = join(folderOf({}), 'a\nb\u001b[31m')
    symlinkSync('/nonexistent/\u009bdisk\n', link)
    const shown = String.raw`a\nb\u001b[31m is a link to /nonexistent/\u009bdisk\n, which does not exist`
    for (const work of [
      () => listModels({ cacheDir: link }),
      () => listRuntimes({ folder: link }),
      () => saveFile(join(link, 'cat.png'), new Uint8Array(1)),
    ]) {
      const { message } = await refusalOf(work)
      expect(message).toContain(shown)
      expect(message).not.toMatch(/\p{Cc}/u)
    }
    const { stderr } = runCli(['generate', 'a cat', '-o', join(link, 'cat.png')])
    expect(stderr).toContain(shown)
    expect(stderr).toContain('name another path')
    expect(stderr.trimEnd()).not.toMatch(/\p{Cc}/u)
  })

  it.each([
    ['generate', '--captions'],
    ['serve', '--config'],
  ])('%s shows the name after %s on one line', (command, flag) => {
    const { status, stderr } = runCli([command, flag, '/nonexistent/a\nb\u001b[31m'])
    expect(status).not.toBe(0)
    expect(stderr).toContain(String.raw`/nonexistent/a\nb\u001b[31m`)
    for (const line of stderr.split('\n')) expect(line).not.toMatch(/\p{Cc}|^b/u)
  })

  it('in place of the store of a queue is told of before a server starts, and by the store', async () => {
    for (const [store, reason] of links()) {
      expect(storeMistakes({ queue: 'redis://x', store })).toEqual([expect.stringContaining(reason)])
      expect((await refusalOf(() => openStore(store).identity())).message).toContain(reason)
    }
  })
})
