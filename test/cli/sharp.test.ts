/** sharp where its binary was left out, and where `import()` is refused. */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../../bench/support/reference'
import { withoutSharpsBinary } from '../support/bare-package'
import { type SmallModel, smallModel } from '../support/models'
import { ensureDist } from '../support/node-process'
import { folderOf, removeFolders } from '../support/temporary-folder'

let small: SmallModel
let main: string
beforeAll(() => {
  ensureDist()
  small = smallModel()
  main = join(withoutSharpsBinary(), 'dist', 'cli', 'main.js')
})
afterAll(removeFolders)

const run = (args: readonly string[]) =>
  spawnSync(process.execPath, [main, ...args], { encoding: 'utf8', timeout: 120_000 })

const REMEDY = /npm install --include=optional sharp, or: npm install --os=\w+ .*--cpu=\w+ sharp/

describe("without sharp's binary", () => {
  it('generate ends before any work, with what helps', () => {
    const file = join(folderOf({}), 'new', 'cat.png')
    const model = ['--model', small.folder, '--graphs', small.graphs, '--steps', '1000']
    for (const output of [file, '-']) {
      const { status, stdout, stderr } = run(['generate', 'a cat', '-o', output, ...model])
      expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
      expect(stderr).toMatch(
        /^error \[ERR_WUERSTCHEN_SHARP_FAILED\]: Expected sharp to be loaded but .*\. Run: npm .*\n$/,
      )
      expect(stderr).toMatch(REMEDY)
    }
    expect(existsSync(join(file, '..'))).toBe(false)
  })

  it('serve ends before it is ready', () => {
    const { status, stderr } = run([
      'serve',
      '--port',
      '0',
      '--model',
      small.folder,
      '--graphs',
      small.graphs,
    ])
    expect(status).toBe(1)
    expect(stderr).toMatch(/^error \[ERR_WUERSTCHEN_SHARP_FAILED\]: /)
    expect(stderr).toMatch(REMEDY)
  })

  it('doctor says that no picture can be made, and what helps', () => {
    const { status, stdout } = run(['doctor'])
    expect(status).toBe(1)
    expect(stdout).not.toContain('Ready')
    expect(stdout).toContain('problem [ERR_WUERSTCHEN_SHARP_FAILED]: Expected sharp to be loaded but')
    expect(stdout).toMatch(new RegExp(`  fix: ${REMEDY.source}`))
  })
})

describe("Jest's own CommonJS, which refuses import()", () => {
  it('saves pictures with dist/', async () => {
    const { GeneratedImage } = require(join(ROOT, 'dist')) as typeof import('../../lib')
    const image = new GeneratedImage(new Uint8Array(64 * 64 * 3), 64, 64, { prompt: 'a cat' } as never)
    expect((await image.toBuffer('webp')).length).toBeGreaterThan(0)
  })

  it('finds none in dist/, but for the page', () => {
    const files = readdirSync(join(ROOT, 'dist'), { recursive: true, encoding: 'utf8' }).filter(
      (file) => file.endsWith('.js') && !file.startsWith('web'),
    )
    expect(files.length).toBeGreaterThan(100)
    const code = (file: string) =>
      readFileSync(join(ROOT, 'dist', file), 'utf8').replace(/^ *(\/?\*|\/\/).*$/gm, '')
    expect(files.filter((file) => /await import\(/.test(code(file)))).toEqual([])
  })
})
