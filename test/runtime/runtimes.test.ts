/** The runtimes as callers and the command line have them. */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { installRuntime, listRuntimes, removeRuntime } from '../../lib'
import { BUILDS } from '../../lib/libtorch/builds'
import { TARGET } from '../../lib/libtorch/runtimes'
import { sha256 } from '../support/loopback-hub'
import { wheelOf } from '../support/made-up-libtorch'
import { ensureDist, runCli } from '../support/node-process'
import { SharedSignal } from '../support/shared-signal'
import { folderOf, removeFolders } from '../support/temporary-folder'

const environment = { ...process.env }
beforeAll(() => {
  ensureDist()
})
afterEach(() => {
  process.env = { ...environment }
  removeFolders()
})

/** A folder of runtimes with two flavours in it. */
async function withTwo(): Promise<string> {
  const folder = join(folderOf({}), 'libtorch')
  for (const version of ['2.13.0+cpu', '2.13.0+cu126']) {
    const wheel = wheelOf(version)
    await installRuntime({ folder, from: join(folderOf({ 'a.whl': wheel }), 'a.whl'), sha256: sha256(wheel) })
  }
  return folder
}

const namesOf = (runtimes: readonly { name: string }[]) => runtimes.map(({ name }) => name)

describe('the table of builds', () => {
  it('has a hash, and an official address or a name on the index, for every archive', () => {
    const archives = BUILDS.flatMap((build) => build.archives)
    expect(archives.length).toBeGreaterThan(30)
    for (const { url, sha256, size } of archives) {
      expect(sha256).toMatch(/^[0-9a-f]{64}$/)
      expect(url).toMatch(/^(https:\/\/download\.pytorch\.org\/whl\/.*|(torch|nvidia_)[\w.-]+)\.whl$/)
      expect(size === null || (Number.isSafeInteger(size) && size > 1e6)).toBe(true)
    }
  })

  it('has the CPU for every platform, and never one archive twice', () => {
    const targets = ['linux-x64', 'linux-arm64', 'darwin-arm64', 'win32-x64']
    const cpu = BUILDS.filter(({ flavour }) => flavour === 'cpu').map(({ target }) => target)
    expect(cpu).toEqual(targets)
    for (const { archives, version } of BUILDS) {
      expect(archives[0]?.url).toContain(`torch-${version}`)
      expect(new Set(archives.map((one) => one.sha256)).size).toBe(archives.length)
    }
  })
})

describe('listRuntimes() and removeRuntime()', () => {
  it('list what is there, and remove it by flavour or name', async () => {
    const folder = await withTwo()
    const [cpu, cuda] = [`2.13.0-cpu-${TARGET}`, `2.13.0-cu126-${TARGET}`]
    mkdirSync(join(folder, 'by-hand'))
    expect(namesOf(listRuntimes({ folder }))).toEqual([cpu, cuda])
    expect(namesOf(await removeRuntime('cu126', { folder }))).toEqual([cuda])
    expect(namesOf(await removeRuntime(cpu, { folder }))).toEqual([cpu])
    expect(readdirSync(folder)).toEqual(['by-hand'])
  })

  it('remove everything of ours, also half downloads', async () => {
    const folder = await withTwo()
    mkdirSync(join(folder, '.downloads'))
    writeFileSync(join(folder, '.downloads', 'part'), 'x')
    expect(await removeRuntime('all', { folder })).toHaveLength(2)
    expect(readdirSync(folder)).toEqual([])
    expect(await removeRuntime('all', { folder })).toEqual([])
  })

  it('name what is there when something else is meant', async () => {
    const folder = await withTwo()
    await expect(removeRuntime('cu130', { folder })).rejects.toMatchObject({
      code: 'ERR_WUERSTCHEN_INVALID_ARGUMENT',
      message: expect.stringContaining(`2.13.0-cpu-${TARGET}`),
    })
  })
})

describe('installRuntime()', () => {
  it('shares its signal with many others, and lets go of it', async () => {
    await using shared = new SharedSignal()
    const wheel = wheelOf()
    const from = join(folderOf({ 'a.whl': wheel }), 'a.whl')
    const running = Array.from({ length: 12 }, () =>
      installRuntime({ folder: folderOf({}), from, sha256: sha256(wheel), signal: shared.signal }),
    )
    expect(shared.listeners).toBe(1)
    await Promise.all(running)
    expect(shared.listeners).toBe(0)
    expect(await shared.warned()).toEqual([])
  })

  it.each([
    [{ flavour: 'cuda' }, 'flavour'],
    [{ from: '' }, 'from'],
    [{ sha256: 'abc' }, 'sha256'],
    [{ sha256: 'a'.repeat(64) }, 'sha256'],
    [{ dryRun: 'yes' }, 'dryRun'],
    [{ folder: 7 }, 'folder'],
    [{ flavor: 'cpu' }, 'flavor'],
  ])('refuses %j', async (options, name) => {
    const running = installRuntime(options as never)
    await expect(running).rejects.toMatchObject({
      code: 'ERR_WUERSTCHEN_INVALID_ARGUMENT',
      details: { name },
    })
  })

  const nowhere = BUILDS.find(({ target, flavour }) => target === TARGET && flavour === 'cu130')
  const itOnTarget = nowhere === undefined ? it.skip : it
  itOnTarget('says how to bring along what has no address here, before it touches anything', async () => {
    const folder = folderOf({})
    const running = installRuntime({ folder, flavour: 'cu130' })
    await expect(running).rejects.toMatchObject({
      code: 'ERR_WUERSTCHEN_RUNTIME_UNAVAILABLE',
      message: expect.stringMatching(
        /'pip download torch==2\.13\.0 .* -d wheels && npx wuerstchen runtime install cu130 --from wheels'/,
      ),
    })
    expect(readdirSync(folder)).toEqual([])
    const planned = await installRuntime({ folder, flavour: 'cu130', dryRun: true })
    expect(planned.archives).toHaveLength(nowhere?.archives.length ?? 0)
  })

  it('passes on what onProgress throws', async () => {
    const wheel = wheelOf()
    const mine = Object.assign(new Error('mine'), { code: 'ECONNRESET' })
    const from = join(folderOf({ 'a.whl': wheel }), 'a.whl')
    const onProgress = () => {
      throw mine
    }
    const running = installRuntime({ folder: folderOf({}), from, sha256: sha256(wheel), onProgress })
    await expect(running).rejects.toBe(mine)
  })

  it('rejects with what onProgress rejects with later', async () => {
    const wheel = wheelOf()
    const mine = new Error('mine')
    const from = join(folderOf({ 'a.whl': wheel }), 'a.whl')
    const onProgress = () => new Promise<never>((_, reject) => setImmediate(reject, mine))
    const running = installRuntime({ folder: folderOf({}), from, sha256: sha256(wheel), onProgress })
    await expect(running).rejects.toBe(mine)
  })

  it('tells a server that does not answer from one that is not there, with what may help', async () => {
    process.env.WUERSTCHEN_LIBTORCH_MIRROR = 'http://127.0.0.1:9/'
    await expect(installRuntime({ folder: folderOf({}), flavour: 'cpu' })).rejects.toMatchObject({
      code: 'ERR_WUERSTCHEN_DOWNLOAD_FAILED',
      retryable: true,
      message: expect.stringMatching(/ECONNREFUSED.*HTTPS_PROXY.*WUERSTCHEN_LIBTORCH_MIRROR.*--from/),
      details: { code: 'ECONNREFUSED' },
    })
  })

  const onLinux = process.platform === 'linux' ? it : it.skip
  onLinux('says which folder it cannot write to (SKIPPED elsewhere: it is in /proc)', async () => {
    const folder = '/proc/wuerstchen/libtorch'
    await expect(installRuntime({ folder, flavour: 'cpu' })).rejects.toMatchObject({
      code: 'ERR_WUERSTCHEN_FILE_NOT_WRITTEN',
      message: expect.stringContaining(folder),
    })
  })
})

describe('wuerstchen runtime', () => {
  it('installs, lists and removes', () => {
    const cache = folderOf({})
    const wheel = wheelOf()
    const from = join(folderOf({ 'a.whl': wheel }), 'a.whl')
    const run = (...args: string[]) => runCli(['runtime', ...args], { WUERSTCHEN_CACHE: cache })
    const name = `2.13.0-cpu-${TARGET}`
    const folder = join(cache, 'libtorch', name)
    expect(run('list').stdout).toBe("none; 'npx wuerstchen runtime install' brings one\n")
    const installed = run('install', 'cpu', '--from', from, '--sha256', sha256(wheel))
    expect(installed).toMatchObject({ status: 0, stdout: `${folder}\n`, stderr: '' })
    expect(run('list').stdout).toContain(`${name}  2.13.0+cpu`)
    expect(JSON.parse(run('list', '--json').stdout)).toMatchObject([{ name, folder }])
    expect(run('remove', 'cpu').stdout).toContain(`removed ${name}`)
    expect(existsSync(folder)).toBe(false)
  })

  it('shows addresses and hashes of a dry run', () => {
    const { stdout, status } = runCli(['runtime', 'install', 'cpu', '--dry-run'], {
      WUERSTCHEN_CACHE: folderOf({}),
    })
    const { archives } = BUILDS.find(({ flavour, target }) => flavour === 'cpu' && target === TARGET) ?? {}
    expect(status).toBe(0)
    expect(stdout).toContain(`${archives?.[0]?.url}\n  sha256 ${archives?.[0]?.sha256}`)
  })

  it('names the flag that is wrong', () => {
    const { stderr, status } = runCli(['runtime', 'install', 'cuda'])
    expect(status).toBe(2)
    expect(stderr).toMatch(
      /^error \[ERR_WUERSTCHEN_INVALID_ARGUMENT\]: Expected flavour to be .*cpu.*cu126.*cu130/,
    )
  })
})
