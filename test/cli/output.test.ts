/** Standard output that cannot be written, and names that no terminal should see as they are. */
import { spawnSync } from 'node:child_process'
import { closeSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../../bench/support/reference'
import { type SmallModel, smallModel } from '../support/models'
import { ensureDist, runCli } from '../support/node-process'
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

describe('names of files that are more than a line', () => {
  it('are shown with escapes, and errors are of ours', () => {
    const folder = folderOf({})
    const quick = (...args: string[]) => runCli(['generate', ...args, ...model])
    const one = quick('a cat', '-o', join(folder, 'new\nline.png'))
    expect(one).toMatchObject({ status: 0, stderr: '' })
    expect(one.stdout).toMatch(/^[^\n]*new\\nline\.png {2}128x128[^\n]*\n$/)
    writeFileSync(join(folder, 'captions.txt'), 'a cat\n')
    const out = ['--out-dir', join(folder, 'new\nd')]
    const several = quick('--captions', join(folder, 'captions.txt'), ...out)
    expect(several).toMatchObject({ status: 0, stderr: '' })
    expect(several.stdout).toMatch(/^[^\n]*new\\nd\/0001-a-cat\.png {2}[^\n]*\n$/)
  })

  it.each([
    [['--from', 'no\nsuch.png'], /^Expected no\\nsuch\.png to be a picture .* but there is no such file$/],
    [['--captions', 'no\nfile'], /^Expected no\\nfile to be a text file .* but there is no such file$/],
    [['--captions', '.'], /^Expected \. to be a text file .* but it is a folder$/],
    [['--from', '.'], /^Expected \. to be a picture .* but it is a folder and no file$/],
  ])('and are in one line where they cannot be read: %j', (args, message) => {
    const { status, stderr } = runCli(['generate', ...args, ...model])
    const [, told = ''] = /^error \[ERR_WUERSTCHEN_FILE_NOT_READ\]: ([^\n]*)\n$/.exec(stderr) ?? []
    expect(told).toMatch(message)
    expect(status).toBe(2)
  })
})
