/** What a download is refused with, and what it leaves behind. */
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PART_BYTES } from '../../lib/download/part-notes'
import { placeOf } from '../../lib/files/holder'
import type { SnapshotOptions } from '../../lib/hub/snapshot'
import { stopDownloads } from '../support/downloads'
import { type Repository, sha256 } from '../support/loopback-hub'
import {
  blobsOf,
  expectWhole,
  fetched,
  hub,
  ID,
  LARGE,
  REPOSITORY,
  replaceHub,
  STORED_WEIGHTS,
  settingsOf,
  startHub,
  stopHub,
  WEIGHTS,
} from '../support/snapshots'
import { folderOf, writeFiles } from '../support/temporary-folder'
import { until } from '../support/until'

beforeEach(startHub)
afterEach(stopHub)

describe('a download that cannot succeed', () => {
  async function failure(
    options: Partial<SnapshotOptions> = {},
    id = ID,
    cache = folderOf({}),
  ): Promise<unknown> {
    const error = await fetched(cache, options, id).then(
      () => null,
      (reason: unknown) => reason,
    )
    expect(existsSync(join(cache, 'models--tests--decoder', 'snapshots'))).toBe(false)
    return error
  }

  it('names a repository that is not there', async () => {
    expect(await failure({}, 'tests/nothing')).toMatchObject({
      code: 'ERR_WUERSTCHEN_MODEL_NOT_FOUND',
      message: expect.stringMatching(/tests\/nothing.*404.*token/),
    })
  })

  it.each([
    [401, null, /Pass a token/],
    [403, 'hf_secret', /accept the model's conditions/],
  ])('says what to do about a %i', async (status, token, message) => {
    hub.fail(/hub:.*revision/, { status, body: 'gated' }, 2)
    const error = await failure({ settings: settingsOf(folderOf({}), { token }) })
    expect(error).toMatchObject({
      code: 'ERR_WUERSTCHEN_HUB_ACCESS_DENIED',
      message: expect.stringMatching(message),
    })
    expect(String(error)).not.toContain('hf_secret')
  })

  it('gives up on a server that stays broken, and shows no signed address', async () => {
    hub.fail(/storage:.*vqgan/, { status: 500, headers: { 'retry-after': '0' } }, 1000)
    const error = await failure()
    expect(error).toMatchObject({ code: 'ERR_WUERSTCHEN_HUB_UNREACHABLE', retryable: true })
    expect(String(error)).not.toContain('signature')
  })

  it.each([
    ['flipped bytes', { flipByte: 77 }, 'DOWNLOAD_CORRUPT', /sha256/],
    [
      'another range than asked for',
      { contentRange: 'bytes 5-9/10' },
      'HUB_UNREACHABLE',
      /Expected bytes .* but .* 5-9/,
    ],
    ['more bytes than the file has', { tail: Buffer.from('more') }, 'HUB_UNREACHABLE', /sends more/],
  ])('refuses %s', async (_what, fault, code, message) => {
    const cache = folderOf({})
    hub.fail(STORED_WEIGHTS, fault, 100)
    expect(await failure({}, ID, cache)).toMatchObject({
      code: `ERR_WUERSTCHEN_${code}`,
      message: expect.stringMatching(message),
    })
    expect(blobsOf(cache)).not.toContain(sha256(LARGE))
  })

  it('refuses a file that keeps being shorter than listed', async () => {
    hub.fail(/storage:.*vqgan/, { cutAfter: 0 }, 1000)
    expect(await failure()).toMatchObject({ code: 'ERR_WUERSTCHEN_HUB_UNREACHABLE' })
  })

  it.each([
    ['../../evil', 'a'.repeat(40)],
    ['/etc/passwd', 'a'.repeat(40)],
    ['decoder/../../x', 'a'.repeat(40)],
    ['a\\b', 'a'.repeat(40)],
    ['a\0b', 'a'.repeat(40)],
    ['tokenizer/vocab.json', '../../../evil'],
    ['tokenizer/vocab.json', 'A'.repeat(40)],
  ])('refuses a listing with %j and hash %j before anything is fetched', async (path, oid) => {
    hub.extraEntries = [{ type: 'file', path, oid, size: 3 }]
    expect(await failure()).toMatchObject({ code: 'ERR_WUERSTCHEN_MODEL_INVALID' })
    expect(hub.resolved()).toEqual([])
  })

  it('says so when there is no room, before anything is fetched', async () => {
    expect(await failure({ freeBytes: async () => 30_000_000 })).toMatchObject({
      code: 'ERR_WUERSTCHEN_DISK_FULL',
      message: expect.stringMatching(/Expected 101 MB of free space .* but it has 30 MB/),
      details: { free: 30_000_000 },
    })
    expect(hub.resolved()).toEqual([])
  })

  it('stops at once when aborted, and keeps what is finished', async () => {
    const cache = folderOf({})
    hub.fail(STORED_WEIGHTS, { silentAfter: 1000 }, 100)
    const controller = new AbortController()
    // Without the abort it would wait for longer than any test.
    const settings = settingsOf(cache, { silenceMs: 600_000 })
    const running = failure({ settings, signal: controller.signal }, ID, cache)
    const partial = `${sha256(LARGE)}.wuerstchen-partial`
    await until(async () => blobsOf(cache).includes(partial))
    controller.abort(new Error('enough'))
    expect(await running).toEqual(new Error('enough'))
    expect(blobsOf(cache)).toContain(partial)
  })

  it('passes on what onProgress throws', async () => {
    const onProgress = () => {
      throw new Error('from the callback')
    }
    expect(await failure({ onProgress })).toEqual(new Error('from the callback'))
  })

  it('ends with the test that began it, whatever it waits for', async () => {
    hub.fail(STORED_WEIGHTS, { silentAfter: 1000 }, 100)
    const cache = folderOf({})
    const running = fetched(cache, { settings: settingsOf(cache, { silenceMs: 600_000 }) })
    await until(() => hub.seen.some(({ host }) => host === 'storage'))
    await stopDownloads()
    await expect(running).rejects.toThrow('the test is over')
  })

  it('rejects with what onProgress rejects with later', async () => {
    const mine = new Error('from the callback')
    const onProgress = () => new Promise<never>((_, reject) => setImmediate(reject, mine))
    const rejected = fetched(folderOf({}), { onProgress })
    await expect(rejected).rejects.toBe(mine)
  })

  it('without a network says that downloads are off, or that nobody answers', async () => {
    const cache = folderOf({})
    expect(await failure({ settings: settingsOf(cache, { offline: true }) })).toMatchObject({
      code: 'ERR_WUERSTCHEN_HUB_OFFLINE',
    })
    expect(hub.seen).toEqual([])
    const settings = settingsOf(cache, { endpoint: 'http://127.0.0.1:9' })
    expect(await failure({ settings })).toMatchObject({ code: 'ERR_WUERSTCHEN_HUB_UNREACHABLE' })
  })

  it('never follows a redirect that is no address, nor for ever', async () => {
    hub.fail(/hub:.*revision/, { status: 302, headers: { location: 'ftp://127.0.0.1/x' } })
    expect(await failure()).toMatchObject({ code: 'ERR_WUERSTCHEN_HUB_UNREACHABLE' })
    hub.fail(
      /hub:.*revision/,
      { status: 302, headers: { location: `/api/models/${ID}/revision/main` } },
      1000,
    )
    expect(await failure()).toMatchObject({ message: expect.stringMatching(/redirects/) })
  })

  it('takes over the lock of a dead process', async () => {
    const cache = folderOf({})
    const dead = { id: 'x', place: placeOf(), own: { pid: 2 ** 22 + 1, since: '1' }, started: [] }
    writeFiles(cache, { '.locks/models--tests--decoder/wuerstchen.lock': dead })
    expectWhole(await fetched(cache))
  })

  it('starts anew when a partial file does not fit its notes', async () => {
    const cache = folderOf({})
    const blob = join('models--tests--decoder', 'blobs', sha256(LARGE))
    writeFiles(cache, {
      [`${blob}.wuerstchen-partial`]: 'short',
      [`${blob}.wuerstchen-parts.json`]: {
        etag: sha256(LARGE),
        size: LARGE.length,
        partBytes: PART_BYTES,
        done: [0, 1, 2],
      },
    })
    expectWhole(await fetched(cache))
    writeFileSync(join(cache, `${blob}.wuerstchen-parts.json`), '{')
    expectWhole(await fetched(cache))
  })
})

describe('a repository without what is needed', () => {
  it.each([
    ['no index', { 'model_index.json': undefined }, /Expected model_index\.json/],
    [
      'only pickled weights',
      { [WEIGHTS]: undefined },
      /decoder\/diffusion_pytorch_model\.bin, which is not read/,
    ],
    [
      'no weights at all',
      { 'vqgan/diffusion_pytorch_model.safetensors': undefined },
      /weights in vqgan but found none/,
    ],
  ])('with %s is refused', async (_what, changes, message) => {
    const files = Object.entries({ ...REPOSITORY, ...changes }).filter(([, bytes]) => bytes !== undefined)
    await replaceHub(Object.fromEntries(files) as unknown as Repository)
    await expect(fetched(folderOf({}))).rejects.toMatchObject({
      code: 'ERR_WUERSTCHEN_MODEL_INVALID',
      message: expect.stringMatching(message),
    })
    expect(hub.resolved()).toEqual([])
  })

  it('takes shards where there is no whole file', async () => {
    const files = { ...REPOSITORY } as Record<string, Buffer>
    delete files[WEIGHTS]
    files['decoder/diffusion_pytorch_model.safetensors.index.json'] = Buffer.from('{"shards": 2}')
    files['decoder/diffusion_pytorch_model-00001-of-00002.safetensors'] = Buffer.from('one')
    files['decoder/diffusion_pytorch_model-00002-of-00002.safetensors'] = Buffer.from('two')
    await replaceHub(files)
    await fetched(folderOf({}))
    expect(
      hub
        .resolved()
        .filter((path) => path.startsWith('decoder/'))
        .sort(),
    ).toEqual([
      'decoder/config.json',
      'decoder/diffusion_pytorch_model-00001-of-00002.safetensors',
      'decoder/diffusion_pytorch_model-00002-of-00002.safetensors',
      'decoder/diffusion_pytorch_model.safetensors.index.json',
    ])
  })
})
