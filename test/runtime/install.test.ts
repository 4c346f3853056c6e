/** `runtime install` with made-up archives: from a loopback server that misbehaves, and from files. */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { PART_BYTES } from '../../lib/download/part-notes'
import { findLibtorch } from '../../lib/libtorch/find'
import { install } from '../../lib/libtorch/install'
import type { RuntimeProgress } from '../../lib/libtorch/job'
import { libraryName } from '../../lib/libtorch/libraries'
import { runtimesIn, TARGET } from '../../lib/libtorch/runtimes'
import {
  CPU,
  filesIn,
  folder,
  jobWith,
  LARGE,
  large,
  partsAsked,
  refusal,
  SMALL,
  server,
  small,
  useServer,
} from '../support/installations'
import { sha256 } from '../support/loopback-hub'

useServer()

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
    const archive = { name: 'small.whl', from: url, size: SMALL.length, sha256: sha256(SMALL) }
    expect(archives).toEqual([{ ...archive, verified: false }])
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
