/** What goes wrong around a download, and what then still works: a model that is whole in the cache. */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createTlsServer, type Server } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { join } from 'node:path'
import { hubSettings } from '../../lib/hub/settings'
import { listModels } from '../../lib/pipeline/models'
import { stopDownloads } from '../support/downloads'
import { fetchSmall, folderOfModel, ID, SMALL, settingsFor } from '../support/hub-settings'
import { LoopbackHub } from '../support/loopback-hub'
import { SELF_SIGNED } from '../support/self-signed'
import { folderOf, removeFolders } from '../support/temporary-folder'

let hub: LoopbackHub
let warnings: string[]
const stops: (() => void)[] = []
const environment = { ...process.env }

beforeEach(async () => {
  hub = await LoopbackHub.start({ [ID]: SMALL })
  warnings = []
  jest.spyOn(process, 'emitWarning').mockImplementation((warning) => void warnings.push(String(warning)))
})
afterEach(async () => {
  await stopDownloads()
  for (const stop of stops.splice(0)) stop()
  process.env = { ...environment }
  jest.restoreAllMocks()
  await hub.stop()
  removeFolders()
})

function refusal(running: Promise<unknown>): Promise<Error & { code: string; details: object }> {
  return running.then(
    () => {
      throw new Error('Expected it to be rejected')
    },
    (error) => error,
  )
}

/** Fetches with an empty cache, and with one that has the model. */
async function withoutAndWith(endpoint: string, changes = {}) {
  const cache = folderOf({})
  const error = await refusal(fetchSmall(settingsFor(endpoint, folderOf({}), changes)))
  const folder = await fetchSmall(settingsFor(hub.endpoint, cache))
  expect(warnings).toEqual([])
  expect(await fetchSmall(settingsFor(endpoint, cache, changes))).toBe(folder)
  expect(warnings).toEqual([expect.stringMatching(/tests\/decoder.*as it was last downloaded/)])
  return error
}

async function listening<Any extends Server | ReturnType<typeof createServer>>(server: Any) {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  stops.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return port
}

describe('a hub that cannot be spoken to', () => {
  it('with a certificate of its own making is named with what to do, and the cached model is used', async () => {
    const secure = createTlsServer(SELF_SIGNED, (_, response) => response.end())
    let connections = 0
    secure.on('connection', () => connections++)
    const port = await listening(secure)
    const error = await withoutAndWith(`https://127.0.0.1:${port}`)
    expect(error).toMatchObject({
      code: 'ERR_WUERSTCHEN_HUB_UNREACHABLE',
      message: expect.stringMatching(/self-signed certificate.*NODE_EXTRA_CA_CERTS/),
      details: { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' },
    })
    // Once for each of the two downloads: asking again would not change it.
    expect(connections).toBe(2)
  })

  it('behind a proxy that wants a password', async () => {
    const proxy = createServer()
    proxy.on('connect', (_, client: Socket) =>
      client.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n'),
    )
    const port = await listening(proxy)
    const cache = folderOf({})
    const folder = await fetchSmall(settingsFor(hub.endpoint, cache))
    process.env.HTTP_PROXY = `http://user:secret@127.0.0.1:${port}`
    const error = await refusal(fetchSmall(settingsFor(hub.endpoint, folderOf({}))))
    expect(error).toMatchObject({
      code: 'ERR_WUERSTCHEN_HUB_UNREACHABLE',
      message: expect.stringMatching(/407.*HTTP_PROXY/),
    })
    expect(error.message).not.toContain('secret')
    expect(await fetchSmall(settingsFor(hub.endpoint, cache))).toBe(folder)
  })

  it.each(['notaurl', 'ftp://user:secret@127.0.0.1'])(
    'behind a proxy that is no address: %s',
    async (proxy) => {
      const cache = folderOf({})
      const folder = await fetchSmall(settingsFor(hub.endpoint, cache))
      process.env.HTTP_PROXY = proxy
      const error = await refusal(fetchSmall(settingsFor(hub.endpoint, folderOf({}))))
      expect(error).toMatchObject({
        code: 'ERR_WUERSTCHEN_HUB_UNREACHABLE',
        message: expect.stringMatching(/Expected HTTP_PROXY to be .* but received/),
      })
      expect(error.message).not.toContain('secret')
      expect(await fetchSmall(settingsFor(hub.endpoint, cache))).toBe(folder)
    },
  )

  it('because nobody is there says who was asked for what, and which settings matter', async () => {
    const error = await withoutAndWith('http://127.0.0.1:9', { silenceMs: 200 })
    expect(error.code).toBe('ERR_WUERSTCHEN_HUB_UNREACHABLE')
    for (const part of ['tests/decoder', 'main', 'http://127.0.0.1:9', 'ECONNREFUSED', 'HF_ENDPOINT'])
      expect(error.message).toContain(part)
    expect(error.message).toMatch(/HTTPS_PROXY.*option cacheDir/)
    expect(error.message).toMatch(/\w\. Wanted was/)
  })
})

describe('a token that the hub refuses', () => {
  it('is left out for a model that everybody may read, with a warning', async () => {
    hub.refusedToken = 'hf_stale'
    const cache = folderOf({})
    const settings = settingsFor(hub.endpoint, cache, { token: 'hf_stale' })
    const folder = await fetchSmall(settings)
    expect(readFileSync(join(folder, 'README.md')).equals(SMALL['README.md'] as Buffer)).toBe(true)
    expect(warnings).toEqual([expect.stringMatching(/refused the token.*HF_TOKEN/)])
    expect(warnings[0]).not.toContain('hf_stale')
    // Once refused, it is not sent with every request.
    expect(hub.seen.filter(({ authorization }) => authorization !== undefined)).toHaveLength(1)
  })

  it('does not take away a gated model that is in the cache', async () => {
    const cache = folderOf({})
    const folder = await fetchSmall(settingsFor(hub.endpoint, cache))
    hub.fail(/./, { status: 403, body: 'gated' }, 1000)
    const settings = settingsFor(hub.endpoint, cache, { token: 'hf_stale' })
    expect(await fetchSmall(settings)).toBe(folder)
    expect(warnings).toEqual([expect.stringMatching(/as it was last downloaded.*403/)])
    expect(await refusal(fetchSmall({ ...settings, cacheDir: folderOf({}) }))).toMatchObject({
      code: 'ERR_WUERSTCHEN_HUB_ACCESS_DENIED',
    })
  })
})

describe('a cache folder that cannot be used', () => {
  it('is named with the setting that names it', async () => {
    const file = join(folderOf({ file: '' }), 'file')
    const { cacheSetting } = hubSettings({}, { HF_HOME: '/x' })
    expect(cacheSetting).toBe('HF_HOME')
    for (const cacheDir of [file, join(file, 'hub')]) {
      const error = await refusal(fetchSmall(settingsFor(hub.endpoint, cacheDir, { cacheSetting })))
      expect(error).toMatchObject({
        code: 'ERR_WUERSTCHEN_CACHE_UNUSABLE',
        message: expect.stringMatching(/Expected the folder of downloaded models \(HF_HOME\) .*file/),
        details: { folder: cacheDir, setting: 'HF_HOME' },
      })
    }
    expect(() => listModels({ cacheDir: file })).toThrow(
      expect.objectContaining({ code: 'ERR_WUERSTCHEN_CACHE_UNUSABLE' }),
    )
  })

  it('to write to is still good to read from', async () => {
    const cache = folderOf({})
    const folder = await fetchSmall(settingsFor(hub.endpoint, cache))
    rmSync(join(cache, '.locks'), { recursive: true })
    const newer = await LoopbackHub.start({ [ID]: { ...SMALL, 'README.md': Buffer.from('newer') } })
    stops.push(() => void newer.stop())
    writeFileSync(join(cache, '.locks'), 'no folder')
    expect(await fetchSmall(settingsFor(newer.endpoint, cache))).toBe(folder)
    expect(warnings).toEqual([expect.stringMatching(/as it was last downloaded.*option cacheDir/)])
  })
})

describe('a model that is in the cache in part', () => {
  const offline = { offline: true }
  const weights = join('decoder', 'diffusion_pytorch_model.safetensors')

  /** With a blob taken away, as somebody does who needs room. */
  async function broken(): Promise<{ cache: string; folder: string }> {
    const cache = folderOf({})
    const folder = await fetchSmall(settingsFor(hub.endpoint, cache))
    const blobs = join(folderOfModel(cache), 'blobs')
    const blob = readdirSync(blobs).find((name) => readFileSync(join(blobs, name), 'utf8') === 'decoder')
    rmSync(join(blobs, blob as string))
    expect(existsSync(join(folder, weights))).toBe(false)
    return { cache, folder }
  }

  it('says offline which files are missing', async () => {
    const { cache, folder } = await broken()
    rmSync(join(folder, 'vqgan'), { recursive: true })
    rmSync(join(folder, 'tokenizer'), { recursive: true })
    expect(await refusal(fetchSmall(settingsFor(hub.endpoint, cache, offline)))).toMatchObject({
      code: 'ERR_WUERSTCHEN_HUB_OFFLINE',
      message: expect.stringMatching(
        /has no decoder\/diffusion_pytorch_model\.safetensors, vqgan\/config\.json, .*tokenizer/,
      ),
      details: { missing: expect.arrayContaining(['decoder/diffusion_pytorch_model.safetensors']) },
    })
    expect(listModels({ cacheDir: cache })).toMatchObject([{ complete: false }])
  })

  it('is not taken for whole when the hub is away', async () => {
    const { cache } = await broken()
    expect(await refusal(fetchSmall(settingsFor('http://127.0.0.1:9', cache)))).toMatchObject({
      code: 'ERR_WUERSTCHEN_HUB_UNREACHABLE',
      message: expect.stringMatching(/no decoder\/diffusion_pytorch_model/),
    })
  })

  it.each([
    ['weights', weights],
    ['the card that names the prior', 'README.md'],
  ])('is completed, though the commit is pinned: %s', async (_what, path) => {
    const { cache, folder } = await broken()
    rmSync(join(folder, path))
    const pinned = `${ID}@${hub.commitOf(ID)}`
    expect(await fetchSmall(settingsFor(hub.endpoint, cache), {}, pinned)).toBe(folder)
    expect(readFileSync(join(folder, weights), 'utf8')).toBe('decoder')
    expect(existsSync(join(folder, 'README.md'))).toBe(true)
    hub.seen.length = 0
    await fetchSmall(settingsFor(hub.endpoint, cache), {}, pinned)
    expect(hub.seen).toEqual([])
  })
})

describe('onProgress', () => {
  it('may throw what looks like a failure of the network', async () => {
    let calls = 0
    const thrown = Object.assign(new Error('mine'), { code: 'EPIPE' })
    const onProgress = () => {
      calls += 1
      throw thrown
    }
    const running = fetchSmall(settingsFor(hub.endpoint, folderOf({})), { onProgress })
    expect(await refusal(running)).toBe(thrown)
    expect(calls).toBeLessThanOrEqual(6) // connections
    expect(warnings).toEqual([])
  })
})
