/**
 * Builds the addons of a release: `node scripts/release/build-native.mjs [--target TARGET] [--libtorch FOLDER] [--out FOLDER]`.
 *
 * They load wherever libtorch does: what they need of the system's libraries is not above the floors, which is checked.
 */
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism, freemem } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { ARM64_LIBTORCH } from '../arm64/places.mjs'
import { at, cudaHeaders, ENGINE_BUILD, libtorch, libtorchVersion } from '../tooling/places.mjs'
import { run } from '../tooling/shell.mjs'
import { checkFloors, highestOf } from './floors.mjs'

const HOST = `${process.platform}-${process.arch}`
const TARGETS = ['linux-x64', 'linux-arm64']
const CROSS = { 'linux-arm64': 'cpp/portable/linux-arm64.cmake' }
// One compiler on a file that includes libtorch's headers.
const COMPILER_BYTES = 2.5 * 2 ** 30

const USAGE = `Usage: node scripts/release/build-native.mjs [--target TARGET] [--libtorch FOLDER] [--out FOLDER]

  --target    one of ${TARGETS.join(', ')}; this machine's by default
  --libtorch  a folder with lib/ and include/ of libtorch for that target; by default the one in .venv, and for
              linux-arm64 the one of scripts/arm64/setup.mjs
  --out       where the addons go; .release/built/TARGET by default
`

export async function buildNative({
  target = HOST,
  libtorch: folder,
  out = at('.release', 'built', target),
} = {}) {
  if (!TARGETS.includes(target))
    throw new Error(`Expected --target to be one of ${TARGETS.join(', ')} but received '${target}'`)
  if (target !== HOST && !(target in CROSS))
    throw new Error(`Expected ${target} to be built on such a machine but this one is ${HOST}`)
  const torch = folder ?? (target === HOST ? libtorch() : ARM64_LIBTORCH)
  if (torch === null || !existsSync(join(torch, 'include')))
    throw new Error(`Expected libtorch for ${target} in ${torch ?? '.venv'} but found none: see --help`)

  const log = at('.bootstrap', `release-${target}.log`)
  rmSync(log, { force: true })
  const build = buildFolder(target, torch)
  await configure(build, target, torch, log)
  const jobs = Math.max(1, Math.min(availableParallelism(), Math.floor(freemem() / COMPILER_BYTES)))
  await run('cmake', ['--build', build, '--target', 'portable', '--parallel', `${jobs}`], { log })
  return collect(build, torch, out)
}

/** The checkout's own where it fits: what is compiled already is only linked again. */
function buildFolder(target, torch) {
  if (target === HOST && torch === libtorch()) return ENGINE_BUILD
  return at('build-release', `${target}-torch-${libtorchVersion(torch)}`)
}

function configure(build, target, torch, log) {
  if (build === ENGINE_BUILD)
    return run(process.execPath, [at('scripts', 'bootstrap.mjs'), '--only', 'engine'], { log })
  const headers = ['node-api-headers/include', 'node-addon-api'].map((name) => at('node_modules', name))
  const ninja = spawnSync('ninja', ['--version']).status === 0 ? ['-G', 'Ninja'] : []
  const cross = target === HOST ? [] : [`-DCMAKE_TOOLCHAIN_FILE=${at(CROSS[target])}`]
  return run(
    'cmake',
    [
      ...['-S', at('cpp'), '-B', build, ...ninja, ...cross],
      '-DCMAKE_BUILD_TYPE=Release',
      `-DCMAKE_JS_INC=${headers.join(';')}`,
      `-DLIBTORCH=${torch}`,
      `-DCUDA_HEADERS=${cudaHeaders() ?? ''}`,
    ],
    { log },
  )
}

/** What was built, checked, in one folder. */
function collect(build, torch, out) {
  const portable = join(build, 'portable')
  const built = readdirSync(portable).filter((name) => /\.(node|so)$/.test(name))
  for (const name of ['loader.node', 'wuerstchen.node'])
    if (!built.includes(name)) throw new Error(`Expected the build to leave ${name} but it did not`)
  checkFloors(
    built.map((name) => join(portable, name)),
    torch,
  )
  mkdirSync(out, { recursive: true })
  for (const name of built) copyFileSync(join(portable, name), join(out, name))
  copyFileSync(versionFile(build), join(out, 'torch-version'))
  return built.map((name) => join(out, name))
}

/** Beside the addon of a checkout, whose folder is the build tool's choice. */
function versionFile(build) {
  const found = [build, join(build, 'Release')]
    .map((folder) => join(folder, 'torch-version'))
    .find(existsSync)
  if (!found) throw new Error(`Expected the build to leave torch-version in ${build} but it did not`)
  return found
}

async function main() {
  const { values } = parseArgs({
    options: {
      target: { type: 'string' },
      libtorch: { type: 'string' },
      out: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help) return console.log(USAGE)
  const files = await buildNative(values)
  for (const file of files) {
    const needs = Object.entries(highestOf(file)).map(([prefix, number]) => `${prefix}_${number}`)
    console.log(`${file}: ${(readFileSync(file).length / 1e6).toFixed(2)} MB, needs ${needs.join(', ')}`)
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  main().catch((error) => {
    console.error(`build-native: ${error.message}`)
    process.exitCode = 1
  })
}
