/** `runtime install` with made-up archives: from a loopback server that misbehaves, and from files. */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { PART_BYTES } from '../../lib/download/part-notes'
import type { Build } from '../../lib/libtorch/builds'
import { findLibtorch, libraryName } from '../../lib/libtorch/find'
import { install } from '../../lib/libtorch/install'
import type { Installation, RuntimeProgress } from '../../lib/libtorch/job'
import { runtimesIn, TARGET } from '../../lib/libtorch/runtimes'
import { FileServer } from '../support/file-server'
import { sha256 } from '../support/loopback-hub'
import { buildOf, wheelOf } from '../support/made-up-libtorch'
import { ensureDist } from '../support/node-process'
import { folderOf, removeFolders } from '../support/temporary-folder'
import { zipOf } from '../support/zip'

const CPU = libraryName('torch_cpu')
const SMALL = wheelOf()
/** Three parts, the last one short. */
const LARGE = wheelOf('2.13.0+cpu', randomBytes(2 * PART_BYTES + 99))

let server: FileServer
let folder: string
beforeAll(() => {
  ensureDist()
})
beforeEach(async () => {
  server = await FileServer.start({ '/small.whl': SMALL, '/large.whl': LARGE })
  folder = join(folderOf({}), 'libtorch')
})
afterEach(async () => {
  await server.stop()
  removeFolders()
})

function jobWith(changes: Partial<Installation> = {}): Installation {
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

const large = (): readonly Build[] => [buildOf(server.endpoint, { '/large.whl': LARGE })]
const small = (): readonly Build[] => [buildOf(server.endpoint, { '/small.whl': SMALL })]
const partsAsked = () => server.seen.filter(({ path }) => path === '/large.whl').length

function refusal(
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
function filesIn(root: string): string[] {
  if (!existsSync(root)) return []
  const entries = readdirSync(root, { recursive: true, withFileTypes: true, encoding: 'utf8' })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(root.length + 1))
    .sort()
}

describe('an installation', () => {
  it('keeps the libraries and the licences, and is found where pipelines look', async () => {
    const progress: RuntimeProgress[] = []
    const result = await install(jobWith({ builds: large(), onProgress: (one) => void progress.push(one) }))
    const name = `2.13.0-cpu-${TARGET}`
    expect(result).toMatchObject({
      state: 'installed',
      runtime: { name, version: '2.13.0+cpu', flavour: 'cpu' },
    })
    const kept = [
      'runtime.json',
      'torch-2.13.0.dist-info/licenses/LICENSE',
      `torch/lib/${libraryName('c10')}`,
      'torch/lib/libgomp.so.1',
      `torch/lib/${CPU}`,
      'torch/version.py',
    ]
    expect(filesIn(folder)).toEqual(kept.map((file) => join(name, file)).sort())
    expect(runtimesIn(folder)).toEqual([result.runtime])
    const environment = { WUERSTCHEN_CACHE: join(folder, '..') }
    expect(findLibtorch({ required: '2.13', environment, gpu: false }).found).toEqual({
      source: 'runtime',
      directory: join(folder, name, 'torch', 'lib'),
      version: '2.13.0+cpu',
    })
    for (const step of ['download', 'unpack']) {
      const last = progress.filter((one) => one.step === step).at(-1)
      expect(last?.done).toBe(last?.total)
    }
  })

  it('survives cuts, silence, refusals for a while and redirects', async () => {
    server.fail('/large.whl', { cutAfter: 1000 })
    server.fail('/large.whl', { silentAfter: 1000 })
    server.fail('/large.whl', { status: 503, headers: { 'retry-after': '0' } })
    server.fail('/large.whl', { status: 302, headers: { location: '/large.whl' } })
    expect((await install(jobWith({ builds: large() }))).state).toBe('installed')
  })

  it('throws away what arrives corrupt, and the next one works', async () => {
    server.fail('/small.whl', { flipByte: 70 })
    expect(await refusal(install(jobWith({ builds: small() })))).toMatchObject({
      code: 'ERR_WUERSTCHEN_DOWNLOAD_CORRUPT',
    })
    expect(filesIn(folder)).toEqual([])
    expect((await install(jobWith({ builds: small() }))).state).toBe('installed')
  })

  it('is left as it is when it is there', async () => {
    await install(jobWith({ builds: small() }))
    const asked = server.seen.length
    expect((await install(jobWith({ builds: small() }))).state).toBe('present')
    expect(server.seen).toHaveLength(asked)
  })

  it('is made again when its libraries were taken away', async () => {
    const { runtime } = await install(jobWith({ builds: small() }))
    rmSync(join(runtime?.folder ?? '', 'torch', 'lib', CPU))
    expect((await install(jobWith({ builds: small() }))).state).toBe('installed')
    expect(existsSync(join(runtime?.folder ?? '', 'torch', 'lib', CPU))).toBe(true)
  })

  it('asks the server for a size that no index says', async () => {
    const builds = small().map((one) => ({
      ...one,
      archives: one.archives.map((a) => ({ ...a, size: null })),
    }))
    expect((await install(jobWith({ builds }))).state).toBe('installed')
  })

  it('as a dry run says what it would do, and does nothing', async () => {
    const { archives, ...result } = await install(jobWith({ builds: small(), dryRun: true }))
    expect(result).toEqual({ state: 'planned', flavour: 'cpu', runtime: null })
    const url = `${server.endpoint}/small.whl`
    expect(archives).toEqual([{ name: 'small.whl', from: url, size: SMALL.length, sha256: sha256(SMALL) }])
    expect(server.seen).toEqual([])
    expect(existsSync(folder)).toBe(false)
  })

  it('says that there is no room before it asks for anything', async () => {
    const freeBytes = async () => 64 * 1024 * 1024 + LARGE.length
    const error = await refusal(install(jobWith({ builds: large(), freeBytes })))
    expect(error).toMatchObject({ code: 'ERR_WUERSTCHEN_DISK_FULL', details: { folder } })
    expect(server.seen).toEqual([])
  })

  it('stops when aborted, and goes on with what it had', async () => {
    const controller = new AbortController()
    const reason = new Error('enough')
    const onProgress = ({ step, done }: RuntimeProgress) => {
      if (step === 'download' && done > PART_BYTES * 1.5) controller.abort(reason)
    }
    const running = install(jobWith({ builds: large(), signal: controller.signal, onProgress }))
    await expect(running).rejects.toBeDefined()
    expect(runtimesIn(folder)).toEqual([])
    expect((await install(jobWith({ builds: large() }))).state).toBe('installed')
    expect(partsAsked()).toBeLessThanOrEqual(6)
  })

  it('aborted while it unpacks leaves nothing half', async () => {
    const controller = new AbortController()
    const onProgress = ({ step }: RuntimeProgress) => {
      if (step === 'unpack') controller.abort()
    }
    await refusal(install(jobWith({ builds: large(), signal: controller.signal, onProgress })))
    expect(filesIn(folder).filter((file) => !file.startsWith('.downloads'))).toEqual([])
  })

  it('of a flavour that is not known says which are', async () => {
    const error = await refusal(install(jobWith({ builds: small(), flavour: 'cu126' })))
    expect(error).toMatchObject({
      code: 'ERR_WUERSTCHEN_RUNTIME_UNAVAILABLE',
      details: { available: ['cpu'] },
    })
    expect(error.message).toContain('--from FILE --sha256 HASH')
  })
})

describe('several processes', () => {
  const script = `
    const { install } = require(process.cwd() + '/dist/libtorch/install')
    const [folder, builds] = process.argv.slice(1)
    install({ folder, flavour: 'cpu', required: ['2.13'], builds: JSON.parse(builds), signal: new AbortController().signal, onProgress: () => {} })
      .then(({ state }) => console.log(state), (error) => { console.error(error); process.exitCode = 1 })`

  function start() {
    const child = spawn(process.execPath, ['-e', script, folder, JSON.stringify(large())], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let said = ''
    child.stdout.on('data', (chunk) => {
      said += chunk
    })
    const ended = new Promise<string>((done) => child.once('close', () => done(said.trim())))
    return { child, ended }
  }

  it('at once download it once', async () => {
    const states = await Promise.all([start().ended, start().ended, start().ended])
    expect(states.sort()).toEqual(['installed', 'present', 'present'])
    expect(partsAsked()).toBe(3)
    expect(runtimesIn(folder)).toHaveLength(1)
  })

  it('go on where one was killed', async () => {
    server.fail('/large.whl', { silentAfter: 1000 })
    const { child, ended } = start()
    const notes = () => filesIn(folder).find((file) => file.endsWith('parts.json'))
    const done = () => JSON.parse(readFileSync(join(folder, notes() ?? ''), 'utf8')).done.length
    while (notes() === undefined || done() < 2) await sleep(20)
    child.kill('SIGKILL')
    expect(await ended).toBe('')
    expect((await install(jobWith({ builds: large() }))).state).toBe('installed')
    // The silent one is the only one that was asked for again.
    expect(partsAsked()).toBe(4)
    expect(filesIn(folder).some((file) => file.startsWith('.'))).toBe(false)
  })
})

describe('an archive that somebody brought along', () => {
  const fileWith = (bytes: Buffer, name = 'own.whl') => join(folderOf({ [name]: bytes }), name)

  it('is taken as it is', async () => {
    const from = fileWith(SMALL, 'small.whl')
    expect((await install(jobWith({ builds: small(), from }))).state).toBe('installed')
    expect(server.seen).toEqual([])
    expect(readFileSync(from).equals(SMALL)).toBe(true)
  })

  it('is refused when it is another one', async () => {
    const from = fileWith(wheelOf('2.12.0'))
    const error = await refusal(install(jobWith({ builds: small(), from })))
    expect(error).toMatchObject({
      code: 'ERR_WUERSTCHEN_RUNTIME_INVALID',
      details: { file: from, expected: sha256(SMALL), received: sha256(wheelOf('2.12.0')) },
    })
    expect(filesIn(folder)).toEqual([])
  })

  it('is taken when its hash is given, and names its flavour', async () => {
    const own = wheelOf('2.13.1+cu126')
    const job = jobWith({ builds: [], from: fileWith(own), sha256: sha256(own) })
    expect((await install(job)).runtime).toMatchObject({ name: `2.13.1-cu126-${TARGET}`, flavour: 'cu126' })
    // Again: it replaces itself.
    expect((await install(job)).state).toBe('installed')
    expect(runtimesIn(folder)).toHaveLength(1)
  })

  it('may be the zip of libtorch', async () => {
    const zip = zipOf([
      { name: 'libtorch/build-version', bytes: Buffer.from('2.13.0+cpu\n') },
      { name: `libtorch/lib/${CPU}`, bytes: Buffer.from('library') },
      { name: 'libtorch/include/torch.h', bytes: Buffer.from('header') },
    ])
    const job = jobWith({ builds: [], from: fileWith(zip, 'libtorch.zip'), sha256: sha256(zip) })
    const { runtime } = await install(job)
    expect(filesIn(runtime?.folder ?? '')).toEqual(['build-version', `lib/${CPU}`, 'runtime.json'])
  })

  it('may be in several files, which a folder or an address has under their names', async () => {
    const cublas = zipOf([{ name: 'nvidia/cu13/lib/libcublas.so.13', bytes: Buffer.from('cublas') }])
    const files = { '/torch.whl': wheelOf('2.13.0+cu130'), '/nvidia.whl': cublas }
    const builds = [buildOf('https://nowhere.invalid/a', files, 'cu130')]
    const job = jobWith({ builds, flavour: 'cu130' })
    const brought = folderOf({ 'torch.whl': files['/torch.whl'], 'nvidia.whl': cublas })
    const { runtime } = await install({ ...job, from: brought })
    expect(filesIn(runtime?.folder ?? '')).toContain('nvidia/cu13/lib/libcublas.so.13')
    const mirror = await FileServer.start({ '/m/torch.whl': files['/torch.whl'], '/m/nvidia.whl': cublas })
    try {
      for (const place of [{ from: `${mirror.endpoint}/m/` }, { mirror: `${mirror.endpoint}/m` }]) {
        const other = join(folderOf({}), 'other')
        expect((await install({ ...job, ...place, folder: other })).state).toBe('installed')
      }
    } finally {
      await mirror.stop()
    }
    const single = await refusal(install({ ...job, folder: folderOf({}), from: join(brought, 'torch.whl') }))
    expect(single.message).toMatch(
      /^Expected from to be a folder, or an address that ends with \/, with all 2 archives/,
    )
  })

  it('is asked for with the name and the password of its address, which no message shows', async () => {
    const mirror = server.endpoint.replace('//', '//me:secret@')
    server.fail('/small.whl', { status: 404 })
    const failed = await refusal(install(jobWith({ builds: small(), mirror })))
    expect(failed.message).not.toContain('secret')
    const { archives } = await install(jobWith({ builds: small(), mirror }))
    expect(archives[0]?.from).toBe(`${server.endpoint}/small.whl`)
    expect(server.seen.at(-1)?.authorization).toBe(`Basic ${Buffer.from('me:secret').toString('base64')}`)
  })
})

describe('an archive that is no libtorch', () => {
  const link = { name: `torch/lib/${libraryName('c10')}`, bytes: Buffer.from('/etc/passwd'), mode: 0o120777 }
  const file = (name: string) => ({ name, bytes: Buffer.from('x') })
  const cases: readonly (readonly [string, Buffer, RegExp])[] = [
    [
      'climbs out of its folder',
      wheelOf('2.13.0', undefined, [file('torch/lib/../../../x.so')]),
      /invalid relative path/,
    ],
    ['names an absolute path', wheelOf('2.13.0', undefined, [file('/x.so')]), /absolute path/],
    ['has backslashes', wheelOf('2.13.0', undefined, [file('torch\\lib\\x.so')]), /invalid characters/],
    ['has a link', zipOf([link]), /is a link/],
    ['has a file twice', wheelOf('2.13.0', undefined, [file(`torch/lib/${CPU}`)]), /is in it twice/],
    ['is cut', SMALL.subarray(0, SMALL.length - 30), /but .*(central directory|zip)/i],
    ['is no zip', Buffer.from('<html>no such file</html>'.repeat(20)), /but .*(central directory|zip)/i],
    ['has no libraries', zipOf([file('torch/version.py')]), new RegExp(`no ${CPU} in it`)],
    ['has another version', wheelOf('2.12.0'), /it is version 2\.12\.0, but 2\.13 is needed/],
    ['says no version', zipOf([file(`torch/lib/${CPU}`)]), /its version is unknown/],
  ]

  it.each(cases)('%s', async (_, bytes, message) => {
    const from = join(folderOf({}), 'archive.whl')
    writeFileSync(from, bytes)
    const error = await refusal(install(jobWith({ builds: [], from, sha256: sha256(bytes) })))
    expect(error.code).toBe('ERR_WUERSTCHEN_RUNTIME_INVALID')
    expect(error.message).toMatch(message)
    expect(filesIn(folder)).toEqual([])
  })

  it('has damaged data behind a hash that somebody vouched for', async () => {
    const bytes = Buffer.from(LARGE)
    const at = bytes.indexOf('c10', LARGE.length - 2000) // a deflated file's data comes before its directory
    bytes.fill(0xff, at - 40, at - 36)
    const from = join(folderOf({}), 'archive.whl')
    writeFileSync(from, bytes)
    const error = await refusal(install(jobWith({ builds: [], from, sha256: sha256(bytes) })))
    expect(error.code).toBe('ERR_WUERSTCHEN_RUNTIME_INVALID')
    expect(runtimesIn(folder)).toEqual([])
  })
})
