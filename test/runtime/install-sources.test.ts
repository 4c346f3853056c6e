/** Places that archives are taken from: files that cannot be read, dry runs that read them, addresses that are none. */
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../../bench/support/reference'
import { installRuntime } from '../../lib'
import { install } from '../../lib/libtorch/install'
import type { RuntimeProgress } from '../../lib/libtorch/job'
import { fileWith, folder, jobWith, refusal, SMALL, server, small, useServer } from '../support/installations'
import { sha256 } from '../support/loopback-hub'
import { wheelOf } from '../support/made-up-libtorch'
import { runCli } from '../support/node-process'
import { folderOf } from '../support/temporary-folder'

useServer()

const OTHER = 'a'.repeat(64)

describe('an archive that cannot be read', () => {
  const onLinux = process.platform === 'linux' ? it : it.skip

  it.each([false, true])('is named where it is not there (a dry run: %s)', async (dryRun) => {
    const from = join(folderOf({}), 'a.whl')
    for (const job of [jobWith({ builds: small(), from, dryRun }), jobWith({ from, sha256: OTHER, dryRun })])
      expect(await refusal(install(job))).toMatchObject({
        code: 'ERR_WUERSTCHEN_FILE_NOT_READ',
        message: `Expected ${from} to be an archive that can be read but there is no such file`,
        details: { file: from },
      })
  })

  it('is named where it is a folder', async () => {
    const from = folderOf({})
    mkdirSync(join(from, 'small.whl'))
    expect(await refusal(install(jobWith({ builds: small(), from })))).toMatchObject({
      code: 'ERR_WUERSTCHEN_FILE_NOT_READ',
      message: expect.stringMatching(
        /small\.whl to be an archive that can be read but it is a folder and no file$/,
      ),
    })
  })

  // It can be opened, and every read of it fails.
  onLinux('is named where its disk fails (SKIPPED elsewhere: it is in /proc)', async () => {
    const from = '/proc/self/mem'
    for (const dryRun of [false, true])
      await expect(
        installRuntime({ folder: folderOf({}), flavour: 'cpu', from, sha256: OTHER, dryRun }),
      ).rejects.toMatchObject({
        code: 'ERR_WUERSTCHEN_FILE_NOT_READ',
        message: expect.stringMatching(
          /^Expected \/proc\/self\/mem to be an archive .* but EIO: i\/o error, read$/,
        ),
        details: { file: from },
      })
  })

  onLinux('is named where this user may not read it (SKIPPED elsewhere: users have numbers)', () => {
    const from = fileWith(SMALL)
    chmodSync(from, 0)
    chmodSync(join(from, '..'), 0o755)
    const nobody = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {}
    const cache = folderOf({})
    chmodSync(cache, 0o777)
    const { stderr, status } = spawnSync(
      process.execPath,
      [join(ROOT, 'dist', 'cli', 'main.js'), 'runtime', 'install', 'cpu', '--from', from, '--quiet'],
      { cwd: '/', encoding: 'utf8', env: { ...process.env, WUERSTCHEN_CACHE: cache }, ...nobody },
    )
    expect(stderr).toBe(
      `error [ERR_WUERSTCHEN_FILE_NOT_READ]: Expected ${from} to be an archive that can be read but this user may not read it\n`,
    )
    expect(status).toBe(2)
  })
})

describe('a dry run', () => {
  it.each([
    ['that this package knows', () => ({ builds: small() }), SMALL],
    ['whose hash is given', () => ({ sha256: sha256(wheelOf('2.13.1')) }), wheelOf('2.13.1')],
  ])('reads the file of an archive %s, and says so', async (_, changes, bytes) => {
    const progress: RuntimeProgress[] = []
    const onProgress = (one: RuntimeProgress) => void progress.push(one)
    const job = jobWith({ ...changes(), from: fileWith(bytes), dryRun: true, onProgress })
    expect(await install(job)).toMatchObject({
      state: 'planned',
      archives: [{ verified: true, size: bytes.length }],
    })
    expect(progress.at(-1)).toEqual({
      type: 'runtime',
      step: 'verify',
      done: bytes.length,
      total: bytes.length,
    })
    expect(existsSync(folder)).toBe(false)
  })

  it('refuses a file of another hash', async () => {
    const from = fileWith(SMALL)
    const changed = Buffer.from(SMALL)
    changed[99] = (changed[99] ?? 0) ^ 1
    for (const job of [
      { sha256: OTHER, from },
      { builds: small(), from: fileWith(changed) },
    ])
      expect(await refusal(install(jobWith({ ...job, dryRun: true })))).toMatchObject({
        code: 'ERR_WUERSTCHEN_RUNTIME_INVALID',
        details: { file: job.from, expected: job.sha256 ?? sha256(SMALL) },
      })
  })

  it('refuses a file of another size before it reads any', async () => {
    const from = fileWith(SMALL.subarray(1))
    const onProgress = jest.fn()
    for (const dryRun of [true, false])
      expect(await refusal(install(jobWith({ builds: small(), from, dryRun, onProgress })))).toMatchObject({
        code: 'ERR_WUERSTCHEN_RUNTIME_INVALID',
        details: { file: from, expected: SMALL.length, received: SMALL.length - 1 },
      })
    expect(onProgress).not.toHaveBeenCalled()
  })

  it('says on the command line when hashes are compared', () => {
    const dry = (...args: string[]) =>
      runCli(['runtime', 'install', ...args, '--dry-run', '--quiet'], { WUERSTCHEN_CACHE: folderOf({}) })
    const from = fileWith(SMALL)
    expect(dry('cpu', '--from', from, '--sha256', sha256(SMALL)).stdout).toContain(
      `${from}\n  sha256 ${sha256(SMALL)}, which the file has\n`,
    )
    expect(dry('cpu', '--from', from, '--sha256', sha256(SMALL)).stdout).toMatch(
      /^cpu: 1 archive, 0\.\d+ MB\n/,
    )
    expect(dry('cpu', '--from', from, '--sha256', OTHER)).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/^error \[ERR_WUERSTCHEN_RUNTIME_INVALID\]: .*sha256 aaaa/),
    })
    const remote = dry('cpu', '--from', `${server.endpoint}/small.whl`, '--sha256', OTHER).stdout
    expect(remote).toContain(`sha256 ${OTHER}, compared after the download\n`)
    expect(remote).toMatch(/^cpu: 1 archive, whose size its server tells when it is downloaded\n/)
    expect(server.seen).toEqual([])
  })
})

describe('an address that is none', () => {
  it.each(['file://elsewhere/a.whl', 'file:///a%2Fb.whl', 'file:///a%zz.whl', 'http://me:%zz@127.0.0.1:9/'])(
    'is refused: %s',
    async (from) => {
      const error = await refusal(installRuntime({ folder: folderOf({}), flavour: 'cpu', from }))
      expect(error).toMatchObject({ code: 'ERR_WUERSTCHEN_INVALID_ARGUMENT', details: { name: 'from' } })
      expect(error.message).not.toContain('me:')
    },
  )

  it('is no fault of a file whose name has a %', async () => {
    const bytes = wheelOf('2.13.1')
    const job = jobWith({ from: fileWith(bytes, '50%zz.whl'), sha256: sha256(bytes) })
    expect(await install(job)).toMatchObject({ state: 'installed', archives: [{ name: '50%zz.whl' }] })
  })
})
