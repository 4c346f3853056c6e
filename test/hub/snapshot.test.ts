/** Downloads from a hub on loopback that misbehaves on demand. */
import { spawn } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import {
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ROOT } from '../../bench/support/reference'
import { PART_BYTES } from '../../lib/download/part-notes'
import { placeOf } from '../../lib/files/holder'
import { takeLock } from '../../lib/files/lock'
import type { DownloadProgress } from '../../lib/hub/download'
import { parseHubId } from '../../lib/hub/id'
import { type HubSettings, hubSettings } from '../../lib/hub/settings'
import { fetchSnapshot, type SnapshotOptions } from '../../lib/hub/snapshot'
import { settingsFor } from '../support/hub-settings'
import { LoopbackHub, type Repository, sha256 } from '../support/loopback-hub'
import { ensureDist } from '../support/node-process'
import { folderOf, removeFolders, writeFiles } from '../support/temporary-folder'

const ID = 'tests/decoder'
const WEIGHTS = 'decoder/diffusion_pytorch_model.safetensors'
/** Three parts, the last one short; no two bytes at the same place of two parts agree by chance. */
const LARGE = bytesOf('large', 2 * PART_BYTES + 12_345)
const REPOSITORY: Repository = {
  'model_index.json': Buffer.from('{"_class_name": "WuerstchenDecoderPipeline"}'),
  'README.md': Buffer.from('---\nprior: tests/prior\n---\n'),
  '.gitattributes': Buffer.from('*.bin'),
  'decoder/config.json': Buffer.from('{}'),
  [WEIGHTS]: LARGE,
  'decoder/diffusion_pytorch_model.bin': Buffer.from('pickled'),
  'decoder/diffusion_pytorch_model.fp16.safetensors': Buffer.from('half'),
  'vqgan/config.json': Buffer.from('{"a": 1}'),
  'vqgan/diffusion_pytorch_model.safetensors': bytesOf('vqgan', 1000),
  'text_encoder/config.json': Buffer.from('{"b": 1}'),
  'text_encoder/model.safetensors': bytesOf('text', 2000),
  'scheduler/scheduler_config.json': Buffer.from('{"c": 1}'),
  'tokenizer/tokenizer.json': Buffer.from('{"d": 1}'),
  'tokenizer/merges.txt': Buffer.from(''),
  'images/cat.png': Buffer.from('png'),
}
const NEEDED = Object.keys(REPOSITORY).filter((path) => !/\.bin$|fp16|images|gitattributes/.test(path))

let hub: LoopbackHub

beforeEach(async () => {
  hub = await LoopbackHub.start({ [ID]: REPOSITORY })
})
afterEach(async () => {
  await hub.stop()
  removeFolders()
})

function bytesOf(seed: string, length: number): Buffer {
  const block = Buffer.concat(
    Array.from({ length: 64 }, (_, index) => createHash('sha256').update(`${seed} ${index}`).digest()),
  )
  const bytes = Buffer.alloc(length, block)
  for (let at = 0; at + 4 <= length; at += 4096) bytes.writeUInt32LE(at, at)
  return bytes
}

function settingsOf(cacheDir: string, changes: Partial<HubSettings> = {}): HubSettings {
  return settingsFor(hub.endpoint, cacheDir, changes)
}

function fetched(cacheDir: string, options: Partial<SnapshotOptions> = {}, id = ID): Promise<string> {
  const parsed = parseHubId(id)
  if (parsed === null) throw new Error(`Expected an id but received ${id}`)
  return fetchSnapshot(parsed, { settings: settingsOf(cacheDir), ...options })
}

/** The same, and what the process ends with. */
function inAnotherProcess(cacheDir: string, changes: Partial<HubSettings> = {}) {
  const settings = JSON.stringify(settingsOf(cacheDir, changes))
  const script = `
    const { fetchSnapshot } = require(${JSON.stringify(join(ensureDist(), 'hub', 'snapshot.js'))})
    fetchSnapshot({ repository: '${ID}', revision: 'main' }, { settings: ${settings} })`
  const child = spawn(process.execPath, ['-e', script], { stdio: 'inherit' })
  return { child, ended: new Promise((done) => child.on('exit', done)) }
}

/** Every needed file is there, whole, under its name. */
function expectWhole(folder: string): void {
  for (const path of NEEDED)
    expect(readFileSync(join(folder, path)).equals(REPOSITORY[path] as Buffer)).toBe(true)
}

function blobsOf(cacheDir: string): string[] {
  const folder = join(cacheDir, 'models--tests--decoder', 'blobs')
  return existsSync(folder) ? readdirSync(folder).sort() : []
}

describe('a download', () => {
  it('brings what a pipeline needs, and nothing else, in the layout of the Python client', async () => {
    const cache = folderOf({})
    const folder = await fetched(cache)
    expectWhole(folder)
    const commit = hub.commitOf(ID)
    expect(folder).toBe(join(cache, 'models--tests--decoder', 'snapshots', commit))
    expect(readFileSync(join(cache, 'models--tests--decoder', 'refs', 'main'), 'utf8')).toBe(commit)
    expect(lstatSync(join(folder, WEIGHTS)).isSymbolicLink()).toBe(true)
    expect(readlinkSync(join(folder, WEIGHTS))).toBe(`../../../blobs/${sha256(LARGE)}`)
    // An empty file needs no request.
    const asked = NEEDED.filter((path) => REPOSITORY[path]?.length !== 0)
    expect(new Set(hub.resolved())).toEqual(new Set(asked))
    expect(blobsOf(cache)).toHaveLength(NEEDED.length)
  })

  it('asks for large files part by part, and sums up to everything', async () => {
    const events: DownloadProgress[] = []
    await fetched(folderOf({}), { onProgress: (event) => events.push(event) })
    const parts = hub.seen.filter(({ host, path }) => host === 'storage' && path.endsWith(WEIGHTS))
    expect(parts.map(({ range }) => range).sort()).toEqual(
      [
        `bytes=${PART_BYTES}-${2 * PART_BYTES - 1}`,
        `bytes=${2 * PART_BYTES}-${LARGE.length - 1}`,
        `bytes=0-${PART_BYTES - 1}`,
      ].sort(),
    )
    const total = NEEDED.reduce((sum, path) => sum + (REPOSITORY[path] as Buffer).length, 0)
    expect(events.at(-1)).toMatchObject({ type: 'download', repository: ID, receivedTotal: total, total })
    for (const { received, size, receivedTotal } of events) {
      expect(received).toBeLessThanOrEqual(size)
      expect(receivedTotal).toBeLessThanOrEqual(total)
    }
  })

  it('is not repeated', async () => {
    const cache = folderOf({})
    await fetched(cache)
    const asked = hub.resolved().length
    await fetched(cache)
    expect(hub.resolved()).toHaveLength(asked)
  })

  it('of a commit that is there asks nobody', async () => {
    const cache = folderOf({})
    const folder = await fetched(cache)
    hub.seen.length = 0
    expect(await fetched(cache, {}, `${ID}@${hub.commitOf(ID)}`)).toBe(folder)
    expect(hub.seen).toEqual([])
  })

  it('sends the token to the hub and to nobody else', async () => {
    const cache = folderOf({})
    await fetched(cache, { settings: settingsOf(cache, { token: 'hf_secret' }) })
    const tokens = (host: string) =>
      new Set(hub.seen.filter((one) => one.host === host).map((one) => one.authorization))
    expect(tokens('hub')).toEqual(new Set(['Bearer hf_secret']))
    expect(tokens('storage')).toEqual(new Set([undefined]))
  })

  it('survives cut connections, servers that rest, servers that ignore ranges, silence', async () => {
    hub.fail(/storage:.*decoder.*safetensors/, { cutAfter: 1_000_000 }, 3)
    hub.fail(/storage:.*vqgan/, { status: 503 }, 2)
    hub.fail(/hub:.*revision/, { status: 429, headers: { 'retry-after': '0' } })
    hub.fail(/hub:.*model_index/, { cutAfter: 5 })
    hub.fail(/storage:.*text_encoder/, { silentAfter: 500 })
    hub.fail(/hub:.*tree/, { status: 200, body: '<html>Sorry' })
    const cache = folderOf({})
    expectWhole(await fetched(cache, { settings: settingsOf(cache, { silenceMs: 400 }) }))
  })

  it('works where the server sends whole files for parts', async () => {
    hub.fail(/storage:.*decoder/, { ignoreRange: true }, 100)
    expectWhole(await fetched(folderOf({})))
  })

  it('waits as long as a busy server asks', async () => {
    hub.fail(/hub:.*revision/, { status: 429, headers: { 'retry-after': '1' } })
    const start = Date.now()
    await fetched(folderOf({}))
    expect(Date.now() - start).toBeGreaterThanOrEqual(990)
  })

  it('goes on where a killed process stopped', async () => {
    const cache = folderOf({})
    hub.fail(/storage:.*decoder.*safetensors/, { silentAfter: 1000 }, 1)
    const { child, ended } = inAnotherProcess(cache, { silenceMs: 60_000 })
    const state = join(cache, 'models--tests--decoder', 'blobs', `${sha256(LARGE)}.wuerstchen-parts.json`)
    const isPartWay = () => existsSync(state) && JSON.parse(readFileSync(state, 'utf8')).done.length === 2
    while (!isPartWay()) await new Promise((done) => setTimeout(done, 20))
    child.kill('SIGKILL')
    await ended
    expect(existsSync(join(cache, 'models--tests--decoder', 'snapshots'))).toBe(false)
    hub.seen.length = 0
    expectWhole(await fetched(cache))
    expect(hub.seen.filter(({ host, path }) => host === 'storage' && path.endsWith(WEIGHTS))).toHaveLength(1)
    expect(blobsOf(cache).filter((name) => name.includes('wuerstchen'))).toEqual([])
  })

  it('is done once when three loads of one process and three other processes want it', async () => {
    const cache = folderOf({})
    const others = Array.from({ length: 3 }, () => inAnotherProcess(cache))
    const folders = await Promise.all(Array.from({ length: 3 }, () => fetched(cache)))
    expect(await Promise.all(others.map(({ ended }) => ended))).toEqual([0, 0, 0])
    for (const folder of folders) expectWhole(folder)
    expect(hub.seen.filter(({ host, path }) => host === 'storage' && path.endsWith(WEIGHTS))).toHaveLength(3)
    expect(blobsOf(cache)).toHaveLength(NEEDED.length)
  })

  it('that was taken for dead waits in line and is done all the same', async () => {
    const cache = folderOf({})
    const lock = join(cache, '.locks', 'models--tests--decoder', 'wuerstchen.lock')
    hub.fail(/storage:.*decoder.*safetensors/, { silentAfter: 1000 })
    const running = fetched(cache, { settings: settingsOf(cache, { silenceMs: 60_000 }) })
    while (!existsSync(lock)) await new Promise((done) => setTimeout(done, 20))
    rmSync(lock)
    const other = await takeLock(lock)
    while (!hub.seen.some(({ path }, index) => index > NEEDED.length && path.includes('/revision/')))
      await new Promise((done) => setTimeout(done, 20))
    other.release()
    expectWhole(await running)
  })

  it('removes what killed processes left behind, but not what somebody may go on with', async () => {
    const cache = folderOf({})
    const draft = () => `.wuerstchen-${randomUUID()}.tmp`
    const model = 'models--tests--decoder'
    const kept = ['b', 'c'].map((letter) => `${letter.repeat(64)}.wuerstchen-partial`)
    writeFiles(cache, {
      [`${model}/blobs/${draft()}`]: 'half',
      [`${model}/blobs/x.wuerstchen-parts.json.77.partial`]: 'half',
      [`${model}/refs/main.77.partial`]: 'half',
      [`${model}/refs/pr/${draft()}`]: 'half',
      [`${model}/snapshots/${hub.commitOf(ID)}/decoder/${draft()}`]: 'half',
      [`${model}/blobs/${kept[0]}`]: 'recent',
      [`${model}/blobs/${kept[1]}`]: 'old',
    })
    const old = new Date(Date.now() - 15 * 24 * 3600 * 1000)
    utimesSync(join(cache, model, 'blobs', kept[1] as string), old, old)
    await fetched(cache)
    const left = readdirSync(join(cache, model), { recursive: true, encoding: 'utf8' })
    expect(left.filter((name) => /\.tmp$|partial/.test(name))).toEqual([join('blobs', kept[0] as string)])
  })

  it('goes through the proxy of the environment, and past it where NO_PROXY says so', async () => {
    const passed: string[] = []
    const proxy = createServer()
    proxy.on('connect', (request, client: Socket) => {
      passed.push(request.url ?? '')
      const [host = '', port = ''] = (request.url ?? '').split(':')
      const server = connect(Number(port), host, () => {
        client.write('HTTP/1.1 200 Connection Established\r\n\r\n')
        server.pipe(client).pipe(server)
      })
      client.on('error', () => server.destroy())
      server.on('error', () => client.destroy())
    })
    await new Promise<void>((done) => proxy.listen(0, '127.0.0.1', done))
    const { port } = proxy.address() as AddressInfo
    const before = { ...process.env }
    try {
      process.env.HTTP_PROXY = `http://127.0.0.1:${port}`
      expectWhole(await fetched(folderOf({})))
      expect(passed).toContain(new URL(hub.endpoint).host)
      passed.length = 0
      process.env.NO_PROXY = '127.0.0.1'
      expectWhole(await fetched(folderOf({})))
      expect(passed).toEqual([])
    } finally {
      process.env = before
      proxy.closeAllConnections()
      proxy.close()
    }
  })

  it('falls back to the model of last time where there is no network', async () => {
    const cache = folderOf({})
    const folder = await fetched(cache)
    const settings = settingsOf(cache, { endpoint: 'http://127.0.0.1:9', silenceMs: 200 })
    expect(await fetched(cache, { settings })).toBe(folder)
  })
})

describe('the cache', () => {
  const python = join(ROOT, '.venv', 'bin', 'python')
  const test = existsSync(python) ? it : it.skip
  const skipped = existsSync(python) ? '' : ` (SKIPPED: ${python} does not exist)`

  /** What a Python program prints, in a process of its own while the hub here answers it. */
  async function printed(program: string, environment: NodeJS.ProcessEnv): Promise<string> {
    const child = spawn(python, ['-c', program], { env: { ...process.env, ...environment } })
    let text = ''
    child.stdout.on('data', (chunk) => (text += chunk))
    child.stderr.on('data', (chunk) => (text += chunk))
    await new Promise((done) => child.on('close', done))
    return text.trim()
  }

  test(`is read by the Python client${skipped}`, async () => {
    const cache = folderOf({})
    const folder = await fetched(cache)
    const program = `from huggingface_hub import hf_hub_download
print(hf_hub_download('${ID}', '${WEIGHTS}', cache_dir=${JSON.stringify(cache)}, local_files_only=True))`
    expect(await printed(program, { HF_HUB_OFFLINE: '1' })).toBe(join(folder, WEIGHTS))
  })

  test(`is read where the Python client wrote it${skipped}`, async () => {
    const cache = folderOf({})
    const program = `from huggingface_hub import snapshot_download
snapshot_download('${ID}', cache_dir=${JSON.stringify(cache)}, ignore_patterns=['*.bin', '*fp16*', 'images/*', '.git*'])`
    const environment = {
      HF_ENDPOINT: hub.endpoint,
      HF_HUB_DISABLE_XET: '1',
      HF_HUB_DISABLE_PROGRESS_BARS: '1',
    }
    expect(await printed(program, environment)).toBe('')
    expectWhole(await fetched(cache, { settings: settingsOf(cache, { offline: true }) }))
    hub.seen.length = 0
    expectWhole(await fetched(cache))
    expect(hub.resolved()).toEqual([])
  })
})

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
    hub.fail(/storage:.*decoder.*safetensors/, fault, 100)
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
    hub.fail(/storage:.*decoder.*safetensors/, { silentAfter: 1000 }, 100)
    const controller = new AbortController()
    const running = failure({ signal: controller.signal }, ID, cache)
    setTimeout(() => controller.abort(new Error('enough')), 300)
    const start = Date.now()
    expect(await running).toEqual(new Error('enough'))
    expect(Date.now() - start).toBeLessThan(2000)
    expect(blobsOf(cache)).toContain(`${sha256(LARGE)}.wuerstchen-partial`)
  })

  it('passes on what onProgress throws', async () => {
    const onProgress = () => {
      throw new Error('from the callback')
    }
    expect(await failure({ onProgress })).toEqual(new Error('from the callback'))
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
    await hub.stop()
    hub = await LoopbackHub.start({ [ID]: Object.fromEntries(files) as unknown as Repository })
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
    await hub.stop()
    hub = await LoopbackHub.start({ [ID]: files })
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

describe('hubSettings()', () => {
  const folder = mkdtempSync(join(tmpdir(), 'wuerstchen-test-'))
  beforeAll(() => writeFiles(folder, { token: ' hf_file \n' }))
  afterAll(() => rmSync(folder, { recursive: true }))

  it.each([
    [{}, { endpoint: 'https://huggingface.co', offline: false, silenceMs: 30_000 }],
    [{ HF_ENDPOINT: 'http://mirror:80/hub/' }, { endpoint: 'http://mirror:80/hub' }],
    [{ HF_TOKEN: 'hf_x ' }, { token: 'hf_x' }],
    [{ HF_TOKEN_PATH: join(folder, 'token') }, { token: 'hf_file' }],
    [{ HF_HOME: folder }, { token: 'hf_file', cacheDir: join(folder, 'hub') }],
    [{ HF_TOKEN: 'x', HF_HUB_DISABLE_IMPLICIT_TOKEN: '1' }, { token: null }],
    [{ HF_HUB_CACHE: '/c', HF_HOME: '/h' }, { cacheDir: '/c' }],
    [{ XDG_CACHE_HOME: '/x' }, { cacheDir: '/x/huggingface/hub', token: null }],
    [{ HF_HUB_OFFLINE: 'yes' }, { offline: true }],
    [{ HF_HUB_OFFLINE: '0' }, { offline: false }],
    [{ HF_HUB_DOWNLOAD_TIMEOUT: '7' }, { silenceMs: 7000 }],
  ])('reads %j', (env, settings) => expect(hubSettings({}, env)).toMatchObject(settings))

  it('lets options win', () => {
    const env = { HF_TOKEN: 'a', HF_HUB_CACHE: '/a', HF_HUB_OFFLINE: '1' }
    const options = { token: 'b', cacheDir: '/b', localFilesOnly: false }
    expect(hubSettings(options, env)).toMatchObject({ token: 'b', cacheDir: '/b', offline: false })
  })

  it('refuses an endpoint that is no address', () => {
    expect(() => hubSettings({}, { HF_ENDPOINT: 'mirror' })).toThrow(/HF_ENDPOINT/)
  })
})

describe('parseHubId()', () => {
  it.each([
    ['warp-ai/wuerstchen', { repository: 'warp-ai/wuerstchen', revision: 'main' }],
    ['a/b@refs/pr/1', { repository: 'a/b', revision: 'refs/pr/1' }],
  ])('reads %s', (text, id) => expect(parseHubId(text)).toEqual(id))

  it.each([
    'wuerstchen',
    './a/b',
    '../a',
    'a/..',
    'a/b/c',
    '/a/b',
    'a/b@../x',
    'a/b@',
    'a\\b',
    'a/b--c',
    '',
    'a/b@c@d',
  ])('takes %j for no id', (text) => expect(parseHubId(text)).toBeNull())
})
