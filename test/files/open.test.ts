/** A FIFO waits for whoever writes to it, a device may never end: neither is a file of a model. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { ImageEmbeddings, listModels, PromptEmbeddings } from '../../lib'
import { openRegular, readRegularSync } from '../../lib/files/open'
import { RepositoryCache } from '../../lib/hub/cache'
import { openModel } from '../../lib/model/layout'
import { readLora } from '../../lib/model/lora'
import { readHeader, readShardIndex } from '../../lib/model/safetensors'
import { hubLayout } from '../support/hub-layout'
import { folderOf, removeFolders, writeFiles } from '../support/temporary-folder'

afterEach(removeFolders)

const hasFifos = process.platform !== 'win32'
const test = hasFifos ? it : it.skip

/** A FIFO in the file's place. Nobody ever writes to it. */
function fifo(path: string): string {
  rmSync(path, { force: true })
  mkdirSync(join(path, '..'), { recursive: true })
  if (spawnSync('mkfifo', [path]).status !== 0) throw new Error('mkfifo failed')
  return path
}

const invalid = (code: string) => ({
  code: `ERR_WUERSTCHEN_${code}`,
  message: expect.stringMatching(/a FIFO and no file/),
})

describe('a FIFO', () => {
  test('is not waited for as weights, as an index of shards, or as embeddings', async () => {
    const path = fifo(join(folderOf({}), 'a.safetensors'))
    await expect(readHeader(path)).rejects.toMatchObject(invalid('WEIGHTS_INVALID'))
    await expect(readLora(path, { prior: [], priorTextEncoder: [], decoder: [] })).rejects.toMatchObject(
      invalid('WEIGHTS_INVALID'),
    )
    await expect(readShardIndex(path)).rejects.toMatchObject(invalid('MODEL_INVALID'))
    await expect(ImageEmbeddings.fromFile(path)).rejects.toMatchObject(invalid('WEIGHTS_INVALID'))
    await expect(PromptEmbeddings.fromFile(path)).rejects.toMatchObject(invalid('WEIGHTS_INVALID'))
  })

  test.each(['model_index.json', 'decoder/config.json', 'README.md'])(
    'is not waited for as %s',
    async (name) => {
      const decoder = hubLayout()
      fifo(join(decoder, name))
      await expect(openModel(decoder)).rejects.toMatchObject(invalid('MODEL_INVALID'))
    },
  )

  test('is not waited for in the folder of downloaded models', () => {
    const cacheDir = folderOf({})
    const model = join(cacheDir, 'models--a--b')
    fifo(join(model, 'refs', 'main'))
    fifo(join(model, 'snapshots', 'c'.repeat(40), 'model_index.json'))
    expect(new RepositoryCache(cacheDir, { repository: 'a/b', revision: 'main' }).knownCommit()).toBeNull()
    expect(listModels({ cacheDir })).toEqual([])
    writeFiles(model, { 'refs/other': 'c'.repeat(40), [`snapshots/${'d'.repeat(40)}/config.json`]: '{}' })
    expect(listModels({ cacheDir })).toEqual([])
  })
})

describe('openRegular()', () => {
  test('refuses devices and folders, and says what they are', async () => {
    await expect(openRegular('/dev/zero')).rejects.toThrow('it is a device and no file')
    await expect(openRegular(folderOf({}))).rejects.toThrow('it is a folder and no file')
    expect(() => readRegularSync('/dev/zero')).toThrow('it is a device and no file')
  })

  it('opens files', async () => {
    const handle = await openRegular(join(folderOf({ file: 'x' }), 'file'))
    expect(await handle.readFile('utf8')).toBe('x')
    await handle.close()
  })
})
