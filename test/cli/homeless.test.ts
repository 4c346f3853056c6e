/** Machines on which little may be looked at: a user without a home folder, and `node --permission`. */
import { spawnSync } from 'node:child_process'
import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../../bench/support/reference'
import type { Diagnosis } from '../../lib'
import { ensureDist } from '../support/node-process'
import { folderOf, removeFolders } from '../support/temporary-folder'

beforeAll(() => {
  ensureDist()
})
afterAll(removeFolders)

// Of a number that no system has in its list. Only root may be somebody else.
const NOBODY = 54_321
const asRoot = process.getuid?.() === 0 ? describe : describe.skip
const PERMISSION = process.allowedNodeEnvironmentFlags.has('--permission')
  ? '--permission'
  : '--experimental-permission'

function run(args: readonly string[], { uid, flags = [] }: { uid?: number; flags?: readonly string[] } = {}) {
  const environment = uid === undefined ? process.env : { PATH: process.env.PATH }
  const main = join(ROOT, 'dist', 'cli', 'main.js')
  return spawnSync(process.execPath, [...flags, main, ...args], {
    cwd: ROOT,
    encoding: 'utf8',
    env: environment as NodeJS.ProcessEnv,
    ...(uid === undefined ? {} : { uid }),
  })
}

asRoot('a user without a home folder', () => {
  const homeless = { uid: NOBODY }

  it('gets a picture', () => {
    const folder = folderOf({})
    chmodSync(folder, 0o777)
    const size = ['--width', '128', '--height', '128', '--steps', '1']
    const { status, stderr } = run(
      ['generate', 'a red circle', '-o', join(folder, 'a.png'), ...size],
      homeless,
    )
    expect(stderr).not.toContain('uv_os_homedir')
    expect(status).toBe(0)
  })

  it('is told by doctor that nothing keeps it', () => {
    const { problems, libtorch }: Diagnosis = JSON.parse(run(['doctor', '--json'], homeless).stdout)
    expect(problems).toEqual([])
    expect(libtorch.rejected).toContainEqual({
      source: 'runtime',
      path: 'libtorch',
      reason: 'this user has no home folder',
    })
  })

  it('has no runtimes', () => {
    expect(run(['runtime', 'list'], homeless)).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^none/),
    })
  })

  it.each([
    [
      ['runtime', 'install', 'cpu'],
      /INVALID_ARGUMENT.*Expected a folder for runtimes .*--folder, or with WUERSTCHEN_CACHE/,
    ],
    [['pull', 'a/b'], /CACHE_UNUSABLE.*Expected a folder for downloaded models .*HF_HUB_CACHE/],
    [['models'], /CACHE_UNUSABLE.*HF_HUB_CACHE/],
  ])('is told to name a folder where %j needs one', (args, message) => {
    const { status, stderr } = run(args, homeless)
    expect(status).not.toBe(0)
    expect(stderr).toMatch(message)
    expect(stderr).not.toContain('uv_os_homedir')
  })
})

describe('node --permission', () => {
  it('that allows this package and no more lets it say what it lacks', () => {
    const flags = [PERMISSION, '--allow-addons', `--allow-fs-read=${ROOT}/*`]
    const { stdout, stderr } = run(['doctor', '--json', '--libtorch', '/nowhere'], { flags })
    expect(stderr).not.toContain('error')
    const { libtorch, gpu, problems }: Diagnosis = JSON.parse(stdout)
    expect(gpu).toBeNull()
    expect(libtorch.rejected).toEqual([{ source: 'option', path: '/nowhere', reason: 'no such folder' }])
    expect(problems.map(({ code }) => code)).not.toContain('ERR_WUERSTCHEN_INTERNAL')
  })
})
