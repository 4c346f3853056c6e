/** From an id on a hub to a picture, on a machine that has neither the model nor Python. */
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { ROOT } from '../../bench/support/reference'
import { type LoadProgress, listModels, type ModelName, pullModel, WuerstchenPipeline } from '../../lib'
import { LoopbackHub, type Repository } from '../support/loopback-hub'
import { describeBundled } from '../support/models'
import { ensureDist } from '../support/node-process'
import { folderOf, removeFolders } from '../support/temporary-folder'

const QUICK = { priorNumInferenceSteps: 3, numInferenceSteps: 2, seed: 7 }
const CAPTION = 'a red circle on a blue background'

function repositoryOf(folder: string, changes: Readonly<Record<string, string>> = {}): Repository {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  )
  const paths = files.map((entry) => join(entry.parentPath, entry.name))
  return Object.fromEntries([
    ...paths.map((path) => [relative(folder, path).replaceAll('\\', '/'), readFileSync(path)] as const),
    ...Object.entries(changes).map(([path, text]) => [path, Buffer.from(text)] as const),
  ])
}

describeBundled('a model on the hub', () => {
  const shapes = join(ROOT, 'models', 'shapes')
  let hub: LoopbackHub
  const endpoint = process.env.HF_ENDPOINT

  beforeAll(async () => {
    const prior = repositoryOf(`${shapes}-prior`)
    hub = await LoopbackHub.start({
      'tests/shapes': repositoryOf(shapes, { 'README.md': '---\nprior: tests/shapes-prior\n---\n' }),
      'tests/shapes-prior': prior,
      'tests/bare-prior': {
        'config.json': prior['prior/config.json'] as Buffer,
        'diffusion_pytorch_model.safetensors': prior['prior/diffusion_pytorch_model.safetensors'] as Buffer,
      },
    })
    process.env.HF_ENDPOINT = hub.endpoint
  })
  afterAll(async () => {
    if (endpoint === undefined) delete process.env.HF_ENDPOINT
    else process.env.HF_ENDPOINT = endpoint
    await hub.stop()
    removeFolders()
  })

  async function picture(model: ModelName | undefined, options: object = {}): Promise<Buffer> {
    await using pipeline = await WuerstchenPipeline.fromPretrained(model, {
      device: 'cpu',
      threads: 1,
      ...options,
    })
    const { images } = await pipeline.generate(CAPTION, QUICK)
    return Buffer.from(images[0]?.data as Uint8Array)
  }

  it('gives the picture of the same model in a folder, downloaded or from the cache', async () => {
    const cacheDir = folderOf({})
    const events: LoadProgress[] = []
    const expected = await picture(undefined)
    const first = await picture('tests/shapes', {
      cacheDir,
      onProgress: (event: LoadProgress) => events.push(event),
    })
    expect(first.equals(expected)).toBe(true)
    const types = events.map(({ type }) => type)
    expect(new Set(types)).toEqual(new Set(['download', 'load']))
    expect(types.lastIndexOf('download')).toBeLessThan(types.indexOf('load'))
    hub.seen.length = 0
    expect((await picture('tests/shapes', { cacheDir, localFilesOnly: true })).equals(expected)).toBe(true)
    expect(hub.seen).toEqual([])
    expect(
      listModels({ cacheDir }).map(({ id, kind, complete, revisions }) => ({
        id,
        kind,
        complete,
        revisions,
      })),
    ).toEqual([
      { id: 'tests/shapes', kind: 'decoder', complete: true, revisions: ['main'] },
      { id: 'tests/shapes-prior', kind: 'prior', complete: true, revisions: ['main'] },
    ])
  })

  it('is downloaded once by two loads at once', async () => {
    const cacheDir = folderOf({})
    hub.seen.length = 0
    const [a, b] = await Promise.all([
      picture('tests/shapes', { cacheDir }),
      picture('tests/shapes', { cacheDir }),
    ])
    expect(a?.equals(b as Buffer)).toBe(true)
    const files = hub.resolved()
    expect(files.length).toBeGreaterThan(10)
    expect(files.filter((path) => path === 'decoder/diffusion_pytorch_model.safetensors')).toHaveLength(1)
  })

  it('takes a prior that was published as a network alone, and any mix of folders and ids', async () => {
    const cacheDir = folderOf({})
    const expected = await picture(undefined)
    for (const [model, prior] of [
      ['tests/shapes', 'tests/bare-prior'],
      [shapes, 'tests/shapes-prior'],
      [shapes, 'tests/bare-prior'],
      ['tests/shapes', `${shapes}-prior`],
    ] as const) {
      expect((await picture(model, { cacheDir, prior })).equals(expected)).toBe(true)
    }
  })

  it('is what pullModel() returns, too', async () => {
    const cacheDir = folderOf({})
    const expected = await picture(undefined)
    for (const options of [{}, { prior: 'tests/bare-prior' }, { prior: `${shapes}-prior` }]) {
      const folders = await pullModel('tests/shapes', { cacheDir, ...options })
      expect((await picture(folders, { localFilesOnly: true })).equals(expected)).toBe(true)
    }
    expect((await picture(await pullModel(shapes), {})).equals(expected)).toBe(true)
  })

  it('that does not exist is named with both places it could have been', async () => {
    await expect(picture('tests/nothing', { cacheDir: folderOf({}) })).rejects.toMatchObject({
      code: 'ERR_WUERSTCHEN_MODEL_NOT_FOUND',
      message: expect.stringMatching(
        /folder here or a model on the hub but 'tests\/nothing' is neither\. .*404/,
      ),
    })
    await expect(
      picture('tests/shapes', { cacheDir: folderOf({}), prior: 'no such/folder/here' }),
    ).rejects.toMatchObject({
      code: 'ERR_WUERSTCHEN_MODEL_NOT_FOUND',
    })
  })

  it('is pulled and listed from the command line', async () => {
    const main = join(ensureDist(), 'cli', 'main.js')
    const cacheDir = folderOf({})
    const run = async (...args: string[]) => {
      const child = spawn(process.execPath, [main, ...args, '--cache-dir', cacheDir], { env: process.env })
      let text = ''
      child.stdout.on('data', (chunk) => {
        text += chunk
      })
      child.stderr.on('data', (chunk) => {
        text += chunk
      })
      const status = await new Promise((done) => child.on('close', done))
      return { status, text }
    }
    expect((await run('models')).text).toMatch(/^no model in the cache/)
    const pulled = await run('pull', 'tests/shapes', '--json')
    expect(pulled.status).toBe(0)
    expect(JSON.parse(pulled.text)).toEqual(
      await pullModel('tests/shapes', { cacheDir, localFilesOnly: true }),
    )
    expect((await run('models')).text).toMatch(
      /^tests\/shapes {2}main {2}decoder {2}[\d.]+ MB {2}complete\ntests\/shapes-prior/,
    )
    const failed = await run('pull', 'tests/nothing')
    expect(failed).toMatchObject({
      status: 1,
      text: expect.stringMatching(/^error \[ERR_WUERSTCHEN_MODEL_NOT_FOUND\]/),
    })
    expect((await run('pull', 'tests/shapes', '--revision', '../x')).status).toBe(2)
  })
})
