/** What is in the tarball that npm publishes, and what tools that check packages say of it. */
import { execFileSync, spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { ROOT } from '../../bench/support/reference'
import { ensureDist } from '../support/node-process'
import { folderOf, removeFolders } from '../support/temporary-folder'

const TARGET = `${process.platform}-${process.arch}`

/** Everything that is shipped, and nothing else. */
const SHIPPED: readonly RegExp[] = [
  /^(package\.json|README\.md|LICENSE|CHANGELOG\.md|SECURITY\.md)$/,
  /^dist\/([\w-]+\/)*[\w-]+\.(js|d\.ts|json)$/,
  /^dist\/web\//,
  /^prebuilds\/LICENSES\.txt$/,
  /^prebuilds\/[\w-]+\/loader\.node$/,
  /^prebuilds\/[\w-]+\/torch-2\.\d+\/(wuerstchen\.node|torch-version|(lib)?wuerstchen_cuda\.(so|dll))$/,
  /^graphs\/[\w-]+\/[\w.-]+$/,
  /^models\/[\w-]+\/.*\.(json|md|safetensors|txt)$/,
  /^scripts\/(networks\/)?\w+\.py$/,
]
const LARGEST_BYTES = 24_000_000 // packed; 16.7 MB with one platform

let tarball: string
let folder: string
let files: string[]
beforeAll(() => {
  ensureDist()
  const made = (...args: string[]) =>
    execFileSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8' }).trim()
  made('scripts/release/prebuild.mjs')
  tarball = made('scripts/release/tarballs.mjs', '--main')
  folder = join(folderOf({}), 'node_modules', 'wuerstchen')
  mkdirSync(folder, { recursive: true })
  execFileSync('tar', ['-xzf', tarball, '-C', folder, '--strip-components', '1'])
  files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    statSync(join(folder, name)).isFile(),
  )
}, 120_000)
afterAll(removeFolders)

describe('the tarball', () => {
  it('holds what it must', () => {
    expect(files).toEqual(
      expect.arrayContaining([
        'dist/index.js',
        'dist/index.d.ts',
        'dist/cli/main.js',
        'dist/web/index.html',
        'dist/web/licenses.txt',
        `prebuilds/${TARGET}/loader.node`,
        `prebuilds/${TARGET}/torch-2.13/wuerstchen.node`,
        `prebuilds/${TARGET}/torch-2.13/torch-version`,
        'scripts/export.py',
        'README.md',
        'LICENSE',
        'prebuilds/LICENSES.txt',
      ]),
    )
    expect(files.filter((name) => name.startsWith('graphs/')).length).toBeGreaterThan(5)
    expect(files.filter((name) => /^models\/shapes\/.*safetensors$/.test(name)).length).toBeGreaterThan(2)
  })

  it('holds nothing else', () => {
    expect(files.filter((name) => !SHIPPED.some((pattern) => pattern.test(name)))).toEqual([])
    expect(statSync(tarball).size).toBeLessThan(LARGEST_BYTES)
  })

  it('runs nothing when it is installed, and gives npm nothing to build', () => {
    const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
    expect(manifest.scripts).toBeUndefined()
    expect(manifest.devDependencies).toBeUndefined()
    expect(manifest.gypfile).toBe(false)
    expect(files.filter((name) => name.endsWith('.gyp'))).toEqual([])
  })

  it('says where it comes from, and brings libtorch for every platform', () => {
    const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
    const targets = JSON.parse(readFileSync(join(ROOT, 'packages/libtorch/targets.json'), 'utf8'))
    expect(manifest).toMatchObject({
      repository: { type: 'git', url: expect.stringMatching(/^git\+https:.*\.git$/) },
      homepage: expect.stringMatching(/^https:/),
      bugs: { url: expect.stringMatching(/^https:/) },
      preferUnplugged: true,
    })
    expect(Object.keys(manifest.optionalDependencies)).toEqual(
      Object.keys(targets.targets).map((target) => `@wuerstchen/libtorch-${target}`),
    )
    expect(new Set(Object.values(manifest.optionalDependencies))).toEqual(new Set([targets.torch]))
  })

  it('names no path of the machine that made it', () => {
    const naming = files.filter((name) => readFileSync(join(folder, name)).includes(ROOT))
    expect(naming).toEqual([])
  })
})

describe('publish.mjs', () => {
  it('refuses a release that lacks a target, and names what is missing', () => {
    const incomplete = folderOf({})
    const { status, stderr } = spawnSync(
      process.execPath,
      ['scripts/release/publish.mjs', '--check', '--from', incomplete],
      { cwd: ROOT, encoding: 'utf8' },
    )
    expect(status).toBe(1)
    expect(stderr).toContain('wuerstchen-libtorch-darwin-arm64-2.13.0.tgz')
    expect(stderr).toMatch(/wuerstchen-\d+\.\d+\.\d+\.tgz/)
  })

  it('refuses a main package without the native parts of a target', () => {
    const folder = folderOf({})
    symlinkSync(tarball, join(folder, basename(tarball)))
    const { status, stderr } = spawnSync(
      process.execPath,
      ['scripts/release/publish.mjs', '--check', '--from', folder],
      { cwd: ROOT, encoding: 'utf8' },
    )
    expect(status).toBe(1)
    expect(stderr).toContain(`prebuilds/win32-x64/loader.node in ${basename(tarball)}`)
    // Tests build an engine for the checkout's own libtorch, a release for a further one, too.
    const missing = Array.from(stderr.matchAll(/prebuilds\/\S+/g), ([path]) => path)
    const further = process.platform === 'linux' ? [`prebuilds/${TARGET}/torch-2.14/wuerstchen.node`] : []
    expect(missing.filter((path) => path.startsWith(`prebuilds/${TARGET}/`))).toEqual(further)
  })
})

describe('checks of packages', () => {
  it('satisfies publint', () => {
    expect(outputOf('publint/src/cli.js', '--strict', tarball)).toContain('All good!')
  })

  it('has types that resolve in every way of importing (arethetypeswrong)', () => {
    // Node 10 knows no exports, and this package runs on Node 20 and later.
    const output = outputOf(
      '@arethetypeswrong/cli/dist/index.js',
      tarball,
      '--profile',
      'node16',
      '--format',
      'table',
    )
    const table = output.split('\n').filter((line) => /^│ (node16|bundler) /.test(line))
    expect(table).toHaveLength(3)
    for (const line of table) expect(line.match(/🟢/gu)).toHaveLength(5)
  })
})

describe('the types', () => {
  beforeAll(() => {
    for (const dependency of ['@types', 'undici-types', 'undici', 'sharp']) {
      const there = join(ROOT, 'node_modules', dependency)
      if (existsSync(there)) symlinkSync(there, join(folder, '..', dependency))
    }
  })

  const program = [
    "import { WuerstchenPipeline, type GenerateOptions, InvalidArgumentError } from 'wuerstchen'",
    'const options: GenerateOptions = { width: 256, seed: 7 }',
    'export async function make(): Promise<Uint8Array> {',
    '  await using pipeline = await WuerstchenPipeline.fromPretrained()',
    "  const { images } = await pipeline.generate('a red circle', options)",
    '  const [image] = images',
    "  if (image === undefined) throw new InvalidArgumentError('no image')",
    "  return image.toBuffer('png')",
    '}',
    '// @ts-expect-error it is made by fromPretrained() alone',
    'new WuerstchenPipeline()',
    '// @ts-expect-error a word is no width',
    "export const wrong: GenerateOptions = { width: 'wide' }",
    '',
  ].join('\n')

  it.each([
    ['nodenext', 'consumer.mts'],
    ['nodenext', 'consumer.cts'],
    ['bundler', 'consumer.ts'],
  ])('compile with moduleResolution %s in %s', (moduleResolution, name) => {
    const project = join(folder, '..', '..')
    writeFileSync(join(project, name), program)
    const options = [
      '--strict',
      '--noEmit',
      ...['--target', 'es2022', '--lib', 'es2022,esnext.disposable', '--types', 'node'],
      ...[
        '--module',
        moduleResolution === 'bundler' ? 'esnext' : 'nodenext',
        '--moduleResolution',
        moduleResolution,
      ],
    ]
    const tsc = join(ROOT, 'node_modules/typescript/bin/tsc')
    const { stdout } = spawnSync(process.execPath, [tsc, ...options, name], {
      cwd: project,
      encoding: 'utf8',
    })
    expect(stdout).toBe('')
  })
})

function outputOf(program: string, ...args: string[]): string {
  const { stdout, stderr } = spawnSync(process.execPath, [join(ROOT, 'node_modules', program), ...args], {
    cwd: ROOT,
    encoding: 'utf8',
    env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: '0' },
  })
  return stdout + stderr
}
