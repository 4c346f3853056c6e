import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { hubSettings } from '../../lib/hub/settings'
import { snapshotIn } from '../../lib/hub/snapshot-name'
import { locateModel, type ModelFolders, type ModelName, readModelName } from '../../lib/pipeline/locate'
import { folderOf, removeFolders } from '../support/temporary-folder'

afterAll(removeFolders)

const OPTIONS = {
  prior: undefined,
  revision: undefined,
  hub: hubSettings({ localFilesOnly: true }),
  signal: undefined,
  onProgress: undefined,
}

describe('readModelName()', () => {
  it('takes ids, paths and file: URLs', () => {
    expect(readModelName('model', 'warp-ai/wuerstchen')).toBe('warp-ai/wuerstchen')
    expect(readModelName('model', 'a/b c')).toBe('a/b c')
    const path = resolve('a folder/ü')
    expect(readModelName('model', pathToFileURL(path))).toBe(path)
    expect(readModelName('model', pathToFileURL(path).href)).toBe(path)
  })

  it.each([
    [null, /^Expected model to be the path of a folder or the id of a model but received null$/],
    ['', /received ''/],
    [7, /received 7/],
    ['a\0b', /path of a folder/],
    [
      'https://huggingface.co/warp-ai/wuerstchen',
      /not an address: for a model on the hub say 'warp-ai\/wuerstchen',/,
    ],
    ['https://huggingface.co/warp-ai/wuerstchen/tree/main', /say 'warp-ai\/wuerstchen'/],
    ['http://host/', /not an address, but received 'http:\/\/host\/'/],
    [new URL('https://host/a'), /not an address/],
    ['file://elsewhere/a', /Expected model to be a file: URL of this machine/],
    ['hf://warp-ai/wuerstchen', /not an address: for a model on the hub say 'warp-ai\/wuerstchen',/],
    ['hf://models/warp-ai/wuerstchen@main', /say 'warp-ai\/wuerstchen@main',/],
    ['huggingface.co/warp-ai/wuerstchen', /say 'warp-ai\/wuerstchen',/],
    ['hf.co/warp-ai/wuerstchen/', /say 'warp-ai\/wuerstchen',/],
    ['s3://bucket/model', /not an address, but received 's3:\/\/bucket\/model'/],
  ])('refuses %p and says what to type', (given, message) => {
    expect(() => readModelName('model', given)).toThrow(message)
  })

  it('says what ~ would be, and nothing of the folders of others', () => {
    expect(() => readModelName('model', '~/models/x')).toThrow(`here it is '${join(homedir(), 'models/x')}'`)
    expect(() => readModelName('model', '~')).toThrow(`here it is '${homedir()}'`)
    expect(() => readModelName('model', '~bob/x')).toThrow(/only shells know ~, but received '~bob\/x'$/)
  })

  it('takes a folder that is there, whatever its name looks like', () => {
    const before = process.cwd()
    process.chdir(folderOf({ 'hf.co/a/b/file': '', '~x/file': '' }))
    try {
      expect(readModelName('model', 'hf.co/a/b')).toBe('hf.co/a/b')
      expect(readModelName('model', '~x')).toBe('~x')
    } finally {
      process.chdir(before)
    }
  })
})

describe('locateModel()', () => {
  it.each([
    [{ device: 'cpu' }, 'an object with device'],
    [{ prior: 'a/b', dtype: 'int8', seed: 1, threads: 2 }, 'an object with prior, dtype, seed'],
    [{}, 'an object'],
  ])('says where options belong: %j', async (given, received) => {
    const locating = locateModel(given as never, {} as never)
    await expect(locating).rejects.toThrow(
      `Expected model to be the path of a folder or the id of a model, or what pullModel() returned, but received ${received}. ` +
        'Options are the second argument: undefined before them means the model of the package.',
    )
    await expect(locating).rejects.toMatchObject({ details: { name: 'model' } })
  })

  it('says what a folder of a model is called', async () => {
    const mistyped = { decodr: '/m/d' }
    await expect(locateModel(mistyped as never, {} as never)).rejects.toThrow(
      "Unknown option 'decodr'. Did you mean 'decoder'?",
    )
  })

  it('takes the folders that pullModel() returns', async () => {
    const folders: ModelFolders = { decoder: '/m/d', prior: '/m/p', rest: undefined, other: undefined }
    expect(await locateModel(folders, OPTIONS)).toEqual(folders)
    await expect(locateModel(folders, { ...OPTIONS, prior: '/other' })).rejects.toThrow(
      /prior to be left out/,
    )
    await expect(locateModel(folders, { ...OPTIONS, revision: 'main' })).rejects.toThrow(
      /revision to be left out/,
    )
    await expect(locateModel({ ...folders, extra: 1 } as ModelFolders, OPTIONS)).rejects.toThrow(
      /Unknown option 'extra'/,
    )
  })

  it('refuses null like every other null', async () => {
    await expect(locateModel(null as unknown as ModelName, OPTIONS)).rejects.toMatchObject({
      code: 'ERR_WUERSTCHEN_INVALID_ARGUMENT',
    })
  })
})

describe('snapshotIn()', () => {
  it('knows the repository and commit of a snapshot in the cache, and no other folder', () => {
    const commit = 'a'.repeat(40)
    expect(snapshotIn(`/c/models--warp-ai--wuerstchen/snapshots/${commit}`)).toEqual({
      repository: 'warp-ai/wuerstchen',
      commit,
    })
    expect(snapshotIn(`/c/wuerstchen/snapshots/${commit}`)).toBeNull()
    expect(snapshotIn('/c/models--warp-ai--wuerstchen/snapshots/main')).toBeNull()
  })
})
