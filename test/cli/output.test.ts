/** Standard output that cannot be written, and names that no terminal should see as they are. */
import { spawnSync } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../../bench/support/reference'
import { type SmallModel, smallModel } from '../support/models'
import { ensureDist } from '../support/node-process'
import { folderOf, removeFolders } from '../support/temporary-folder'

let model: string[]
beforeAll(() => {
  ensureDist()
  const small: SmallModel = smallModel()
  model = ['--model', small.folder, '--graphs', small.graphs, '--device', 'cpu', '--threads', '1']
  model.push('--width', '128', '--height', '128', '--steps', '2', '--decoder-steps', '2', '--seed', '7')
})
afterAll(removeFolders)

const MAIN = join(ROOT, 'dist', 'cli', 'main.js')

/** Runs a command whose standard output is the file. */
function runInto(file: string, args: readonly string[]) {
  const stdout = openSync(file, 'w')
  try {
    return spawnSync(process.execPath, [MAIN, ...args], {
      cwd: ROOT,
      encoding: 'utf8',
      stdio: ['ignore', stdout, 'pipe'],
    })
  } finally {
    closeSync(stdout)
  }
}

const NO_ROOM =
  /^error \[ERR_WUERSTCHEN_FILE_NOT_WRITTEN\]: Expected to write standard output but ENOSPC: [^\n]*\n$/

const onLinux = process.platform === 'linux' ? describe : describe.skip

onLinux('a standard output without room (Linux)', () => {
  it.each([
    ['generate -o -', () => ['generate', 'a cat', '-o', '-', ...model]],
    ['generate', () => ['generate', 'a cat', '-o', join(folderOf({}), 'cat.png'), ...model]],
    ['doctor', () => ['doctor']],
    ['doctor --json', () => ['doctor', '--json']],
    ['runtime list', () => ['runtime', 'list']],
    ['key', () => ['key', 'a']],
    ['--help', () => ['--help']],
    ['serve --help', () => ['serve', '--help']],
    ['--version', () => ['--version']],
  ])('is one line and status 1 of %s', (_name, argsOf) => {
    const { status, stderr } = runInto('/dev/full', argsOf())
    expect(stderr).toMatch(NO_ROOM)
    expect(status).toBe(1)
  })
})

describe('a reader that is gone', () => {
  it.each([
    ['--help', () => ['--help']],
    ['generate -o -', () => ['generate', 'a cat', '-o', '-', ...model]],
  ])('is no fault of %s', (_name, argsOf) => {
    const command = `"$0" "$@" | head -c 0; exit "\${PIPESTATUS[0]}"`
    const { status, stderr } = spawnSync('bash', ['-c', command, process.execPath, MAIN, ...argsOf()], {
      cwd: ROOT,
      encoding: 'utf8',
    })
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  })
})
