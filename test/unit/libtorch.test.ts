import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cacheDirectory, findLibtorch, librariesOf, libraryName, majorMinor } from '../../lib/libtorch/find'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'libtorch-'))
})
afterEach(() => rmSync(root, { recursive: true }))

/** A folder with lib/libtorch_cpu and, if it has one, its version. */
function libtorch(path: string, version?: string, versionFile = 'build-version'): string {
  const folder = join(root, path)
  mkdirSync(join(folder, 'lib'), { recursive: true })
  writeFileSync(join(folder, 'lib', libraryName('torch_cpu')), '')
  const text = versionFile === 'version.py' ? `__version__ = '${version}'\ncuda = None\n` : `${version}\n`
  if (version !== undefined) writeFileSync(join(folder, versionFile), text)
  return folder
}

/** A Python environment with torch in it. */
function python(path: string, version: string): string {
  libtorch(`${path}/lib/python3.11/site-packages/torch`, version, 'version.py')
  return join(root, path)
}

function search(environment: NodeJS.ProcessEnv, option?: string, required: string | null = '2.13') {
  // An empty home and cache: what this machine has plays no part, except after all that a test names.
  return findLibtorch({
    libtorch: option,
    required,
    environment: { WUERSTCHEN_HOME: join(root, 'none'), ...environment },
  })
}

describe('findLibtorch()', () => {
  it('takes the option before everything else', () => {
    const option = libtorch('option', '2.13.0')
    const { found, rejected } = search({ WUERSTCHEN_LIBTORCH: libtorch('variable', '2.13.0') }, option)
    expect(found).toEqual({ source: 'option', directory: join(option, 'lib'), version: '2.13.0' })
    expect(rejected).toEqual([])
  })

  it('takes a folder that is itself full of libraries, or a Python environment', () => {
    const folder = libtorch('plain', '2.13.1')
    expect(search({}, join(folder, 'lib')).found?.version).toBe('2.13.1')
    expect(search({}, python('venv', '2.13.0+cpu')).found?.version).toBe('2.13.0+cpu')
  })

  it('follows the documented order', () => {
    const order: [string, NodeJS.ProcessEnv][] = [
      ['WUERSTCHEN_LIBTORCH', { WUERSTCHEN_LIBTORCH: libtorch('a', '2.13.0') }],
      ['LIBTORCH', { LIBTORCH: libtorch('b', '2.13.0') }],
      ['cache', { WUERSTCHEN_HOME: join(libtorch('home/libtorch/2.13.0-cpu', '2.13.0'), '..', '..') }],
      ['VIRTUAL_ENV', { VIRTUAL_ENV: python('d', '2.13.0') }],
      ['CONDA_PREFIX', { CONDA_PREFIX: python('e', '2.13.0') }],
      ['WUERSTCHEN_PYTHON', { WUERSTCHEN_PYTHON: python('f', '2.13.0') }],
    ]
    while (order.length > 0) {
      const environment = Object.assign({}, ...order.map(([, variables]) => variables))
      expect(search(environment).found?.source).toBe(order[0]?.[0])
      order.shift()
    }
  })

  it('uses or refuses what was asked for by name, and looks no further', () => {
    const others = { LIBTORCH: libtorch('good', '2.13.0') }
    const bad = libtorch('bad', '2.12.0')
    expect(search(others, bad).found).toBeNull()
    expect(search({ ...others, WUERSTCHEN_LIBTORCH: bad }).found).toBeNull()
    expect(search({ ...others, WUERSTCHEN_LIBTORCH: bad }).rejected).toEqual([
      {
        source: 'WUERSTCHEN_LIBTORCH',
        path: bad,
        reason: 'it is version 2.12.0, but 2.13 is needed',
        version: '2.12.0',
      },
    ])
  })

  it('passes over an unfit LIBTORCH, which other programs read too, and says why', () => {
    const { found, rejected } = search({
      LIBTORCH: libtorch('old', '2.12.0'),
      VIRTUAL_ENV: python('venv', '2.13.0'),
    })
    expect(found?.source).toBe('VIRTUAL_ENV')
    expect(rejected.map(({ source, reason }) => `${source}: ${reason}`)).toEqual([
      'LIBTORCH: it is version 2.12.0, but 2.13 is needed',
      'cache: no such folder',
    ])
  })

  it('says of every rejected place what is wrong with it', () => {
    mkdirSync(join(root, 'empty'))
    const reasonFor = (path: string) => search({}, path).rejected[0]?.reason
    expect(reasonFor(join(root, 'missing'))).toBe('no such folder')
    expect(reasonFor(join(root, 'empty'))).toBe(`no ${libraryName('torch_cpu')} in it`)
    expect(reasonFor(libtorch('unknown'))).toBe(
      'its version is unknown: neither build-version nor version.py beside it',
    )
    expect(search({ VIRTUAL_ENV: join(root, 'empty') }).rejected).toContainEqual({
      source: 'VIRTUAL_ENV',
      path: join(root, 'empty'),
      reason: 'no torch package in this Python environment',
    })
  })

  it('reads the version of a torch package', () => {
    expect(search({}, libtorch('torch', '2.13.0+cu126', 'version.py')).found?.version).toBe('2.13.0+cu126')
  })

  it('prefers the newest of the managed cache, and its GPU build', () => {
    for (const name of ['2.13.0-cpu', '2.13.0-cu126', '2.12.0-cu126'])
      libtorch(`libtorch/${name}`, name.slice(0, 6))
    expect(search({ WUERSTCHEN_HOME: root }).found?.directory).toBe(
      join(root, 'libtorch', '2.13.0-cu126', 'lib'),
    )
  })

  it('does not follow the link that the python of an environment is', () => {
    const environment = python('venv', '2.13.0')
    mkdirSync(join(environment, 'bin'))
    symlinkSync(process.execPath, join(environment, 'bin', 'python'))
    expect(search({ WUERSTCHEN_PYTHON: join(environment, 'bin', 'python') }).found?.source).toBe(
      'WUERSTCHEN_PYTHON',
    )
  })

  it('accepts any version when it is told to, or when none is known', () => {
    const old = libtorch('old', '2.12.0')
    expect(search({ WUERSTCHEN_SKIP_ABI_CHECK: '1' }, old).found?.version).toBe('2.12.0')
    expect(search({}, old, null).found?.version).toBe('2.12.0')
    expect(search({}, libtorch('unknown'), null).found?.version).toBeNull()
  })
})

describe('librariesOf()', () => {
  it('names each library after those that it needs', () => {
    const folder = join(libtorch('all'), 'lib')
    const names = ['torch', 'torch_cuda', 'c10_cuda', 'c10'].map(libraryName)
    for (const name of [...names, 'libgomp.so.1', 'libshm.so']) writeFileSync(join(folder, name), '')
    const ordered = ['c10', 'torch_cpu', 'c10_cuda', 'torch_cuda', 'torch'].map(libraryName)
    expect(librariesOf(folder)).toEqual(['libgomp.so.1', ...ordered].map((name) => join(folder, name)))
  })
})

describe('cacheDirectory()', () => {
  it('is WUERSTCHEN_HOME, or in the cache folder of the user', () => {
    expect(cacheDirectory({ WUERSTCHEN_HOME: '/w', XDG_CACHE_HOME: '/x' })).toBe('/w')
    expect(cacheDirectory({ XDG_CACHE_HOME: '/x' })).toBe(join('/x', 'wuerstchen'))
    expect(cacheDirectory({})).toMatch(/\.cache.wuerstchen$/)
  })
})

describe('majorMinor()', () => {
  it('is the part that the binary interface depends on', () => {
    expect(['2.13.0+cpu', '2.13', '2.130.1', 'nightly'].map(majorMinor)).toEqual([
      '2.13',
      '2.13',
      '2.130',
      null,
    ])
  })
})
