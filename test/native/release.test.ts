import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../../bench/support/reference'
import { loadRuntime } from '../../lib/native/binding'
import { ensureDist } from '../support/node-process'
import { folderOf, removeFolders } from '../support/temporary-folder'

const { platform, arch } = process
const node = (args: readonly string[], environment: NodeJS.ProcessEnv = {}) =>
  spawnSync(process.execPath, args, {
    cwd: ROOT,
    encoding: 'utf8',
    env: { ...process.env, ...environment },
  })
const libtorch = () => join(loadRuntime().libtorch.directory, '..')
const floorsOf = (...files: string[]) =>
  node(['scripts/release/floors.mjs', '--libtorch', libtorch(), ...files])

/** As npm would install it, with these addons. */
function packageWith(prebuilds: string): string {
  const folder = folderOf({})
  cpSync(ensureDist(), join(folder, 'dist'), { recursive: true })
  for (const name of ['package.json', 'graphs', 'models', 'node_modules'])
    symlinkSync(join(ROOT, name), join(folder, name))
  const target = join(folder, 'prebuilds', `${platform}-${arch}`)
  mkdirSync(target, { recursive: true })
  cpSync(join(prebuilds, 'loader.node'), join(target, 'loader.node'))
  cpSync(prebuilds, join(target, 'torch-2.13'), { recursive: true })
  return folder
}

function pictureOf(folder: string, out: string): Buffer {
  const command = [join(folder, 'dist/cli/main.js'), 'generate', 'a red circle', '--seed', '7', '-o', out]
  const { status, stdout, stderr } = node(command, { WUERSTCHEN_LIBTORCH: libtorch() })
  if (status !== 0) throw new Error(`generate ended with ${status}:\n${stdout}${stderr}`)
  return readFileSync(out)
}

// Elsewhere no binary names the versions of what it needs, and none is linked against older libraries.
const describeOnLinux = platform === 'linux' ? describe : describe.skip

describeOnLinux('scripts/release/build-native.mjs', () => {
  const built = folderOf({})
  afterAll(removeFolders)

  beforeAll(() => {
    const { status, stdout, stderr } = node(['scripts/release/build-native.mjs', '--out', built])
    if (status !== 0) throw new Error(`build-native ended with ${status}:\n${stdout}${stderr}`)
  }, 300_000)

  it('builds addons that need nothing above the floors', () => {
    for (const name of ['loader.node', 'wuerstchen.node', 'torch-version'])
      expect(existsSync(join(built, name))).toBe(true)
    const { status, stdout, stderr } = floorsOf(join(built, 'loader.node'), join(built, 'wuerstchen.node'))
    expect(stderr).toBe('')
    expect(status).toBe(0)
    expect(stdout).toMatch(/wuerstchen\.node: needs .*GLIBC_2\.\d/)
  })

  it('makes the picture of the plain build, byte for byte', () => {
    const pictures = folderOf({})
    const plain = pictureOf(ROOT, join(pictures, 'plain.png'))
    expect(pictureOf(packageWith(built), join(pictures, 'release.png')).equals(plain)).toBe(true)
  }, 120_000)
})

describeOnLinux('scripts/release/floors.mjs', () => {
  afterAll(removeFolders)

  /** A library that calls `name` of that version, whether this system has it or not. */
  function libraryThatNeeds(name: string, version: string): string {
    const folder = folderOf({
      'needs.c': `extern void ${name}(void);\nvoid call(void) { ${name}(); }\n`,
      'has.c': `void ${name}(void) {}\n`,
      'has.map': `${version} { global: ${name}; };\n`,
    })
    const compile = (...args: string[]) =>
      expect(spawnSync('cc', ['-shared', '-fPIC', '-nostdlib', ...args], { cwd: folder }).status).toBe(0)
    compile('-o', 'libhas.so', 'has.c', '-Wl,--version-script=has.map,-soname,libc.so.6')
    compile('-o', 'libneeds.so', 'needs.c', './libhas.so')
    return join(folder, 'libneeds.so')
  }

  it.each([
    ['dlopen', 'GLIBC_2.34'],
    ['wait', 'GLIBCXX_3.4.30'],
  ])('refuses %s of %s and names it', (name, version) => {
    const { status, stderr } = floorsOf(libraryThatNeeds(name, version))
    expect(status).toBe(1)
    expect(stderr).toContain(`libneeds.so: ${name} of ${version}`)
  })

  it('compares versions by number', () => {
    expect(floorsOf(libraryThatNeeds('some', 'GLIBC_2.4')).status).toBe(0)
    expect(floorsOf(libraryThatNeeds('some', 'GLIBC_2.28')).status).toBe(0)
    expect(floorsOf(libraryThatNeeds('some', 'GLIBC_2.100')).status).toBe(1)
  })

  it('fails where there is nothing to check', () => {
    expect(node(['scripts/release/floors.mjs']).status).toBe(1)
  })
})
