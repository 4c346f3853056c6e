/** Downloads from a hub on loopback that misbehaves on demand. */
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync, rmSync, utimesSync } from 'node:fs'
import { createServer } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { ROOT } from '../../bench/support/reference'
import { PART_BYTES } from '../../lib/download/part-notes'
import { takeLock } from '../../lib/files/lock'
import type { DownloadProgress } from '../../lib/hub/download'
import { type HubId, parseHubId } from '../../lib/hub/id'
import { fetchSnapshot } from '../../lib/hub/snapshot'
import { killedWhenOver, untilOver } from '../support/downloads'
import { sha256 } from '../support/loopback-hub'
import { SharedSignal } from '../support/shared-signal'
import {
  blobsOf,
  expectWhole,
  fetched,
  hub,
  ID,
  inAnotherProcess,
  LARGE,
  NEEDED,
  REPOSITORY,
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

  it('shares its signal with many others, and lets go of it', async () => {
    await using shared = new SharedSignal()
    const id = parseHubId(ID) as HubId
    const listeners: number[] = []
    const onProgress = () => {
      listeners.push(shared.listeners)
      shared.abort('enough')
    }
    const begin = () =>
      fetchSnapshot(id, { settings: settingsOf(folderOf({})), signal: shared.signal, onProgress })
    const ends = await Promise.allSettled(Array.from({ length: 12 }, () => untilOver(begin())))
    expect(ends).toEqual(Array.from(ends, () => ({ status: 'rejected', reason: 'enough' })))
    expect([listeners[0], shared.listeners]).toEqual([1, 0])
    expect(await shared.warned()).toEqual([])
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
    hub.fail(STORED_WEIGHTS, { cutAfter: 1_000_000 }, 3)
    hub.fail(/storage:.*vqgan/, { status: 503 }, 2)
    hub.fail(/hub:.*revision/, { status: 429, headers: { 'retry-after': '0' } })
    hub.fail(/hub:.*model_index/, { cutAfter: 5 })
    hub.fail(/storage:.*text_encoder/, { silentAfter: 500 })
    hub.fail(/hub:.*tree/, { status: 200, body: '<html>Sorry' })
    const cache = folderOf({})
    // With the pauses of every download: a machine that is busy for 400 ms is no silent server five times in a row.
    const settings = settingsOf(cache, { silenceMs: 400, firstPauseMs: undefined })
    expectWhole(await fetched(cache, { settings }))
  })

  it('works where the server sends whole files for parts', async () => {
    hub.fail(STORED_WEIGHTS, { ignoreRange: true }, 100)
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
    hub.fail(STORED_WEIGHTS, { silentAfter: 1000 }, 1)
    const { child, ended } = inAnotherProcess(cache, { silenceMs: 60_000 })
    const state = join(cache, 'models--tests--decoder', 'blobs', `${sha256(LARGE)}.wuerstchen-parts.json`)
    const isPartWay = () => existsSync(state) && JSON.parse(readFileSync(state, 'utf8')).done.length === 2
    await until(isPartWay)
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
    hub.fail(STORED_WEIGHTS, { silentAfter: 1000 })
    const running = fetched(cache, { settings: settingsOf(cache, { silenceMs: 60_000 }) })
    await until(() => existsSync(lock))
    rmSync(lock)
    const other = await takeLock(lock)
    try {
      await until(() =>
        hub.seen.some(({ path }, index) => index > NEEDED.length && path.includes('/revision/')),
      )
    } finally {
      other.release()
    }
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
    const child = killedWhenOver(spawn(python, ['-c', program], { env: { ...process.env, ...environment } }))
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
