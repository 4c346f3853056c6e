import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Build } from '../../lib/libtorch/builds'
import { findLibtorch, type Libtorch, majorMinor } from '../../lib/libtorch/find'
import { flavoursFor, nvidiaDriver } from '../../lib/libtorch/flavours'
import { gpuFindings } from '../../lib/libtorch/gpu'
import { librariesOf, libraryName } from '../../lib/libtorch/libraries'
import { runtimesFolder } from '../../lib/libtorch/runtimes'

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

function search(
  environment: NodeJS.ProcessEnv,
  option?: string,
  { required = '2.13', gpu = false }: { required?: string | null; gpu?: boolean } = {},
) {
  // An empty home and cache: what this machine has plays no part, except after all that a test names.
  return findLibtorch({
    libtorch: option,
    required,
    gpu,
    environment: { WUERSTCHEN_CACHE: join(root, 'none'), ...environment },
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
      ['runtime', { WUERSTCHEN_CACHE: join(libtorch('home/libtorch/2.13.0-cpu', '2.13.0'), '..', '..') }],
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
      'runtime: nothing is installed there',
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

  it('prefers the newest runtime, and the one for the GPU where there is one', () => {
    for (const name of ['2.13.0-cpu', '2.13.0-cu126', '2.13.10-cpu', '2.9.0-cpu'])
      libtorch(`libtorch/${name}`, name.replace(/-.*/, ''))
    mkdirSync(join(root, 'libtorch', '.staging-1'))
    const chosen = (gpu: boolean) => search({ WUERSTCHEN_CACHE: root }, undefined, { gpu }).found?.directory
    expect(chosen(true)).toBe(join(root, 'libtorch', '2.13.0-cu126', 'lib'))
    expect(chosen(false)).toBe(join(root, 'libtorch', '2.13.10-cpu', 'lib'))
  })

  it('passes over a runtime of another machine that shares the folder', () => {
    const other = process.arch === 'arm64' ? 'linux-x64' : 'linux-arm64'
    const foreign = libtorch(`libtorch/2.13.0-cpu-${other}`, '2.13.0')
    const { found, rejected } = search({ WUERSTCHEN_CACHE: root, VIRTUAL_ENV: python('venv', '2.13.0') })
    expect(found?.source).toBe('VIRTUAL_ENV')
    expect(rejected).toContainEqual({ source: 'runtime', path: foreign, reason: `it is for ${other}` })
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
    expect(search({}, old, { required: null }).found?.version).toBe('2.12.0')
    expect(search({}, libtorch('unknown'), { required: null }).found?.version).toBeNull()
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

  const onLinux = process.platform === 'linux' ? it : it.skip // only there does pip install them apart

  onLinux("opens CUDA's libraries of pip first, in the order of torch itself", () => {
    const site = join(python('gpu', '2.13.0'), 'lib', 'python3.11', 'site-packages')
    const folder = join(site, 'torch', 'lib')
    writeFileSync(join(folder, libraryName('torch_cuda')), '')
    const there = [
      'cudnn/lib/libcudnn.so.9',
      'cudnn/lib/libcudnn_ops.so.9',
      'cu13/lib/libcudart.so.13',
      'cu13/lib/libcublas.so.13',
      'cu13/lib/libcublasLt.so.13',
      'cu13/lib/libnvrtc.so.13',
      'cu13/lib/libnvrtc-builtins.so.13.0',
      'cu13/lib/libcusparse.so.12',
      'cusparselt/lib/libcusparseLt.so.0',
    ]
    for (const path of there) {
      mkdirSync(dirname(join(site, 'nvidia', path)), { recursive: true })
      writeFileSync(join(site, 'nvidia', path), '')
    }
    const opened = librariesOf(folder).map((path) => path.slice(site.length + 1))
    expect(opened).toEqual([
      'nvidia/cu13/lib/libcublasLt.so.13',
      'nvidia/cu13/lib/libcublas.so.13',
      'nvidia/cudnn/lib/libcudnn.so.9',
      'nvidia/cu13/lib/libnvrtc.so.13',
      'nvidia/cu13/lib/libnvrtc-builtins.so.13.0',
      'nvidia/cu13/lib/libcudart.so.13',
      'nvidia/cu13/lib/libcusparse.so.12',
      'nvidia/cusparselt/lib/libcusparseLt.so.0',
      'torch/lib/libtorch_cpu.so',
      'torch/lib/libtorch_cuda.so',
    ])
  })
})

describe('nvidiaDriver()', () => {
  const machine = (version: string) => {
    const gpu = 'proc/driver/nvidia/gpus/0000:01:00.0'
    mkdirSync(join(root, gpu), { recursive: true })
    writeFileSync(join(root, gpu, 'information'), 'Model: \t\t NVIDIA H100 80GB HBM3\nIRQ: \t\t 5\n')
    writeFileSync(join(root, 'proc/driver/nvidia/version'), `NVRM version: ${version}\nGCC version:  gcc\n`)
    return nvidiaDriver(root, 'linux')
  }

  it('is none on a machine without', () => {
    expect(nvidiaDriver(root, 'linux')).toBeNull()
    expect(nvidiaDriver(root, 'win32')).toBeNull()
    expect(flavoursFor(null)).toEqual([])
  })

  it('says which runtimes run with it', () => {
    const open = 'NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build'
    expect(machine(open)).toEqual({ version: '580.65.06', gpus: ['NVIDIA H100 80GB HBM3'] })
    expect(flavoursFor(machine(open))).toEqual(['cu130', 'cu126'])
    const closed = 'NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024'
    expect(machine(closed)?.version).toBe('550.54.15')
    expect(flavoursFor(machine(closed))).toEqual(['cu126'])
    expect(flavoursFor({ version: '470.57.02', gpus: [] })).toEqual([])
  })
})

describe('gpuFindings()', () => {
  const build = (flavour: Build['flavour']): Build => ({
    flavour,
    target: 't',
    version: '2.13.0',
    archives: [],
  })
  const builds = [build('cpu'), build('cu130')]
  const found = (path: string): Libtorch => ({
    source: 'system',
    directory: join(libtorch(path, '2.13.0'), 'lib'),
    version: '2.13.0',
  })
  const findings = (version: string | null, libtorch: Libtorch | null = null) =>
    gpuFindings(libtorch, { driver: { version, gpus: ['NVIDIA L4'] }, builds, target: 't' })

  it('are none without a driver', () => {
    expect(gpuFindings(null, { driver: null })).toBeNull()
  })

  it('name the runtime that would use the GPU', () => {
    expect(findings('580.65.06', found('cpu'))).toEqual({
      version: '580.65.06',
      gpus: ['NVIDIA L4'],
      used: false,
      advice: 'run: npx wuerstchen runtime install cu130',
    })
    expect(findings(null)?.advice).toBe('run: npx wuerstchen runtime install cu130')
  })

  it('say which driver is too old', () => {
    expect(findings('550.54.15')?.advice).toMatch(/update the driver .* or name a PyTorch for cu126/)
    expect(findings('470.57.02')?.advice).toMatch(/update the driver .* runtime install cu130$/)
  })

  it('have no advice where the GPU is used', () => {
    const cuda = found('cuda')
    writeFileSync(join(cuda.directory, libraryName('torch_cuda')), '')
    expect(findings('580.65.06', cuda)).toMatchObject({ used: true, advice: null })
  })
})

describe('runtimesFolder()', () => {
  it('lies in WUERSTCHEN_CACHE, or in the cache folder of the user', () => {
    expect(runtimesFolder({ WUERSTCHEN_CACHE: '/w', XDG_CACHE_HOME: '/x' })).toBe(join('/w', 'libtorch'))
    expect(runtimesFolder({ XDG_CACHE_HOME: '/x' })).toBe(join('/x', 'wuerstchen', 'libtorch'))
    expect(runtimesFolder({})).toMatch(/\.cache.wuerstchen.libtorch$/)
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
